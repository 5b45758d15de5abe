"""The Worker: upload a version, verify it at 0 % of the traffic, then move the traffic to it.

No user reaches an unverified version. Code and secrets are one version; the version goes
live at 0 %, is verified through Cloudflare's version override, and then takes the
traffic step by step. A first Worker has no older version beside it: it is verified on its
preview host, before its own address is switched on. So is one whose predecessor Cloudflare
deploys no more, being older than the newest hundred: it takes the traffic at once, for good.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Final

from xswarm_deploy.console import in_bytes
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.payload import Nothing
from xswarm_deploy.model.record import noted
from xswarm_deploy.model.step import Action, AnyAction, Change, Facts, action_of
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.cloudflare import MESSAGE_LENGTH
from xswarm_deploy.services.errors import Invalid
from xswarm_deploy.settings.variables import ENVIRONMENTS
from xswarm_deploy.site import Site
from xswarm_deploy.steps import assets, fingerprints, traffic, triggers
from xswarm_deploy.verification import verify

if TYPE_CHECKING:
    from xswarm_deploy.services.multipart import Upload
    from xswarm_deploy.verification import canary

NAME: Final = "worker"
INPUTS: Final = ("settings", "worker", "secrets")


@dataclass(frozen=True)
class Bucket:
    """An R2 bucket that the Worker is bound to."""

    name: str


@dataclass(frozen=True)
class Code:
    """What a version is made of, by the digest of its bundle."""

    digest: str


@dataclass(frozen=True)
class Address:
    """Whether the Worker answers at its own address."""

    open: bool


def observe(_site: Site) -> Facts:
    """Return nothing: the version itself, and what apply said of it, is all that it takes."""
    return {}


def plan(site: Site) -> list[Change]:
    """Return what would change: a new version, and the traffic's way to it."""
    live = traffic.live_split(site)
    digest = site.bundling.result().digest
    if not live:
        made = _first(site, digest)
    else:
        listed = traffic.deployable(site)
        _require_own(site, traffic.to_leave(site, live, listed))
        made = [_upload(site, digest), *traffic.roll_out(site, live, traffic.NEW, listed)]
    return [
        *_buckets(site),
        *made,
        *triggers.changes(site, triggers.described(site.settings)),
    ]


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
    listed = traffic.deployable(site)
    old = traffic.to_leave(site, live, listed)
    if not traffic.can_share(site, live, traffic.NEW, listed):
        raise traffic.too_old(
            site, f"version {old[:8]} is too old to share the traffic", site.deploy_command
        )
    dark, share = {old: 100.0, traffic.NEW: 0.0}, {old: 100 - percent, traffic.NEW: percent}
    return [
        *_buckets(site),
        _upload(site, site.bundling.result().digest),
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
    crons = noted(site.history(), pair.new).get("crons")  # those of its own configuration
    return [moved, *triggers.changes(site, crons)]


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


def canary_pair(environment: Environment) -> canary.Pair:
    """Return the two versions that share the traffic, by age.

    Raises:
        Refused: there are not two.
    """
    from xswarm_deploy.verification import canary

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
    return canary.Pair(old, new)


def apply(site: Site, change: Change) -> Facts:
    """Make one change; see the verbs below."""
    return _VERBS[action_of(change, ACTIONS)](site, change)


def undo(site: Site, change: Change, _outcome: Facts) -> str:
    """Bring the traffic back to before; an uploaded version just stays without traffic."""
    action = action_of(change, ACTIONS)
    if action in traffic.VERBS:
        traffic.bring_back(site, change)
    elif action == BUCKET:
        site.cloudflare.delete_bucket(BUCKET.undo_of(change).name)
    elif action in _UNDOING and site.cloudflare.worker_exists(site.worker):
        _UNDOING[action](site, change)
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
    made_of = (site.bundling.result().digest, variables_digest(site))
    return (known.get("digest"), known.get("variables")) == made_of


def _close(environment: Environment, _change: Change) -> None:
    environment.cloudflare.set_subdomain(environment.worker, enabled=False, previews_enabled=True)


def _unschedule(environment: Environment, change: Change) -> None:
    triggers.put(environment, triggers.SCHEDULE.undo_of(change).crons)


def _delete(environment: Environment, _change: Change) -> None:
    environment.cloudflare.delete_worker(environment.worker)
    if environment.cloudflare.worker_exists(environment.worker):
        raise StepFailed(f"worker {environment.worker} is still there after its deletion")


def tagged(environment: Environment, release: str) -> str:
    """Return the version that a release has made, asked for by its tag; empty: it made none."""
    found = (
        version.id
        for version in environment.cloudflare.versions(environment.worker)
        if version.tag == release
    )
    return next(found, "")


def prepared(site: Site) -> Upload:
    """Return the bundle with the environment's variables and secrets, as one version.

    Secrets that only the Worker has are taken over from the live version: the latest may be
    one that was undone, and what its webhooks' secrets belonged to is gone.
    """
    bundle = site.bundling.result()
    upload = assets.attached(site, bundle.upload, bundle.files)
    if "main_module" not in upload.metadata:
        return upload  # static files alone: nothing that could read a variable
    upload = _bound(site, upload).with_variables(site.settings.worker_variables())
    upload = upload.with_secrets(secrets(site), keep=False)
    for live in traffic.live_split(site):
        upload = upload.with_inherited(
            site.cloudflare.version(site.worker, live).secret_names, live
        )
    return upload


def _bound(environment: Environment, upload: Upload) -> Upload:
    """Bind the Worker to the environment's own bucket."""
    r2 = environment.settings.project.r2
    return upload.with_bucket(r2.replaces, r2.bucket) if r2.replaces else upload


def secrets(site: Site) -> dict[str, Secret]:
    """Return all secrets of the next version: the environment's, and those just minted."""
    return {**site.settings.worker_secrets(), **site.staged}


def _require_own(site: Site, version: str) -> None:
    """Refuse to replace another environment's Worker, such as production's by staging's.

    Raises:
        Refused: the live version says that it is another environment's.
    """
    ours, theirs = site.settings.environment, _environment_of(site, version)
    if theirs not in ("", ours):
        raise Refused(
            f"worker {site.worker} is the one of {theirs}",
            f"{ours} would replace it",
            f"name another in invoke.yaml: deploy.environments.{ours}.worker.name",
        )


def _environment_of(site: Site, version: str) -> str:
    """Return which environment made a version: its message ends with it; empty: unknown.

    Releases before this one gave each Worker the variable ENVIRONMENT instead.
    """
    found = site.cloudflare.version(site.worker, version)
    for name in ENVIRONMENTS:
        if found.annotations.get("workers/message", "").endswith(_mark(name)):
            return name
    own = {binding["name"] for binding in site.bundling.result().upload.bindings}
    texts = {str(b.get("name")): str(b.get("text", "")) for b in found.bindings}
    theirs = texts.get("ENVIRONMENT", "")
    return theirs if theirs in ENVIRONMENTS and "ENVIRONMENT" not in own else ""


def _mark(environment: str) -> str:
    return f" [{environment}]"


def _message(site: Site) -> str:
    """Return a person's words for the release, and at their end whose it is."""
    mark = _mark(site.settings.environment)
    return traffic.message(site)[: MESSAGE_LENGTH - len(mark)] + mark


def _buckets(site: Site) -> list[Change]:
    """Return which R2 buckets the Worker is bound to but the account does not have yet."""
    bindings = _bound(site, site.bundling.result().upload).bindings
    names = [str(b["bucket_name"]) for b in bindings if b.get("type") == "r2_bucket"]
    missing = [name for name in dict.fromkeys(names) if site.cloudflare.bucket(name) is None]
    return [
        BUCKET.change(f"r2 bucket {name}", after=Bucket(name), undo=Bucket(name))
        for name in missing
    ]


def _do_bucket(environment: Environment, change: Change) -> Facts:
    environment.cloudflare.create_bucket(BUCKET.after_of(change).name)
    return {}


def _first(environment: Environment, digest: str) -> list[Change]:
    name = environment.worker
    return [
        CREATE.change(f"worker {name}", after=Code(digest), undo=Nothing()),
        OPEN.change(
            f"address of {name}", before=Address(False), after=Address(True), undo=Nothing()
        ),
    ]


def _upload(environment: Environment, digest: str) -> Change:
    return UPLOAD.change(f"version of {environment.worker}", after=Code(digest), undo=Nothing())


@contextmanager
def _startable(environment: Environment) -> Iterator[None]:
    """Report of a refused upload that the Worker does not start, where that is why (10021)."""
    try:
        yield
    except Invalid as error:
        if "10021" not in error.codes:
            raise
        remedy = f"fix it, then: {environment.deploy_command}"
        raise StepFailed("the Worker does not start", error.said, remedy) from None


def _do_upload(site: Site, change: Change) -> Facts:
    """Upload the version, unless this release did already and only the reply was lost."""
    tag = str(site.facts["release"])
    made, digest = tagged(site, tag), UPLOAD.after_of(change).digest
    if made:
        return _version_facts(site, made, digest)
    _require_planned(site, digest)
    form = prepared(site).with_annotations(_message(site), tag)
    with _startable(site):
        version = site.cloudflare.upload_version(
            site.worker, form.body(), form.content_type, tag, in_bytes(site.progress, "upload")
        )
    return _version_facts(site, version.id, digest)


def _do_create(site: Site, change: Change) -> Facts:
    """Create the Worker behind a closed address, unless this release did already."""
    tag = str(site.facts["release"])
    version, digest = tagged(site, tag), CREATE.after_of(change).digest
    if not version:
        _require_planned(site, digest)
        form = prepared(site).with_annotations(_message(site), tag)
        with _startable(site):
            version = site.cloudflare.create_worker(
                site.worker, form.body(), form.content_type, in_bytes(site.progress, "upload")
            )
    site.cloudflare.set_subdomain(site.worker, enabled=False, previews_enabled=True)
    return _version_facts(site, version, digest)


def _do_open(site: Site, _change: Change) -> Facts:
    """Switch the first Worker's address on, once its version is verified on its preview host."""
    verify.gate(site, verify.preview(site, str(site.facts["version"])))
    site.cloudflare.set_subdomain(site.worker, enabled=True, previews_enabled=True)
    if not site.cloudflare.worker_subdomain(site.worker).enabled:
        raise StepFailed(f"the address of {site.worker} was not switched on")
    return {}


def _do_schedule(environment: Environment, change: Change) -> Facts:
    triggers.put(environment, triggers.SCHEDULE.after_of(change).crons)
    return {}


def _require_planned(site: Site, planned: str) -> None:
    """Upload what the plan says, or nothing: another checkout may hold other code.

    Raises:
        Refused: the bundle is not the planned one.
    """
    digest = site.bundling.result().digest
    if digest != planned:
        raise Refused(
            f"the code of {site.worker} is not what was planned",
            f"digest {digest[:12]} instead of {planned[:12]}",
            "check out what the release was made from, or: inv deploy.abort",
        )


def _version_facts(site: Site, version: str, digest: str) -> Facts:
    return {
        "version": version,
        "digest": digest,
        "variables": variables_digest(site),
        "secrets": fingerprints.of(secrets(site), site.settings),
        "crons": triggers.described(site.settings),
    }


def variables_digest(environment: Environment) -> str:
    """Return a digest of the Worker's plain variables."""
    text = json.dumps(environment.settings.worker_variables(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


BUCKET: Final = Action(NAME, "bucket", NoneType, Bucket, Bucket)
UPLOAD: Final = Action(NAME, "upload", NoneType, Code, Nothing, routine=True, upload=True)
CREATE: Final = Action(NAME, "create", NoneType, Code, Nothing, routine=True, upload=True)
OPEN: Final = Action(NAME, "open", Address, Address, Nothing, effect="traffic", routine=True)
_VERBS: Final[Mapping[AnyAction, Callable[[Site, Change], Facts]]] = {
    **traffic.VERBS,
    BUCKET: _do_bucket,
    UPLOAD: _do_upload,
    CREATE: _do_create,
    OPEN: _do_open,
    triggers.SCHEDULE: _do_schedule,
}
_UNDOING: Final[Mapping[AnyAction, Callable[[Site, Change], None]]] = {  # of a Worker that is there
    OPEN: _close,
    triggers.SCHEDULE: _unschedule,
    CREATE: _delete,
}
ACTIONS: Final = tuple(_VERBS)
