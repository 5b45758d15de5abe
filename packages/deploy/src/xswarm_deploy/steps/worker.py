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
from typing import TYPE_CHECKING, Final

from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.record import noted
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.errors import Invalid
from xswarm_deploy.site import Site
from xswarm_deploy.steps import fingerprints, traffic, triggers
from xswarm_deploy.verification import address, prospect, verify

if TYPE_CHECKING:
    from xswarm_deploy.services.multipart import Upload
    from xswarm_deploy.verification import canary

NAME: Final = "worker"


def plan(site: Site) -> list[Change]:
    """Return what would change: a new version, and the traffic's way to it."""
    live = traffic.live_split(site)
    prospect.required(site, live=bool(live))
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
        *triggers.changes(site, NAME, triggers.described(site.settings)),
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
    return [moved, *triggers.changes(site, NAME, crons)]


def plan_abortion(site: Site) -> list[Change]:
    """Return what taking the canary's share away would change.

    Raises:
        Refused: no canary is under way; or Cloudflare deploys the older version no more.
    """
    pair, live = canary_pair(site), traffic.live_split(site)
    if pair.old not in traffic.deployable(site):
        what = f"version {pair.old[:8]} is too old to take the traffic back"
        raise traffic.too_old(site, what, site.deploy_command)
    return [traffic.moving(site, live, {pair.old: 100.0}, pair.old, live)]


def canary_pair(site: Site) -> canary.Pair:
    """Return the two versions that share the traffic, by age.

    Raises:
        Refused: there are not two.
    """
    from xswarm_deploy.verification import canary

    live = traffic.live_split(site)
    if len(live) != 2:
        raise Refused(f"no canary of {site.worker} is under way", f"traffic: {live}", "inv worker")
    ages = {version: site.cloudflare.version(site.worker, version).created_on for version in live}
    old, new = sorted(ages, key=lambda version: ages[version])
    return canary.Pair(old, new)


def apply(site: Site, change: Change) -> Facts:
    """Make one change; see the verbs below."""
    return _VERBS[change.action](site, change)


def undo(site: Site, change: Change, _outcome: Facts) -> None:
    """Bring the traffic back to before; an uploaded version just stays without traffic."""
    if change.action in traffic.VERBS:
        traffic.bring_back(site, change)
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


def tagged(site: Site, release: str) -> str:
    """Return the version that a release has made, asked for by its tag; empty: it made none."""
    found = (
        version.id for version in site.cloudflare.versions(site.worker) if version.tag == release
    )
    return next(found, "")


def prepared(site: Site) -> Upload:
    """Return the bundle with the environment's variables and secrets, as one version.

    Secrets that only the Worker has are taken over from the live version: the latest may be
    one that was undone, and what its webhooks' secrets belonged to is gone.
    """
    from xswarm_deploy.bundling import static

    bundle = site.bundling.result()
    upload = static.attached(site, bundle.upload, bundle.files)
    if "main_module" not in upload.metadata:
        return upload  # static files alone: nothing that could read a variable
    upload = _bound(site, upload).with_variables(site.settings.worker_variables())
    upload = upload.with_secrets(secrets(site), keep=False)
    for live in traffic.live_split(site):
        upload = upload.with_inherited(
            site.cloudflare.version(site.worker, live).secret_names, live
        )
    return upload


def _bound(site: Site, upload: Upload) -> Upload:
    """Bind the Worker to the environment's own bucket."""
    r2 = site.settings.project.r2
    return upload.with_bucket(r2.replaces, r2.bucket) if r2.replaces else upload


def secrets(site: Site) -> dict[str, Secret]:
    """Return all secrets of the next version: the environment's, and those just minted."""
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
    """Return which R2 buckets the Worker is bound to but the account does not have yet."""
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
    """Report of a refused upload that the Worker does not start, where that is why (10021)."""
    try:
        yield
    except Invalid as error:
        if "10021" not in error.codes:
            raise
        remedy = f"fix it, then: {site.deploy_command}"
        raise StepFailed("the Worker does not start", error.said, remedy) from None


def _do_upload(site: Site, change: Change) -> Facts:
    """Upload the version, unless this release did already and only the reply was lost."""
    tag = str(site.facts["release"])
    made = tagged(site, tag)
    if made:
        return _version_facts(site, made, change)
    _require_planned(site, change)
    form = prepared(site).with_annotations(traffic.message(site), tag)
    with _startable(site):
        version = site.cloudflare.upload_version(site.worker, form.body(), form.content_type, tag)
    return _version_facts(site, version.id, change)


def _do_create(site: Site, change: Change) -> Facts:
    """Create the Worker behind a closed address, unless this release did already."""
    tag = str(site.facts["release"])
    version = tagged(site, tag)
    if not version:
        _require_planned(site, change)
        form = prepared(site).with_annotations(traffic.message(site), tag)
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
    address.wait(site, str(site.facts["version"]))
    return {}


def _do_schedule(site: Site, change: Change) -> Facts:
    triggers.put(site, change.after["crons"])
    return {}


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
    """Return a digest of the Worker's plain variables."""
    text = json.dumps(site.settings.worker_variables(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


_VERBS: Final[Mapping[str, Callable[[Site, Change], Facts]]] = {
    **traffic.VERBS,
    "bucket": _do_bucket,
    "upload": _do_upload,
    "create": _do_create,
    "open": _do_open,
    "schedule": _do_schedule,
}
_UNDOING: Final[Mapping[str, Callable[[Site, Change], None]]] = {  # of a Worker that is there
    "open": _close,
    "schedule": _unschedule,
    "create": _delete,
}
