"""Upload the Worker: beside the live version, as a first one, or with all traffic at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import NoneType
from typing import Final

from xswarm_deploy.background import started
from xswarm_deploy.console import in_bytes
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import MovedForGood, Refused, StepFailed
from xswarm_deploy.model.payload import Nothing
from xswarm_deploy.model.split import Split
from xswarm_deploy.model.step import Action, AnyAction, Change, Facts
from xswarm_deploy.services.errors import Invalid
from xswarm_deploy.services.progress import Progress
from xswarm_deploy.site import Site
from xswarm_deploy.steps import durable_objects, traffic, version
from xswarm_deploy.steps.durable_objects import Lifecycle, Migrations
from xswarm_deploy.steps.unversioned import changes as unversioned
from xswarm_deploy.steps.unversioned import subdomain
from xswarm_deploy.verification import address, verify

_REFUSED: Final = {"10021": "the Worker does not start", "10027": "the Worker is too large"}
"""Cloudflare's code → what is wrong; of the others its own words are told."""
STEP: Final = "worker"
"""Whose changes they are."""


@dataclass(frozen=True)
class Code:
    """What a version is made of, by the digest of its bundle.

    Args:
        digest: of its bundle.
        told: what a plan says of it: how it will be known that it answers.
    """

    digest: str
    told: str = ""


def _told(after: Code) -> str:
    return after.told


@dataclass(frozen=True)
class Replacement:
    """A version that takes all of the traffic with its upload.

    Args:
        digest: of its bundle.
        split: where the traffic goes.
        migrations: what the upload does to Durable Objects; None: what their exports say.
    """

    digest: str
    split: Split
    migrations: Migrations | None = None


@dataclass(frozen=True)
class Closed:
    """Whether a first Worker answers at its own address."""

    open: bool


@dataclass(frozen=True)
class Address:
    """How a first Worker's address is switched.

    Args:
        open: that it is the file's turn now.
        enabled: whether it answers on workers.dev.
        previews: whether its versions have preview URLs.
        previewed: whether it can be verified on its preview host before.
    """

    open: bool
    enabled: bool = True
    previews: bool = True
    previewed: bool = True


def first(site: Site, digest: str, told: str = "") -> list[Change]:
    """Return how a first Worker is made: behind a closed address, which is opened then."""
    name, switches = site.worker, unversioned.wanted_switches(site.settings)
    opened = Address(
        True, switches.enabled, switches.previews, previewed=durable_objects.of_first(site) is None
    )
    return [
        CREATE.change(f"worker {name}", after=Code(digest, told), undo=Nothing()),
        OPEN.change(f"address of {name}", before=Closed(False), after=opened, undo=Nothing()),
    ]


def replace(site: Site, digest: str, live: Split, lifecycle: Lifecycle) -> Change:
    """Return how a version takes all of the traffic with its upload, and never gives it back."""
    return REPLACE.change(
        f"worker {site.worker}, all traffic at once: {lifecycle.told}",
        before=traffic.Traffic(dict(live)),
        after=Replacement(digest, {traffic.NEW: 100.0}, lifecycle.migrations),
        undo=traffic.Traffic(dict(live)),
        irreversible=f"{lifecycle.told} cannot be taken back, and is verified only when it is"
        " live: Cloudflare deploys no earlier version after it",
    )


def beside(environment: Environment, digest: str, told: str = "") -> Change:
    """Return how a version is uploaded that has no traffic yet."""
    return UPLOAD.change(
        f"version of {environment.worker}", after=Code(digest, told), undo=Nothing()
    )


@contextmanager
def _startable(environment: Environment) -> Iterator[None]:
    """Report what of the Worker makes Cloudflare refuse its upload.

    Raises:
        StepFailed: it does not start (10021), or is too large (10027), or another code says why.
    """
    try:
        yield
    except Invalid as error:
        what = next((_REFUSED[code] for code in error.codes if code in _REFUSED), error.what)
        why = error.said if what != error.what else error.why
        told = error.remedy or f"fix it, then: {environment.deploy_command}"
        raise StepFailed(what, why, told) from None


@dataclass(frozen=True)
class _Uploaded:
    """The version that this release uploaded before its turn, as :func:`version.facts` has it."""

    facts: Facts


def prepare(site: Site, changes: Sequence[Change]) -> _Uploaded | None:
    """Upload the version beside earlier steps, where nothing comes before it; it has no traffic.

    The plan, made moments ago under the same lock, tells how the traffic goes.

    Args:
        site: the environment.
        changes: of the step.
    """
    if not UPLOAD.owns(changes[0]):
        return None
    before = changes[1].before
    split = before.split if isinstance(before, traffic.Traffic) else traffic.live_split(site)
    lifecycle = started(partial(durable_objects.recorded, site), STEP)
    return _Uploaded(_sent(site, changes[0], split, lifecycle.result))


def _upload(site: Site, change: Change) -> Facts:
    """Upload the version, unless this release did already, and maybe only the reply was lost.

    One that was uploaded before this process minted secrets for it lacks them.
    """
    done = site.state.taken(STEP, _Uploaded)
    tag, digest = str(site.facts["release"]), UPLOAD.after_of(change).digest
    if done and done.facts["digest"] == digest and not site.staged:
        return done.facts
    with ThreadPoolExecutor(2, thread_name_prefix="upload") as pool:
        live = pool.submit(traffic.live_split, site)
        lifecycle = pool.submit(durable_objects.recorded, site)
        made = version.tagged(site, tag)
    if made and not site.staged:
        return version.facts(site, made, digest, lifecycle.result())
    return _sent(site, change, live.result(), lifecycle.result)


def _sent(
    site: Site, change: Change, split: Split, lifecycle: Callable[[], Mapping[str, str]]
) -> Facts:
    """Upload the version.

    Args:
        site: the environment.
        change: what is uploaded.
        split: how the traffic goes now.
        lifecycle: returns that of the Durable Objects; no upload beside another moves it.
    """
    tag, digest = str(site.facts["release"]), UPLOAD.after_of(change).digest
    _require_planned(site, digest)
    verify.open_ahead(site)
    form = version.prepared(site, split).with_annotations(version.message(site), tag)
    with _startable(site):
        uploaded = site.cloudflare.upload_version(
            site.worker, form.body(), form.headers, tag, _looking_ahead(site)
        )
    return version.facts(site, uploaded.id, digest, lifecycle())


def _looking_ahead(site: Site) -> Progress:
    """Return what an upload tells its bytes to; when all have left, the traffic is looked at.

    Right after it the version joins the deployment, at 0 %.
    """
    told = in_bytes(site.progress, "upload")

    def sent(done: int, total: int) -> None:
        told(done, total)
        if done == total:
            site.cloudflare.look_ahead(site.worker)

    return sent


def _create(site: Site, change: Change) -> Facts:
    """Create the Worker behind a closed address, unless this release did already."""
    tag = str(site.facts["release"])
    made, digest = version.tagged(site, tag), CREATE.after_of(change).digest
    if not made:
        _require_planned(site, digest)
        lifecycle = durable_objects.of_first(site)
        made = _put(site, tag, lifecycle.migrations if lifecycle else None)
    site.cloudflare.set_subdomain(site.worker, enabled=False, previews_enabled=True)
    return version.facts(site, made, digest)


def _replace(site: Site, change: Change) -> Facts:
    """Upload a version that takes all of the traffic, and verify it there.

    Raises:
        CheckFailed: it is not good; it stays live, since nothing older can be deployed.
    """
    tag, planned = str(site.facts["release"]), REPLACE.after_of(change)
    made = version.tagged(site, tag)
    if not made:
        _require_planned(site, planned.digest)
        made = _put(site, tag, planned.migrations)
    if traffic.live_split(site) != {made: 100.0}:
        raise StepFailed(f"version {made[:8]} of {site.worker} did not go live")
    verify.gate(site, verify.live(site, made), first=True)
    return version.facts(site, made, planned.digest)


def _put(site: Site, tag: str, migrations: Migrations | None) -> str:
    """Upload the Worker directly, with its Durable Objects' lifecycle; return the version's id."""
    form = version.prepared(site).with_annotations(version.message(site), tag)
    form = form.with_migrations(durable_objects.as_sent(migrations)) if migrations else form
    with _startable(site):
        return site.cloudflare.create_worker(
            site.worker, form.body(), form.headers, in_bytes(site.progress, "upload")
        )


def _open(site: Site, change: Change) -> Facts:
    """Switch the first Worker's address as the file says, once it is verified on its preview.

    One with Durable Objects of its own has no preview on Cloudflare: it is verified where it
    answers, and taken away again where it is not good.
    """
    made, wanted = str(site.facts["version"]), OPEN.after_of(change)
    if wanted.previewed:
        verify.gate(site, verify.preview(site, made))
    switches = subdomain.Switches(wanted.enabled, wanted.previews)
    subdomain.put(site, switches, switches)
    if not subdomain.holds(site, switches, switches):
        raise StepFailed(f"the address of {site.worker} was not switched as the file says")
    if wanted.enabled and verify.is_own(site):
        address.wait(site, made)
    if not wanted.previewed and wanted.enabled and verify.is_own(site):
        verify.gate(site, verify.live(site, made), first=True)
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


def _stay(site: Site, change: Change, _outcome: Facts) -> None:
    """Find that the upload was never made, or report that it stays.

    Raises:
        MovedForGood: it has all of the traffic, and nothing older can be deployed.
    """
    if version.tagged(site, str(site.facts["release"])):
        raise MovedForGood(
            f"the traffic of {site.worker} stays where it is",
            change.irreversible,
            f"correct what failed, then: {site.deploy_command}",
        )


def _close(environment: Environment, _change: Change, _outcome: Facts) -> None:
    environment.cloudflare.set_subdomain(environment.worker, enabled=False, previews_enabled=True)


def _delete(environment: Environment, _change: Change, _outcome: Facts) -> None:
    environment.cloudflare.delete_worker(environment.worker)
    if environment.cloudflare.worker_exists(environment.worker):
        raise StepFailed(f"worker {environment.worker} is still there after its deletion")


UPLOAD: Final = Action(
    STEP, "upload", NoneType, Code, Nothing, describe=_told, routine=True, upload=True
)
CREATE: Final = Action(
    STEP, "create", NoneType, Code, Nothing, describe=_told, routine=True, upload=True
)
REPLACE: Final = Action(
    STEP, "replace", traffic.Traffic, Replacement, traffic.Traffic, effect="traffic", upload=True
)
OPEN: Final = Action(STEP, "open", Closed, Address, Nothing, effect="traffic", routine=True)
VERBS: Final[Mapping[AnyAction, Callable[[Site, Change], Facts]]] = {
    UPLOAD: _upload,
    CREATE: _create,
    REPLACE: _replace,
    OPEN: _open,
}
UNDOING: Final[Mapping[AnyAction, Callable[[Site, Change, Facts], None]]] = {
    OPEN: _close,
    CREATE: _delete,
    REPLACE: _stay,
}
