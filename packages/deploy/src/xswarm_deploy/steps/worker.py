"""The Worker: upload a version, verify it at 0 % of the traffic, then move the traffic to it.

No user reaches an unverified version. Code and secrets are one version; the version goes
live at 0 %, is verified through Cloudflare's version override, and then takes the
traffic step by step. A first Worker has no older version beside it: it is verified on its
preview host, before its own address is switched on. So is one whose predecessor Cloudflare
deploys no more, being older than the newest hundred: it takes the traffic at once, for good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import Refused
from xswarm_deploy.model import disturbance
from xswarm_deploy.model.record import noted
from xswarm_deploy.model.split import Pair, Split
from xswarm_deploy.model.step import AnyAction, Change, Facts, action_of
from xswarm_deploy.site import Site
from xswarm_deploy.steps import (
    affinity,
    buckets,
    compared,
    durable_objects,
    next_cache,
    resources,
    traffic,
    triggers,
    upload,
    version,
)
from xswarm_deploy.steps.unversioned import changes as unversioned
from xswarm_deploy.steps.unversioned import subdomain
from xswarm_deploy.verification import prospect

if TYPE_CHECKING:
    pass

NAME: Final = "worker"
INPUTS: Final = ("settings", "worker", "secrets")


def observe(_site: Site) -> Facts:
    """Return nothing: the version itself, and what apply said of it, is all that it takes."""
    return {}


def plan(site: Site) -> list[Change]:
    """Return what would change: a new version, and the traffic's way to it."""
    with ThreadPoolExecutor(6, thread_name_prefix=NAME) as pool:
        listing, needed = pool.submit(traffic.deployable, site), pool.submit(buckets.changes, site)
        lacking = pool.submit(resources.changes, site)
        live = traffic.live_split(site)
        sticky = pool.submit(affinity.changes, site) if live else None
        others = pool.submit(beside, site, live)
        made = _made(site, live, listing.result)
        return [
            *needed.result(),
            *lacking.result(),
            *(sticky.result() if sticky else ()),
            *made,
            *others.result(),
        ]


def prepare(site: Site, changes: Sequence[Change]) -> object:
    """Upload the version beside earlier steps, where nothing comes before it."""
    return upload.prepare(site, changes)


def _made(site: Site, live: Split, listing: Callable[[], list[str]]) -> list[Change]:
    """Return how the new version is made, and how the traffic gets to it."""
    told = [
        prospect.required(site, live=bool(live)),
        affinity.told(site.settings),
        next_cache.told(site),
    ]
    if not live:
        return upload.first(site, site.bundling.result().digest, "; ".join(filter(None, told)))
    listed = listing()
    leaving = traffic.to_leave(site, live, listed)
    version.require_own(site, leaving)
    changed = compared.told(site, leaving)
    said = "; ".join(filter(None, [*told, changed and f"of its bindings {changed}"]))
    lifecycle, digest = durable_objects.of_live(site, live), site.bundling.result().digest
    if lifecycle:
        return [upload.replace(site, digest, live, lifecycle)]
    return [
        upload.beside(site, digest, said),
        *traffic.roll_out(site, live, traffic.NEW, listed),
    ]


def beside(site: Site, live: Split) -> list[Change]:
    """Return how what belongs to no version would change, once the new version has the traffic.

    Args:
        site: the environment.
        live: today's split; empty: there is no Worker yet.

    Raises:
        Refused: a queue or zone is missing, or an address or workflow is another Worker's.
    """
    formerly = noted(site.history(), next(iter(live), "")).get("unversioned")
    wanted = unversioned.described(site.settings)
    if not live:  # its address is opened as a step of its own
        wanted = {**wanted, subdomain.ACTION.name: None}
    with ThreadPoolExecutor(1, thread_name_prefix="triggers") as pool:
        crons = pool.submit(triggers.changes, site, triggers.described(site.settings))
        rest = unversioned.changes(site, wanted, formerly)
        return [*crons.result(), *rest]


def plan_canary(site: Site, percent: float, soak: float) -> list[Change]:
    """Return what a canary by hand would change: a version, and a share of the traffic for it.

    Args:
        site: the environment.
        percent: the share.
        soak: seconds to watch it.

    Raises:
        Refused: there is nothing to compare with, or another one is under way.
    """
    live = traffic.live_split(site)
    if not 0 < percent < 100:
        raise Refused(
            f"{percent:g} % is not a valid percentage", "", "choose one between 0 and 100"
        )
    if not live:
        raise Refused(
            f"there is no worker {site.worker} yet",
            "a canary is judged beside an older version",
            site.deploy_command,
        )
    lifecycle = durable_objects.of_live(site, live)
    if lifecycle:
        raise Refused(
            "a canary cannot begin with this version",
            f"{lifecycle.told}: Cloudflare applies that to all of the traffic at once",
            site.deploy_command,
        )
    listed = traffic.deployable(site)
    old = traffic.to_leave(site, live, listed)
    if not traffic.can_share(site, live, traffic.NEW, listed):
        raise traffic.too_old(
            site, f"version {old[:8]} is too old to share the traffic", site.deploy_command
        )
    dark, share = {old: 100.0, traffic.NEW: 0.0}, {old: 100 - percent, traffic.NEW: percent}
    affinity.require_split(site.settings)
    return [
        *buckets.changes(site),
        *resources.changes(site),
        *affinity.changes(site),
        upload.beside(site, site.bundling.result().digest),
        traffic.moving(site, {old: 100.0}, dark, traffic.NEW, dict(live)),
        traffic.moving(site, dark, share, traffic.NEW, dict(live), soak=soak),
    ]


def plan_promotion(site: Site) -> list[Change]:
    """Return what giving the canary all of the traffic would change.

    Raises:
        Refused: no canary is under way; or Cloudflare deploys it no more.
    """
    pair, live, listed = canary_pair(site), traffic.live_split(site), traffic.deployable(site)
    if traffic.can_share(site, live, pair.new, listed):
        after = {pair.old: 0.0, pair.new: 100.0}
        moved = traffic.moving(site, live, after, pair.new, live, verified=True)
    else:
        moved = traffic.leaping(site, live, pair.new, quick=False)
    then, now = noted(site.history(), pair.new), noted(site.history(), pair.old)
    return [  # what its own configuration says
        moved,
        *triggers.changes(site, then.get("crons")),
        *unversioned.changes(site, then.get("unversioned"), now.get("unversioned")),
    ]


def plan_abortion(environment: Environment) -> list[Change]:
    """Return what taking the canary's share away would change.

    Raises:
        Refused: no canary is under way; or Cloudflare deploys the older version no more.
    """
    pair, live = canary_pair(environment), traffic.live_split(environment)
    if pair.old not in traffic.deployable(environment):
        what = f"version {pair.old[:8]} is too old to take the traffic back"
        raise traffic.too_old(environment, what, environment.deploy_command)
    return [traffic.moving(environment, live, {pair.old: 100.0}, pair.old, live)]


def canary_pair(environment: Environment) -> Pair:
    """Return the two versions that share the traffic, by age.

    Raises:
        Refused: there are not two.
    """
    live = traffic.live_split(environment)
    if len(live) != 2:
        raise Refused(
            f"no canary of {environment.worker} is under way", f"traffic: {live}", "inv worker"
        )
    ages = {
        version: environment.cloudflare.version(environment.worker, version).created_on
        for version in live
    }
    old, new = sorted(ages, key=lambda version: ages[version])
    return Pair(old, new)


def apply(site: Site, change: Change) -> Facts:
    """Make one change; see the verbs below."""
    return _VERBS[action_of(change, ACTIONS)](site, change)


def undo(site: Site, change: Change, outcome: Facts) -> str:
    """Bring the traffic back to before; an uploaded version just stays without traffic."""
    action = action_of(change, ACTIONS)
    if action in traffic.VERBS:
        return traffic.bring_back(site, change)
    if action == buckets.BUCKET:
        buckets.undo(site, change)
    elif action == resources.RESOURCE:
        return resources.undo(site, change)
    elif action == affinity.KEY:
        affinity.undo(site, change)
    elif action in _UNDOING and site.cloudflare.worker_exists(site.worker):
        return _UNDOING[action](site, change, outcome) or ""
    return ""


def require_undisturbed(site: Site, change: Change) -> None:
    """Refuse to move traffic that somebody else has moved since.

    Raises:
        Refused: the split is neither what it was before, nor what it was to become.
    """
    if action_of(change, ACTIONS) in traffic.VERBS:
        traffic.require_undisturbed(site, change)


def is_live(site: Site) -> bool:
    """Return whether the version that has all of the traffic is made of this code and variables."""
    live = traffic.live_split(site)
    if len(live) != 1:
        return False
    known = noted(site.history(), next(iter(live)))
    made_of = (site.bundling.result().digest, version.variables_digest(site))
    return (known.get("digest"), known.get("variables")) == made_of


def _do_schedule(environment: Environment, change: Change) -> Facts:
    triggers.put(environment, triggers.SCHEDULE.after_of(change).crons)
    return {}


def _unschedule(environment: Environment, change: Change, _outcome: Facts) -> str:
    """Bring the earlier triggers back, unless somebody else has set others meanwhile."""
    action = triggers.SCHEDULE
    before, after = action.undo_of(change).crons, action.after_of(change).crons
    there = set(environment.cloudflare.schedules(environment.worker))
    if there not in (set(before), set(after)):
        return disturbance.left(sorted(there))
    if there != set(before):
        triggers.put(environment, before)
    return ""


_VERBS: Final[Mapping[AnyAction, Callable[[Site, Change], Facts]]] = {
    **traffic.VERBS,
    buckets.BUCKET: buckets.make,
    resources.RESOURCE: resources.make,
    affinity.KEY: affinity.make,
    **upload.VERBS,
    triggers.SCHEDULE: _do_schedule,
    **unversioned.VERBS,
}
_UNDOING: Final[Mapping[AnyAction, Callable[[Site, Change, Facts], str | None]]] = {
    # of a Worker that is there
    **upload.UNDOING,
    triggers.SCHEDULE: _unschedule,
    **unversioned.UNDOING,
}
ACTIONS: Final = tuple(_VERBS)
