"""The traffic: which versions of the Worker users meet, and how it moves to another one.

It moves step by step beside the old version, so that it can go back. Cloudflare deploys the
newest hundred versions only; one that is live and older than that is left at once, for good.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import MovedForGood, Refused, StepFailed
from xswarm_deploy.model import disturbance
from xswarm_deploy.model.split import Pair, Split, met
from xswarm_deploy.model.step import Action, AnyAction, Change, Effect, Facts
from xswarm_deploy.services.errors import Invalid, ServiceError
from xswarm_deploy.settings.project import CanaryStep
from xswarm_deploy.site import Site
from xswarm_deploy.steps import affinity
from xswarm_deploy.verification import verify

if TYPE_CHECKING:
    from xswarm_deploy.services.cloudflare.deployments import Deployment

STEP: Final = "worker"
"""Whose changes they are."""
NEW: Final = "(new version)"
"""Stands in a plan for the id that the upload will give."""

LISTED_WITHIN: Final = 15.0
"""Seconds in which a list has a deployment that was taken; Cloudflare promises none."""
_PAUSE: Final = 0.25
NOT_TAKEN: Final = "10026"
"""Cloudflare's code for a deployment that it never takes, such as one of a version too old."""
DEPLOYABLE: Final = 100
"""So many versions, the newest, Cloudflare deploys; an older one that is live just stays it."""


@dataclass(frozen=True)
class Traffic:
    """How the traffic is split."""

    split: Split


@dataclass(frozen=True)
class Move:
    """Where the traffic goes.

    Args:
        split: the split it moves to.
        version: the one this is about; an id, or :data:`NEW`.
        quick: verify the quick routes alone.
        verified: verify the version although it has traffic already.
        soak: seconds to watch it as a canary; None: not at all.
    """

    split: Split
    version: str
    quick: bool = False
    verified: bool = False
    soak: float | None = None


def _nothing() -> None:
    """Begin nothing."""


def newest_split(environment: Environment) -> dict[str, float]:
    """Return today's deployment, with the versions that have 0 %; empty: no Worker."""
    newest = _newest(environment)
    return dict(newest.split) if newest else {}


def _newest(environment: Environment) -> Deployment | None:
    return next(iter(environment.cloudflare.deployments(environment.worker)), None)


def live_split(environment: Environment) -> dict[str, float]:
    """Return today's split of the traffic: version → percent above 0; empty: no Worker."""
    return met(newest_split(environment))


def deployable(environment: Environment) -> list[str]:
    """Return the versions that Cloudflare would deploy, newest first."""
    return [version.id for version in environment.cloudflare.versions(environment.worker)]


def roll_out(
    environment: Environment,
    live: Split,
    version: str,
    listed: Sequence[str],
    *,
    back: bool = False,
    deployed: Split = MappingProxyType({}),
) -> list[Change]:
    """Return how the traffic moves to a version: at 0 % first, then step by step to 100 %.

    Args:
        environment: the environment.
        live: today's split.
        version: an id, or :data:`NEW`.
        listed: what :func:`deployable` gives.
        back: whether it was live before: no canary steps, and only the quick routes verified,
            since it need not have those that came later.
        deployed: today's split with the versions that have 0 %, where it is known; one that is
            there already need not be brought there.

    Raises:
        Refused: another gradual deployment is under way; or Cloudflare deploys this version no
            more.
    """
    if not live:
        why = "it was deleted, or never deployed"
        raise Refused(f"there is no worker {environment.worker}", why, environment.deploy_command)
    old = to_leave(environment, live, listed)
    if set(live) == {version}:
        return []
    if not can_share(environment, live, version, listed):
        return [leaping(environment, live, version, quick=back)]
    project = environment.settings.project
    split = not back and affinity.splits(environment.settings)
    steps = [s for s in (project.worker.canary if split else ()) if 0 < s.percent < 100]
    _require_growing(steps)
    splits = [
        {old: 100.0},
        *({old: 100 - p, version: p} for p in (0.0, *(step.percent for step in steps), 100.0)),
    ]
    soaks = [None, *(project.soak(step) for step in steps), None]
    moves = [
        moving(environment, before, after, version, dict(live), quick=back, soak=soak)
        for (before, after), soak in zip(pairwise(splits), soaks, strict=True)
    ]
    return moves[1:] if dict(deployed) == splits[1] else moves


def _require_growing(steps: Sequence[CanaryStep]) -> None:
    """Refuse a share that shrinks: users and Durable Objects would go back and forth.

    Raises:
        Refused: a step has no more than the one before it.
    """
    for before, after in pairwise(steps):
        if after.percent <= before.percent:
            raise Refused(
                f"the canary's share shrinks: {after.percent:g} % after {before.percent:g} %",
                "a user, or a Durable Object, that has the new version would lose it again",
                "let the percentages of deploy.worker.canary in invoke.yaml grow",
            )


def to_leave(environment: Environment, live: Split, listed: Sequence[str]) -> str:
    """Return the version that is to be left, or one of several that cannot all be deployed again.

    Raises:
        Refused: several share the traffic, and a person can end that.
    """
    if set(live) <= set(listed):
        return only(live, environment.worker)
    return next(iter(live))


def only(live: Split, worker: str) -> str:
    """Return the version that has all of the traffic.

    Raises:
        Refused: several share it, and a person has to end that.
    """
    if len(live) > 1:
        shares = ", ".join(f"{version[:8]} {percent:g} %" for version, percent in live.items())
        raise Refused(
            f"a gradual deployment of {worker} is under way",
            shares,
            "inv worker.promote, or inv worker.abort; then repeat the command",
        )
    return next(iter(live))


def can_share(environment: Environment, live: Split, version: str, listed: Sequence[str]) -> bool:
    """Return whether what is live can be deployed together with another version.

    Raises:
        Refused: Cloudflare deploys the other one no more.
    """
    if version == NEW:
        return set(live) <= set(listed[: DEPLOYABLE - 1])  # the new one will be of the newest, too
    if version not in listed:
        remedy = f"check out the commit it was made from, then: {environment.deploy_command}"
        raise too_old(environment, f"version {version[:8]} is too old to be deployed again", remedy)
    return set(live) <= set(listed)


def too_old(environment: Environment, what: str, remedy: str) -> Refused:
    """Return the refusal of what a version is too old for."""
    why = f"Cloudflare deploys the newest {DEPLOYABLE}, and {environment.worker} got more since"
    return Refused(what, why, remedy)


def moving(
    environment: Environment,
    before: Split,
    after: Split,
    version: str,
    live: Split,
    *,
    quick: bool = False,
    verified: bool = False,
    soak: float | None = None,
) -> Change:
    """Return how traffic moves.

    Args:
        environment: the environment.
        before: the split it moves from.
        after: the split it moves to.
        version: the one this is about.
        live: the split that undoing brings back.
        quick: verify the quick routes alone.
        verified: verify the version although it has traffic already.
        soak: seconds to watch it as a canary; None: not at all.
    """
    return SHIFT.change(
        f"traffic of {environment.worker}",
        before=Traffic(dict(before)),
        after=Move(dict(after), version, quick, verified, soak),
        undo=Traffic(dict(live)),
    )


def leaping(environment: Environment, live: Split, version: str, *, quick: bool) -> Change:
    """Return how all of the traffic moves at once, since what is live cannot stay beside it.

    Raises:
        Refused: versions of the Worker have no preview host, where it could be verified first.
    """
    left = {old: percent for old, percent in live.items() if old != version}
    if not environment.cloudflare.worker_subdomain(environment.worker).previews_enabled:
        raise Refused(
            f"version {', '.join(old[:8] for old in left)}, which is live, is too old to share the"
            " traffic",
            f"Cloudflare deploys the newest {DEPLOYABLE}, and the Worker has no preview URLs where"
            " the other one could be verified",
            f"switch them on (Cloudflare: {environment.worker}, Settings, Domains), then repeat",
        )
    return LEAP.change(
        f"traffic of {environment.worker}",
        before=Traffic(dict(live)),
        after=Move({version: 100.0}, version, quick),
        undo=Traffic(dict(live)),
        irreversible=_no_longer(left),
    )


def first_meets_users(change: Change) -> bool:
    """Return whether a change gives a version its first traffic: it is verified right before."""
    return (
        SHIFT.owns(change)
        and SHIFT.before_of(change).split.get(SHIFT.after_of(change).version) == 0
    )


def named(site: Site, split: Split) -> dict[str, float]:
    """Put the id of this release's version in the place of :data:`NEW`."""
    return {_named(site, version): float(percent) for version, percent in split.items()}


def shift(
    environment: Environment,
    split: Split,
    message: str,
    *,
    force: bool = False,
    before: Split | None = None,
    read_back: bool = True,
    moved: Callable[[], None] = _nothing,
) -> None:
    """Move the traffic and read back that it moved.

    A version that is live, but no longer among the newest hundred, is refused in a new deployment
    (10026), and at times Cloudflare takes none: where the traffic goes as wanted already, that
    harms nobody.

    Args:
        environment: the environment.
        split: where it goes.
        message: a person's words for it.
        force: whether a version that brings earlier secrets back is taken.
        before: the only split that it may come from; None: any.
        read_back: whether to.
        moved: called once the API took the deployment, before that is read back.

    Raises:
        ServiceError: the API did not take the deployment.
        StepFailed: it took it, but does not show it; or somebody else moved it meanwhile.
    """
    wanted = {version: float(percent) for version, percent in split.items()}
    newest = environment.cloudflare.newest(environment.worker)  # looked at ahead, where it was
    now = dict(newest.split) if newest else {}
    if now == wanted:
        return
    if before is not None and met(now) not in (met(before), met(wanted)):
        raise disturbance.stopped(f"the traffic of {environment.worker}", _shares(met(now)))
    try:
        known = newest.id if newest else ""
        environment.cloudflare.deploy(environment.worker, wanted, message, force=force, known=known)
    except ServiceError:
        if met(now) == met(wanted) and set(wanted) <= set(now):
            return
        raise
    moved()
    if not read_back:
        return
    seen = _seen(environment, wanted, now)
    if met(seen) != met(wanted):
        raise StepFailed(f"the traffic of {environment.worker} did not move", f"it is {seen}")


def _seen(environment: Environment, wanted: Split, before: Split) -> Split:
    """Return the split as it is listed, once the list has the deployment that was taken.

    Cloudflare's lists may lag behind for moments: one of before is asked for again.
    """
    ends = time.monotonic() + LISTED_WITHIN
    while True:
        seen = newest_split(environment)
        if met(seen) != met(before) or met(seen) == met(wanted) or time.monotonic() >= ends:
            return seen
        time.sleep(_PAUSE)


def require_moved(site: Site, made: Sequence[Change]) -> None:
    """Make sure that the traffic goes where the last of these changes has moved it, if any has.

    Raises:
        StepFailed: it goes elsewhere.
    """
    moves = [change for change in made if LEAP.owns(change) or SHIFT.owns(change)]
    if not moves:
        return
    action = LEAP if LEAP.owns(moves[-1]) else SHIFT
    live = live_split(site)
    if live != met(named(site, action.after_of(moves[-1]).split)):
        raise disturbance.stopped(f"the traffic of {site.worker}", _shares(live))


def bring_back(environment: Site, change: Change) -> str:
    """Move the traffic back, or find it where it was, or where somebody else has moved it.

    Raises:
        MovedForGood: it has moved, and Cloudflare deploys what had it no more.
        StepFailed: somebody else gave this release's version another share.
    """
    action = LEAP if LEAP.owns(change) else SHIFT
    moved, before = action.after_of(change), action.undo_of(change).split
    if told := _moved_by_others(environment, change):
        return told
    try:
        shift(environment, before, "brought back", force=True)
    except Invalid as error:
        if NOT_TAKEN not in error.codes:
            raise
        again = f"inv {environment.settings.environment} rollback --version {moved.version}"
        raise MovedForGood(
            f"the traffic of {environment.worker} stays where it is",
            change.irreversible or _no_longer(before),
            f"fix what failed, then: {environment.deploy_command}"
            if not moved.quick
            else f"fix what failed, then repeat it, with its flags: {again}",
        ) from None
    return ""


def _moved_by_others(site: Site, change: Change) -> str:
    """Return how the traffic goes where this release never moved it; empty: as it moved it.

    A call of an earlier step may be delivered late, so each split of this release is its own.

    Raises:
        StepFailed: this release's version has a share there, so that nothing of it can go.
    """
    action = LEAP if LEAP.owns(change) else SHIFT
    before = action.undo_of(change).split
    ours = str(site.facts.get("version") or "") or action.after_of(change).version
    known = [before, *(split for each in (change, *site.state.made) for split in _sides(each))]
    live = live_split(site)
    resolved = [{ours if v == NEW else v: p for v, p in split.items()} for split in known]
    if not live or live in [met(split) for split in resolved]:
        return ""
    if ours in live and ours not in before:
        raise StepFailed(
            f"the traffic of {site.worker} stays where somebody else has moved it",
            _shares(live),
            "inv worker.abort, or inv worker.promote",
        )
    return disturbance.left(_shares(live))


def _sides(change: Change) -> tuple[Split, ...]:
    """Return the splits that a change moves traffic from and to; none: it moves none."""
    for action in (LEAP, SHIFT):
        if action.owns(change):
            return (action.before_of(change).split, action.after_of(change).split)
    return ()


def _shares(split: Split) -> str:
    return ", ".join(f"{version[:8]} {percent:g} %" for version, percent in split.items())


def _no_longer(split: Split) -> str:
    names = ", ".join(version[:8] for version in split)
    return f"version {names} is not among the newest {DEPLOYABLE}: Cloudflare deploys it no more"


def _shift(site: Site, change: Change) -> Facts:
    """Move the traffic one step; before any user meets the version, verify it at 0 % of traffic."""
    move = SHIFT.after_of(change)
    version = _named(site, move.version)
    split, before = named(site, move.split), named(site, SHIFT.before_of(change).split)
    if before.get(version) == 0.0 or move.verified:
        _gate(site, version, quick=move.quick)
    # An older version brings its secrets back, which is meant (error 10220).
    # What has no traffic yet is proven, in place of reading it back, by verifying it right after.
    met_by_users = met(split) != met(before)

    def moved() -> None:
        if split[version] == 100.0 and site.uploads:
            verify.look_ahead(site, verify.live(site, version))

    shift(
        site,
        split,
        message(site),
        force=move.quick,
        before=before,
        read_back=met_by_users,
        moved=moved,
    )
    if move.soak is None:
        return {"version": version}

    old = next(name for name in split if name != version)
    pair = Pair(old, version)
    return {"version": version, **_judged(site, pair, split[version], move.soak)}


def _gate(site: Site, version: str, *, quick: bool) -> None:
    """Verify a version before more users meet it, unless that was done just before the release."""

    def closing() -> None:
        site.cloudflare.look_ahead(site.worker)

    target = verify.dark(site, version)
    if quick and not site.state.verified(version):
        closing()
        if verify.at_once(site, target):
            return
    elif quick:
        return
    verify.gate(site, target, quick=quick, closing=closing)


def _leap(site: Site, change: Change) -> Facts:
    """Move all of the traffic at once, to a version that was verified on its preview host."""
    move = LEAP.after_of(change)
    version, quick = _named(site, move.version), move.quick
    split, before = named(site, move.split), named(site, LEAP.before_of(change).split)
    if newest_split(site) != split:
        verify.gate(site, verify.preview(site, version), quick=quick)
    shift(site, split, message(site), force=quick, before=before)
    return {"version": version}


def _judged(site: Site, pair: Pair, percent: float, soak: float) -> Facts:
    """Watch the version while it has its share; go on only when it is as good as the old one.

    Raises:
        StepFailed: it is not, or it cannot be told.
    """
    from xswarm_deploy.steps import notify
    from xswarm_deploy.verification import canary

    verdict = canary.watch(site, pair, soak)
    name = f"canary at {percent:g} %"
    notify.announce(site, f"{name} of version {pair.new[:8]}: {verdict.outcome}", str(verdict))
    if verdict.outcome == "pass":
        return {name: str(verdict), "soaked": float(site.facts.get("soaked", 0.0)) + soak}
    environment = site.settings.environment
    if verdict.outcome == "inconclusive" and verdict.limited:
        raise StepFailed(
            f"{name}: version {pair.new[:8]} was not judged: the Worker limits its callers (429)",
            "; ".join((verdict.limited, *verdict.reasons)),
            "let the Worker recognise signed probes (deployment/docs/guide/verification.md), or"
            f" raise deploy.worker.canary_patience in invoke.yaml, then: {site.deploy_command}",
        )
    word = "is not as good as the old one" if verdict.outcome == "fail" else "is inconclusive"
    raise StepFailed(
        f"{name}: version {pair.new[:8]} {word}",
        "; ".join(verdict.reasons),
        f"fix it, or, if it cannot be told: inv {environment} worker.canary --soak 600,"
        f" then: inv {environment} worker.promote",
    )


def _named(site: Site, version: str) -> str:
    return str(site.facts["version"]) if version == NEW else version


def message(site: Site) -> str:
    """Return a person's words for the release, for Cloudflare's own lists."""
    return str(site.facts.get("message") or f"release {site.facts['release']}")


def require_undisturbed(site: Site, change: Change) -> None:
    """Refuse to move traffic that somebody else has moved since.

    Raises:
        Refused: the split is neither what it was before, nor what it was to become.
    """
    action = LEAP if LEAP.owns(change) else SHIFT
    live = live_split(site)
    allowed = (action.before_of(change).split, action.after_of(change).split)
    if live not in [met(named(site, split)) for split in allowed]:
        raise Refused(
            f"the traffic of {site.worker} was moved by somebody else",
            f"it is {live}",
            f"inv {site.settings.environment} deploy.abort",
        )


def _effect(before: Traffic, after: Move) -> Effect:
    """Return whether users meet other code; with a share of 0 % they do not."""
    return "traffic" if met(before.split) != met(after.split) else "none"


def _described(after: Move) -> str:
    shares = ", ".join(f"{v if v == NEW else v[:8]} {p:g} %" for v, p in after.split.items())
    if after.soak is None:
        return shares
    return f"{shares}, {f'watched for {after.soak:g} s' if after.soak else 'judged without a soak'}"


def _watched(after: Move) -> float:
    return after.soak or 0.0


SHIFT: Final = Action(
    STEP,
    "shift",
    Traffic,
    Move,
    Traffic,
    effect=_effect,
    describe=_described,
    waits=_watched,
    routine=True,
    joins=True,
)
LEAP: Final = Action(
    STEP, "leap", Traffic, Move, Traffic, effect=_effect, describe=_described, routine=True
)
VERBS: Final[Mapping[AnyAction, Callable[[Site, Change], Facts]]] = {SHIFT: _shift, LEAP: _leap}
