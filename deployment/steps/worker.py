"""The Worker: upload a version, verify it in the dark, then move the traffic to it.

No user reaches an unverified version. Code and secrets are one version; the version goes
live at 0 %, is verified through Cloudflare's version override, and then takes the
traffic step by step. A first Worker has no older version beside it: it is verified on its
preview host, before its own address is switched on. So is one whose predecessor Cloudflare
deploys no more, being older than the newest hundred: it takes the traffic at once, for good.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from deployment.errors import MovedForGood, Refused, StepFailed
from deployment.secret import Secret
from deployment.services.errors import Invalid, ServiceError
from deployment.services.multipart import Upload
from deployment.steps import fingerprints, triggers, verify
from deployment.steps.record import noted
from deployment.steps.site import Site
from deployment.steps.step import Change, Facts

if TYPE_CHECKING:
    from deployment.steps import canary

NAME: Final = "worker"
NEW: Final = "(new version)"
"""Stands in a plan for the id that the upload will give."""

Split = Mapping[str, float]
NOT_TAKEN: Final = "10026"
"""Cloudflare's code for a deployment that it never takes, such as one of a version too old."""
DEPLOYABLE: Final = 100
"""So many versions, the newest, Cloudflare deploys; an older one that is live just stays it."""


def plan(site: Site) -> list[Change]:
    """Say what would change: a new version, and the traffic's way to it."""
    live = live_split(site)
    digest = site.bundling.result().digest
    if not live:
        made = _first(site, digest)
    else:
        listed = deployable(site)
        _require_own(site, _left(site, live, listed))
        made = [_upload(site, digest), *roll_out(site, live, NEW, listed)]
    return [
        *_buckets(site),
        *made,
        *triggers.changes(site, NAME, triggers.described(site.settings)),
    ]


def roll_out(
    site: Site, live: Split, version: str, listed: Sequence[str], *, back: bool = False
) -> list[Change]:
    """Say how the traffic moves to a version: at 0 % first, then step by step to 100 %.

    Args:
        site: the environment.
        live: today's split.
        version: an id, or :data:`NEW`.
        listed: what :func:`deployable` gives.
        back: whether it was live before: no canary steps, and only the quick routes verified,
            since it need not have those that came later.

    Raises:
        Refused: another gradual deployment is under way; or Cloudflare deploys this version no
            more.
    """
    old = _left(site, live, listed)
    if set(live) == {version}:
        return []
    if not _can_share(site, live, version, listed):
        return [_leap(site, live, version, quick=back)]
    canary = site.settings.project.worker.canary if not back else ()
    steps = [step for step in canary if 0 < step.percent < 100]
    splits = [
        {old: 100.0},
        *({old: 100 - p, version: p} for p in (0.0, *(step.percent for step in steps), 100.0)),
    ]
    soaks = [None, *(step.soak for step in steps), None]
    return [
        _shift(site, before, after, version, dict(live), quick=back, soak=soak)
        for (before, after), soak in zip(pairwise(splits), soaks, strict=True)
    ]


def plan_canary(site: Site, percent: float, soak: float) -> list[Change]:
    """Say what a canary by hand would change: a version, and a share of the traffic for it.

    Args:
        site: the environment.
        percent: the share.
        soak: seconds to watch it.

    Raises:
        Refused: there is nothing to compare with, or another one is under way.
    """
    live = live_split(site)
    if not 0 < percent < 100:
        raise Refused(f"{percent:g} % is no share", "", "choose one between 0 and 100")
    if not live:
        raise Refused(
            f"there is no worker {site.worker} yet",
            "a canary is judged beside an older version",
            site.deploy_command,
        )
    listed = deployable(site)
    old = _left(site, live, listed)
    if not _can_share(site, live, NEW, listed):
        raise _too_old(
            site, f"version {old[:8]} is too old to share the traffic", site.deploy_command
        )
    dark, share = {old: 100.0, NEW: 0.0}, {old: 100 - percent, NEW: percent}
    return [
        *_buckets(site),
        _upload(site, site.bundling.result().digest),
        _shift(site, {old: 100.0}, dark, NEW, dict(live)),
        _shift(site, dark, share, NEW, dict(live), soak=soak),
    ]


def plan_promotion(site: Site) -> list[Change]:
    """Say what giving the canary all of the traffic would change.

    Raises:
        Refused: no canary is under way; or Cloudflare deploys it no more.
    """
    pair, live, listed = canary_pair(site), live_split(site), deployable(site)
    crons = noted(site.history(), pair.new).get("crons")  # those of its own configuration
    if not _can_share(site, live, pair.new, listed):
        return [_leap(site, live, pair.new, quick=False), *triggers.changes(site, NAME, crons)]
    after = {pair.old: 0.0, pair.new: 100.0}
    moved = _shift(site, live, after, pair.new, live, verified=True)
    return [moved, *triggers.changes(site, NAME, crons)]


def plan_abortion(site: Site) -> list[Change]:
    """Say what taking the canary's share away would change.

    Raises:
        Refused: no canary is under way; or Cloudflare deploys the older version no more.
    """
    pair, live = canary_pair(site), live_split(site)
    if pair.old not in deployable(site):
        what = f"version {pair.old[:8]} is too old to take the traffic back"
        raise _too_old(site, what, site.deploy_command)
    return [_shift(site, live, {pair.old: 100.0}, pair.old, live)]


def canary_pair(site: Site) -> canary.Pair:
    """Give the two versions that share the traffic, by age.

    Raises:
        Refused: there are not two.
    """
    from deployment.steps import canary

    live = live_split(site)
    if len(live) != 2:
        raise Refused(f"no canary of {site.worker} is under way", f"traffic: {live}", "inv worker")
    ages = {version: site.cloudflare.version(site.worker, version).created_on for version in live}
    old, new = sorted(ages, key=lambda version: ages[version])
    return canary.Pair(old, new)


def _shift(
    site: Site,
    before: Split,
    after: Split,
    version: str,
    live: Split,
    *,
    quick: bool = False,
    verified: bool = False,
    soak: float | None = None,
) -> Change:
    """Say how traffic moves.

    Args:
        site: the environment.
        before: the split it moves from.
        after: the split it moves to.
        version: the one this is about.
        live: the split that undoing brings back.
        quick: verify the quick routes alone.
        verified: verify the version although it has traffic already.
        soak: seconds to watch it as a canary; None: not at all.
    """
    return Change(
        NAME,
        f"traffic of {site.worker}",
        "shift",
        before={"split": dict(before)},
        after={
            "split": dict(after),
            "version": version,
            "quick": quick,
            "verified": verified,
            "soak": soak,
        },
        undo={"split": dict(live)},
    )


def _can_share(site: Site, live: Split, version: str, listed: Sequence[str]) -> bool:
    """Tell whether what is live can be deployed together with another version.

    Raises:
        Refused: Cloudflare deploys the other one no more.
    """
    if version == NEW:
        return set(live) <= set(listed[: DEPLOYABLE - 1])  # the new one will be of the newest, too
    if version not in listed:
        remedy = f"check out the commit it was made from, then: {site.deploy_command}"
        raise _too_old(site, f"version {version[:8]} is too old to be deployed again", remedy)
    return set(live) <= set(listed)


def _too_old(site: Site, what: str, remedy: str) -> Refused:
    why = f"Cloudflare deploys the newest {DEPLOYABLE}, and {site.worker} got more since"
    return Refused(what, why, remedy)


def _leap(site: Site, live: Split, version: str, *, quick: bool) -> Change:
    """Say how all of the traffic moves at once, since what is live cannot stay beside it.

    Raises:
        Refused: versions of the Worker have no preview host, where it could be verified first.
    """
    left = {old: percent for old, percent in live.items() if old != version}
    if not site.cloudflare.worker_subdomain(site.worker).previews_enabled:
        raise Refused(
            f"version {', '.join(old[:8] for old in left)}, which is live, is too old to share the"
            " traffic",
            f"Cloudflare deploys the newest {DEPLOYABLE}, and the Worker has no preview URLs where"
            " the other one could be verified",
            f"switch them on (Cloudflare: {site.worker}, Settings, Domains), then repeat",
        )
    return Change(
        NAME,
        f"traffic of {site.worker}",
        "leap",
        before={"split": dict(live)},
        after={"split": {version: 100.0}, "version": version, "quick": quick},
        undo={"split": dict(live)},
        irreversible=_no_longer(left),
    )


def apply(site: Site, change: Change) -> Facts:
    """Make one change; see the verbs below."""
    return _VERBS[change.action](site, change)


def undo(site: Site, change: Change, _outcome: Facts) -> None:
    """Bring the traffic back to before; an uploaded version just stays without traffic."""
    if change.action in ("shift", "leap"):
        _bring_back(site, change)
    elif change.action == "bucket":
        site.cloudflare.delete_bucket(str(change.undo["name"]))
    elif change.action in _UNDOING and site.cloudflare.worker_exists(site.worker):
        _UNDOING[change.action](site, change)


def _close(site: Site, _change: Change) -> None:
    site.cloudflare.set_subdomain(site.worker, enabled=False, previews_enabled=True)


def _unschedule(site: Site, change: Change) -> None:
    triggers.put(site, change.undo["crons"])


def _delete(site: Site, _change: Change) -> None:
    site.cloudflare.delete_worker(site.worker)
    if site.cloudflare.worker_exists(site.worker):
        raise StepFailed(f"worker {site.worker} is still there after its deletion")


def live_split(site: Site) -> dict[str, float]:
    """Give today's split of the traffic: version → percent above 0; empty: no Worker."""
    deployments = site.cloudflare.deployments(site.worker)
    return {v: p for v, p in deployments[0].split.items() if p > 0} if deployments else {}


def deployable(site: Site) -> list[str]:
    """Give the versions that Cloudflare would deploy, newest first."""
    return [version.id for version in site.cloudflare.versions(site.worker)]


def tagged(site: Site, release: str) -> str:
    """Give the version that a release has made, asked for by its tag; empty: it made none."""
    found = (
        version.id for version in site.cloudflare.versions(site.worker) if version.tag == release
    )
    return next(found, "")


def named(site: Site, split: Split) -> dict[str, float]:
    """Put the id of this release's version in the place of :data:`NEW`."""
    return {_named(site, version): float(percent) for version, percent in split.items()}


def shift(site: Site, split: Split, message: str, *, force: bool = False) -> None:
    """Move the traffic and read back that it moved.

    A version that is live, but no longer among the newest hundred, is refused in a new deployment
    (10026), and at times Cloudflare takes none: where the traffic goes as wanted already, that
    harms nobody.

    Raises:
        ServiceError: the API did not take the deployment.
        StepFailed: it took it, but does not show it.
    """
    wanted = {version: float(percent) for version, percent in split.items()}
    now = _newest_split(site)
    if now == wanted:
        return
    try:
        site.cloudflare.deploy(site.worker, wanted, message, force)
    except ServiceError:
        if _used(now) == _used(wanted) and set(wanted) <= set(now):
            return
        raise
    seen = _newest_split(site)
    if _used(seen) != _used(wanted):
        raise StepFailed(f"the traffic of {site.worker} did not move", f"it is {seen}")


def prepared(site: Site) -> Upload:
    """Give the bundle with the environment's variables and secrets, as one version.

    Secrets that only the Worker has are taken over from the live version: the latest may be
    one that was undone, and what its webhooks' secrets belonged to is gone.
    """
    from deployment.steps import static

    bundle = site.bundling.result()
    upload = static.attached(site, bundle.upload, bundle.files)
    if "main_module" not in upload.metadata:
        return upload  # static files alone: nothing that could read a variable
    upload = _bound(site, upload).with_variables(site.settings.worker_variables())
    upload = upload.with_secrets(secrets(site), keep=False)
    for live in live_split(site):
        upload = upload.with_inherited(
            site.cloudflare.version(site.worker, live).secret_names, live
        )
    return upload


def _bound(site: Site, upload: Upload) -> Upload:
    """Bind the Worker to the environment's own bucket."""
    r2 = site.settings.project.r2
    return upload.with_bucket(r2.replaces, r2.bucket) if r2.replaces else upload


def secrets(site: Site) -> dict[str, Secret]:
    """Give all secrets of the next version: the environment's, and those just minted."""
    return {**site.settings.worker_secrets(), **site.staged}


def _require_own(site: Site, version: str) -> None:
    """Refuse to replace another environment's Worker, such as production's by staging's.

    Raises:
        Refused: the live version says that it is another environment's.
    """
    bindings = site.cloudflare.version(site.worker, version).bindings
    texts = {str(b.get("name")): str(b.get("text", "")) for b in bindings}
    ours, theirs = site.settings.environment, texts.get("ENVIRONMENT", "")
    if theirs not in ("", ours):
        raise Refused(
            f"worker {site.worker} is the one of {theirs}",
            f"{ours} would replace it",
            f"name another in invoke.yaml: deploy.environments.{ours}.worker.name",
        )


def _buckets(site: Site) -> list[Change]:
    """Say which R2 buckets the Worker is bound to but the account does not have yet."""
    bindings = _bound(site, site.bundling.result().upload).bindings
    names = [str(b["bucket_name"]) for b in bindings if b.get("type") == "r2_bucket"]
    missing = [name for name in dict.fromkeys(names) if site.cloudflare.bucket(name) is None]
    return [
        Change(NAME, f"r2 bucket {name}", "bucket", after={"name": name}, undo={"name": name})
        for name in missing
    ]


def _do_bucket(site: Site, change: Change) -> Facts:
    site.cloudflare.create_bucket(str(change.after["name"]))
    return {}


def _first(site: Site, digest: str) -> list[Change]:
    name = site.worker
    return [
        Change(NAME, f"worker {name}", "create", after={"digest": digest}, undo={}),
        Change(
            NAME,
            f"address of {name}",
            "open",
            before={"open": False},
            after={"open": True},
            undo={},
        ),
    ]


def _upload(site: Site, digest: str) -> Change:
    return Change(
        NAME,
        f"version of {site.worker}",
        "upload",
        after={"digest": digest},
        undo={},
    )


@contextmanager
def _startable(site: Site) -> Iterator[None]:
    """Say of a refused upload that the Worker does not start, where that is why (10021)."""
    try:
        yield
    except Invalid as error:
        if "10021" not in error.codes:
            raise
        remedy = f"mend it, then: {site.deploy_command}"
        raise StepFailed("the Worker does not start", error.said, remedy) from None


def _do_upload(site: Site, change: Change) -> Facts:
    """Upload the version, unless this release did already and only the reply was lost."""
    tag = str(site.facts["release"])
    made = tagged(site, tag)
    if made:
        return _version_facts(site, made, change)
    _require_planned(site, change)
    form = prepared(site).with_annotations(_message(site), tag)
    with _startable(site):
        version = site.cloudflare.upload_version(site.worker, form.body(), form.content_type, tag)
    return _version_facts(site, version.id, change)


def _do_create(site: Site, change: Change) -> Facts:
    """Create the Worker behind a closed address, unless this release did already."""
    tag = str(site.facts["release"])
    version = tagged(site, tag)
    if not version:
        _require_planned(site, change)
        form = prepared(site).with_annotations(_message(site), tag)
        with _startable(site):
            version = site.cloudflare.create_worker(site.worker, form.body(), form.content_type)
    site.cloudflare.set_subdomain(site.worker, enabled=False, previews_enabled=True)
    return _version_facts(site, version, change)


def _do_open(site: Site, _change: Change) -> Facts:
    """Switch the first Worker's address on, once its version is verified on its preview host."""
    verify.gate(site, verify.preview(site, str(site.facts["version"])))
    site.cloudflare.set_subdomain(site.worker, enabled=True, previews_enabled=True)
    if not site.cloudflare.worker_subdomain(site.worker).enabled:
        raise StepFailed(f"the address of {site.worker} was not switched on")
    return {}


def _do_schedule(site: Site, change: Change) -> Facts:
    triggers.put(site, change.after["crons"])
    return {}


def _do_shift(site: Site, change: Change) -> Facts:
    """Move the traffic one step; before any user meets the version, verify it in the dark."""
    version = _named(site, str(change.after["version"]))
    split, before = named(site, change.after["split"]), named(site, change.before["split"])
    if before.get(version) == 0.0 or change.after["verified"]:
        verify.gate(site, verify.dark(site, version), quick=bool(change.after["quick"]))
    # An older version brings its secrets back, which is meant (error 10220).
    shift(site, split, _message(site), force=bool(change.after["quick"]))
    if change.after["soak"] is None:
        return {"version": version}
    from deployment.steps import canary

    old = next(name for name in split if name != version)
    pair, soak = canary.Pair(old, version), float(change.after["soak"])
    return {"version": version, **_judged(site, pair, split[version], soak)}


def _do_leap(site: Site, change: Change) -> Facts:
    """Move all of the traffic at once, to a version that was verified on its preview host."""
    version, quick = _named(site, str(change.after["version"])), bool(change.after["quick"])
    split = named(site, change.after["split"])
    if _newest_split(site) != split:
        verify.gate(site, verify.preview(site, version), quick=quick)
    shift(site, split, _message(site), force=quick)
    return {"version": version}


def _bring_back(site: Site, change: Change) -> None:
    """Move the traffic back, or find it where it was.

    Raises:
        MovedForGood: it has moved, and Cloudflare deploys what had it no more.
    """
    try:
        shift(site, change.undo["split"], "brought back", force=True)
    except Invalid as error:
        if NOT_TAKEN not in error.codes:
            raise
        back = f"inv rollback --version {change.after['version']}"
        raise MovedForGood(
            f"the traffic of {site.worker} stays where it is",
            change.irreversible or _no_longer(change.undo["split"]),
            f"mend what failed, then: {back if change.after['quick'] else site.deploy_command}",
        ) from None


def _no_longer(split: Split) -> str:
    names = ", ".join(version[:8] for version in split)
    return f"version {names} is not among the newest {DEPLOYABLE}: Cloudflare deploys it no more"


def _judged(site: Site, pair: canary.Pair, percent: float, soak: float) -> Facts:
    """Watch the version while it has its share; go on only when it is as good as the old one.

    Raises:
        StepFailed: it is not, or nobody can tell.
    """
    from deployment.steps import canary, notify

    verdict = canary.watch(site, pair, soak)
    name = f"canary at {percent:g} %"
    notify.announce(site, f"{name} of version {pair.new[:8]}: {verdict.outcome}", str(verdict))
    if verdict.outcome == "pass":
        return {name: str(verdict)}
    word = "is not as good as the old one" if verdict.outcome == "fail" else "is inconclusive"
    raise StepFailed(
        f"{name}: version {pair.new[:8]} {word}",
        "; ".join(verdict.reasons),
        "mend it, or, if nobody can tell: inv worker.canary --soak 600, then inv worker.promote",
    )


def _require_planned(site: Site, change: Change) -> None:
    """Upload what the plan says, or nothing: another checkout may hold other code.

    Raises:
        Refused: the bundle is not the planned one.
    """
    digest = site.bundling.result().digest
    if digest != change.after["digest"]:
        raise Refused(
            f"the code of {site.worker} is not what was planned",
            f"digest {digest[:12]} instead of {change.after['digest'][:12]}",
            "check out what the release was made from, or: inv deploy.abort",
        )


def _version_facts(site: Site, version: str, change: Change) -> Facts:
    return {
        "version": version,
        "digest": change.after["digest"],
        "variables": variables_digest(site),
        "secrets": fingerprints.of(secrets(site), site.settings),
        "crons": triggers.described(site.settings),
    }


def variables_digest(site: Site) -> str:
    """Give a digest of the Worker's plain variables."""
    text = json.dumps(site.settings.worker_variables(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _newest_split(site: Site) -> dict[str, float]:
    deployments = site.cloudflare.deployments(site.worker)
    return dict(deployments[0].split) if deployments else {}


def only(live: Split, worker: str) -> str:
    """Give the version that has all of the traffic.

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


def _left(site: Site, live: Split, listed: Sequence[str]) -> str:
    """Give the version that is to be left, or one of several that cannot all be deployed again.

    Raises:
        Refused: several share the traffic, and a person can end that.
    """
    if set(live) <= set(listed):
        return only(live, site.worker)
    return next(iter(live))


def _used(split: Split) -> dict[str, float]:
    return {version: percent for version, percent in split.items() if percent > 0}


def _named(site: Site, version: str) -> str:
    return str(site.facts["version"]) if version == NEW else version


def _message(site: Site) -> str:
    return str(site.facts.get("message") or f"release {site.facts['release']}")


_VERBS: Final[Mapping[str, Callable[[Site, Change], Facts]]] = {
    "bucket": _do_bucket,
    "upload": _do_upload,
    "create": _do_create,
    "open": _do_open,
    "shift": _do_shift,
    "leap": _do_leap,
    "schedule": _do_schedule,
}
_UNDOING: Final[Mapping[str, Callable[[Site, Change], None]]] = {  # of a Worker that is there
    "open": _close,
    "schedule": _unschedule,
    "create": _delete,
}
