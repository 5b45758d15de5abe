"""A release around a block of code: all of the block's changes are made, or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Final

from xswarm_deploy.background import started
from xswarm_deploy.console import Console
from xswarm_deploy.errors import VERSION, DeployError, disk_refusal
from xswarm_deploy.fence import fenced
from xswarm_deploy.model.record import TOOL, Record
from xswarm_deploy.model.report import UNTOLD, WRITTEN_SINCE, Finding
from xswarm_deploy.model.step import Facts
from xswarm_deploy.release import anchors, lock, records, recovery, undo
from xswarm_deploy.release.current import current, under_way
from xswarm_deploy.release.interruption import hurried, stoppable, unstoppable
from xswarm_deploy.release.lock import Lease
from xswarm_deploy.release.release import Release, new_record
from xswarm_deploy.secret import redact
from xswarm_deploy.services.patience import RELEASE_SECONDS, Patience, patient
from xswarm_deploy.site import Site
from xswarm_deploy.steps import notify

ANNOUNCED: Final = ("deploy", "rollback")
"""Kinds of releases whose beginning people are notified of; of a failure they always are."""


@contextmanager
def transaction(
    site: Site,
    kind: str,
    message: str = "",
    phases: Sequence[str] = (),
    console: Console | None = None,
    taking: Taking | None = None,
) -> Iterator[Release]:
    """Join the release under way, or make one: all of the block's changes, or none.

    Args:
        site: the environment.
        kind: what it is: ``deploy``, ``rollback``, or a step's name.
        message: a person's words for it.
        phases: its parts that change anything, in their order; a release that died is
            finished only where they are known.
        console: where its steps are shown; by default standard output.
        taking: from :func:`taken_ahead`; None: the lock is taken now.

    Raises:
        DeployError: why it failed, after everything was undone.
    """
    running = current()
    if running:
        yield running
        return
    site.settings.require_sound()
    with (
        stoppable(),
        guarded(begin(site, kind, message, phases, console or Console(), taking)) as begun,
        _announced_start(begun) if kind in ANNOUNCED else nullcontext(),
    ):
        yield begun


@dataclass
class Taking:
    """The lock that is being taken for a release, before it is known what that changes.

    Args:
        record: of the release, without a person's words; others are told its id.
        lease: the lock, once it is taken.
        used: whether a release has it; else it is given back.
    """

    record: Record
    lease: Future[Lease]
    used: bool = False

    def taken(self) -> Lease:
        """Return the lock for the release, which gives it back.

        Raises:
            Locked: somebody else holds it.
        """
        lease = self.lease.result()
        self.used = True
        return lease


@contextmanager
def taken_ahead(site: Site, kind: str, phases: Sequence[str]) -> Iterator[Taking]:
    """Begin to take the lock for a release that the block makes; give it back where it makes none.

    Args:
        site: the environment.
        kind: what the release is.
        phases: its parts that change anything, in their order.

    Raises:
        Refused: the settings are not sound.
    """
    site.settings.require_sound()
    _ = site.connections  # imports requests, of which two threads at once get half
    record = new_record(site, kind, "", phases, {})
    with stoppable():
        taking = Taking(record, started(lambda: _locked(site, record), "lock"))
        try:
            yield taking
        finally:
            if not taking.used and not taking.lease.exception():
                with suppress(DeployError):  # its time is over within a minute
                    taking.lease.result().release()


def _locked(site: Site, record: Record) -> Lease:
    """Take the lock for a release, and read with it which releases died."""
    reason = f"{record.kind} {record.release}"
    asked = records.asking_unended(site.settings.environment)
    return records.with_tables(
        site.database, lambda: lock.acquire(site.database, site.connect, reason, also=asked)
    )


def begin(
    site: Site,
    kind: str,
    message: str,
    phases: Sequence[str],
    console: Console,
    taking: Taking | None = None,
) -> Release:
    """Take the lease, settle a release that died, and begin a new one.

    Raises:
        Locked: another release is under way; nothing was changed.
        Refused: the journal cannot be written.
        NotRolledBack: an interrupted release was found and could not be undone.
    """
    noting = started(lambda: _inputs(site, kind, phases), "inputs")
    record = taking.record if taking else new_record(site, kind, "", phases, {})
    lease = taking.taken() if taking else _locked(site, record)
    try:
        with fenced(lease):
            last = recovery.settle(site, lease, console)
            noted = {TOOL: VERSION, **noting.result()}
            record = record._replace(message=message, facts=noted)
            return Release.begin(site, record, lease, console, last)
    except BaseException as error:
        lease.release()
        if refusal := disk_refusal(error):
            raise refusal from None
        raise


def _inputs(site: Site, kind: str, phases: Sequence[str]) -> Facts:
    if kind == "rollback":
        return {}
    from xswarm_deploy.release import inputs  # with the bundling; a rollback needs neither

    return inputs.facts(site.settings, phases)


@contextmanager
def guarded(begun: Release) -> Iterator[Release]:
    """End a release well, or undo it and notify people of the failure."""
    with under_way(begun):
        try:
            with fenced(begun.ledger.lease):
                with patient(Patience(RELEASE_SECONDS, begun.console.waiting)):
                    yield begun
                undo.require_settled(begun)
                begun.remember()
                with unstoppable(begun.console):
                    _announce_success(begun)
                    begun.succeed()
        except BaseException as cause:
            if not begun.succeeded:  # else a key was pressed as it ended: that undoes nothing
                with unstoppable(begun.console):
                    ended = _undone(begun, cause)
                raise ended from None
        with hurried(begun.console):
            anchors.leave(begun)


def _undone(failed: Release, cause: BaseException) -> DeployError:
    """Undo a release, notify people of its failure, and return what to raise."""
    with fenced(failed.ledger.lease):
        ended = undo.roll_back(failed, cause)
    anchors.leave(failed)
    if failed.announcing:
        failed.announcing.exception()  # people hear of the failure last, however that went
    headline = f"{failed.record.kind} {failed.record.release} failed: {ended.what}"
    send_notification(failed, headline, ended.why)
    _alert(failed, ended)
    return ended


def _announce_success(begun: Release) -> None:
    """Begin to notify people that a release succeeded, while that is written.

    All is made and read back by then, and the lock is held: what the write may still meet changes
    nothing about what is live. A release whose lease could end meanwhile is announced afterwards.
    """
    lease = begun.ledger.lease
    if begun.record.kind in ANNOUNCED and lease.until - lease.clock() > lease.seconds / 2:
        written = begun.known_head
        begun.announcing = started(lambda: _success_announced(begun, written), "notify")


def _success_announced(begun: Release, head: str) -> Finding:
    """Notify people that a release succeeded, and of the hash that the trail ended with."""
    record, (version, untold) = begun.record, _ended_with(begun)
    headline = f"{record.kind} {record.release} succeeded"
    details = f"version {version} {record.message}".strip()
    if untold:
        details = f"{details}\nnot seen at its end: {untold}; look again: inv verify"
    return notify.announce(begun.site, headline, details, head)


def _ended_with(begun: Release) -> tuple[str, str]:
    """Return the live version, and what of it was not seen at the end; each may be empty."""
    version, untold = (str(begun.site.facts.get(name, "")) for name in ("version", UNTOLD))
    return version, untold


def _told(begun: Release) -> Finding | None:
    """Return how it went to tell that a release succeeded; None: nobody was told."""
    return begun.announcing.result() if begun.announcing else None


def report_success(running: Release) -> None:
    """Print how a release ended, and notify people of it, where that has not begun."""
    site, record, console = running.site, running.record, running.console
    version, untold = _ended_with(running)
    with hurried(console):
        _show_told(running)
    console.line()
    if untold:
        console.warn(f"it was good before its traffic, and was not seen with it: {untold}")
        console.warn("look again: inv verify")
    if since := site.facts.get(WRITTEN_SINCE):
        console.warn(since)
    console.line(f"release {record.release}  version {version}", "bold")
    console.line(f"  worker {site.settings.text('WORKER_URL')}")
    if site.settings.text("BASE_URL"):
        console.line(f"  site   {site.settings.text('BASE_URL')}")


def _show_told(running: Release) -> None:
    with running.console.step("notify") as line:
        found = _told(running) or _success_announced(running, running.known_head)
        line.detail = found.evidence
        if found.status == "warn":
            line.mark, line.colour = "⚠", "yellow"


def send_notification(begun: Release, headline: str, details: str = "") -> None:
    """Notify people, with the audit trail's head; a notification that fails is shown here."""
    found = notify.announce(begun.site, headline, details, begun.known_head)
    if found.status == "warn":
        begun.console.warn(f"nobody was notified: {found.evidence}")


def _alert(failed: Release, ended: DeployError) -> None:
    """Notify people by mail and telephone, too, as the failure's severity has it; show how it went.

    It never hides the failure itself.
    """
    from xswarm_deploy.release import failure_alert  # with the channels; few releases fail

    try:
        went = failure_alert.tell(failed, ended)
    except Exception as error:
        went = {"mail and telephone": f"failed: {type(error).__name__}"}
    for channel, outcome in went.items():
        if not outcome.startswith("delivered"):
            failed.console.warn(f"the failure was not told by {channel}: {redact(outcome)}")


@contextmanager
def _announced_start(begun: Release) -> Iterator[None]:
    """Notify people that it begins, while it does; they hear of the beginning before the end."""
    import xswarm_deploy.services.http  # noqa: F401 - two threads importing requests get half of it

    record = begun.record
    headline = f"{record.kind} {record.release} begins"
    with ThreadPoolExecutor(1, thread_name_prefix="notify") as pool:
        sent = pool.submit(send_notification, begun, headline, f"{record.author} {record.message}")
        yield
    sent.result()
