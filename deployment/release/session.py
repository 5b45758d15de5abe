"""From a task to a release: which environment, which site, and one transaction around it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from invoke.context import Context

if TYPE_CHECKING:
    from deployment.console import Console
    from deployment.release.release import Release
    from deployment.settings import Settings
    from deployment.steps.record import Record
    from deployment.steps.site import Site
    from deployment.steps.step import Change, Facts

# What is heavy is imported where it is used: every `inv --list` loads this module.
DEPLOY_STEPS: Final = ("backup", "migrate", "secrets", "worker", "pages", "webhooks")
ANNOUNCED: Final = ("deploy", "rollback")
"""Kinds of releases whose beginning people are told of; of an end they are always told."""
ROOT: Final = Path(__file__).resolve().parents[2]
_current: ContextVar[Release | None] = ContextVar("release", default=None)
_announced: set[str] = set()


def environment(c: Context) -> str:
    """Give the environment tasks act on: named on the line, INVOKE_DEPLOY_ENV, or local."""
    return str((c.config.get("deploy") or {}).get("env") or "local")


def act_on(c: Context, name: str) -> None:
    """Let everything that follows on the line act on an environment."""
    if "deploy" not in c.config:
        c.config["deploy"] = {}  # type: ignore[assignment]
    c.config["deploy"]["env"] = name


def agreed(c: Context, yes: bool) -> bool:
    """Tell whether nobody has to be asked: ``--yes`` was given, or it is the local twin."""
    return yes or environment(c) == "local"


def values(c: Context) -> dict[str, Any]:
    """Give the key ``deploy`` of invoke.yaml as plain data; empty where there is none."""
    return dict(_plain(c.config.get("deploy") or {}))


def settings(c: Context) -> Settings:
    """Read the environment's settings."""
    from deployment.settings import load

    return load(environment(c), values(c), ROOT, os.environ)


def open_site(c: Context, *, quiet: bool = False) -> Site:
    """Open the environment, and print first what will be acted on.

    Args:
        c: the task's context.
        quiet: print nothing, as for ``--json``.

    Raises:
        Refused: the environment file is missing or not in order.
    """
    from deployment.steps.site import Site

    running = _current.get()
    if running:
        return running.site
    found = settings(c)
    if not quiet:
        announce(found)
    site = Site(found)
    site.history = lambda: _history(site)
    return site


def _history(site: Site) -> Sequence[Record]:
    from deployment.release import ledger

    return ledger.records(site.database, site.settings.environment, site.worker)


def announce(found: Settings) -> None:
    """Print which environment is acted on; once for each."""
    from deployment.console import Console

    if found.environment not in _announced:
        _announced.add(found.environment)
        target = f"worker {found.project.worker.name} at {found.text('WORKER_URL')}"
        read = f"{found.source}, over it {found.overlay}" if found.overlay else found.source
        Console(sys.stderr).line(f"{found.environment} ({read}): {target}", "dim")


def dry(c: Context) -> bool:
    """Tell whether Invoke's ``--dry`` was given: print the plan, change nothing."""
    return bool(c.config.run.dry)


def current() -> Release | None:
    """Give the release under way in this process, or None."""
    return _current.get()


def perform(c: Context, name: str) -> None:
    """Run one step: in the release under way, or in one of its own; dry: print its plan.

    Args:
        c: the task's context.
        name: the step, e.g. ``migrate``.
    """
    from deployment.release import preview
    from deployment.release.release import step_named

    if dry(c):
        preview.show(preview.planned(open_site(c), (name,)))
        return
    with release(c, name, phases=(name,)) as running:
        if skipped(name):
            return
        with running.console.step(name) as line:
            line.detail = summary(running.perform(step_named(name)))


def skipped(name: str) -> bool:
    """Tell whether a person asked to leave a step out of the release under way, and say so."""
    running = _current.get()
    if running is None or name not in running.skipped:
        return False
    running.console.line(f"· {name:<9} left out (--skip-{name})", "yellow")
    return True


def tell(running: Release) -> None:
    """Say how a release ended: here, and where people are notified."""
    from deployment.steps import notify

    site, record = running.site, running.record
    headline = f"{record.kind} {record.release} succeeded"
    version = str(site.facts.get("version", ""))
    details = f"version {version} {record.message}".strip()
    with running.console.step("notify") as line:
        found = notify.announce(site, headline, details, running.known_head)
        line.detail = found.evidence
        if found.status == "warn":
            line.mark, line.colour = "⚠", "yellow"
    running.console.line()
    running.console.line(f"release {record.release}  version {version}", "bold")
    running.console.line(f"  worker {site.settings.text('WORKER_URL')}")
    if site.settings.text("BASE_URL"):
        running.console.line(f"  site   {site.settings.text('BASE_URL')}")


@contextmanager
def release(
    c: Context,
    kind: str,
    message: str = "",
    phases: Sequence[str] = (),
    opened: Site | None = None,
) -> Iterator[Release]:
    """Join the release under way, or make one: all of the block's changes, or none.

    Args:
        c: the task's context.
        kind: what it is: ``deploy``, ``rollback``, or a step's name.
        message: a person's words for it.
        phases: its parts that change anything, in their order; a release that died is
            finished only where they are known.
        opened: the environment, where the task has opened it already.

    Raises:
        DeployError: why it failed, after everything was undone.
    """
    from deployment.console import Console

    running = _current.get()
    if running:
        yield running
        return
    site = opened or open_site(c)
    site.settings.require_sound()
    console = Console()
    with (
        _stoppable(),
        _guarded(begin(site, kind, message, phases, console)) as begun,
        _announced_start(begun) if kind in ANNOUNCED else nullcontext(),
    ):
        yield begun


def begin(site: Site, kind: str, message: str, phases: Sequence[str], console: Console) -> Release:
    """Take the lock, settle a release that died, and begin a new one.

    Raises:
        Locked: another release is under way; nothing was changed.
        NotRolledBack: an interrupted release was found and could not be undone.
    """
    from deployment.release import ledger, lock, recovery
    from deployment.release.release import Release, new_record

    facts = {} if kind == "rollback" else _inputs(site, phases)
    record = new_record(site, kind, message, phases, facts)
    reason = f"{kind} {record.release}"
    lease = ledger.with_tables(
        site.database, lambda: lock.acquire(site.database, site.connect, reason)
    )
    site.progress = console.progress
    try:
        last = recovery.settle(site, lease, console)
        return Release.begin(site, record, lease, console, last)
    except BaseException:
        lease.release()
        raise


def _inputs(site: Site, phases: Sequence[str]) -> Facts:
    from deployment.release import inputs

    return inputs.facts(site.settings, phases)


def resume(c: Context, name: str = "") -> None:
    """Finish a release whose deployer died; undo it when it turns out not to be good.

    Args:
        c: the task's context.
        name: the beginning of its id; empty: the one that died.
    """
    from deployment.release import ledger, recovery

    with _stoppable():
        dead = _taken_over(c, name, recovery.require_resumable, ledger.SUCCEEDED)
        if dead is None:
            return
        if recovery.write_success_if_known(dead):
            dead.ledger.lease.release()
            dead.console.line(f"✓ release {dead.record.release} had succeeded; now it is written")
            return
        with _guarded(dead):
            recovery.carry_on(dead)
        tell(dead)


def abort(c: Context, name: str = "") -> None:
    """Undo a release whose deployer died, or which could not be undone before.

    Args:
        c: the task's context.
        name: the beginning of its id; empty: the one that died.

    Raises:
        NotRolledBack: something is still changed; it is named.
    """
    from deployment.release import ledger, recovery

    with _stoppable():
        dead = _taken_over(c, name, recovery.require_abortable, ledger.ROLLED_BACK)
        if dead is None:
            return
        try:
            with _unstoppable(dead.console):
                dead.abandon()
        finally:
            dead.ledger.lease.release()
        _announce(dead, f"{dead.record.kind} {dead.record.release} was aborted: all is as before")
        dead.console.line(f"✓ release {dead.record.release} is undone", "bold")


def _taken_over(
    c: Context, name: str, require: Callable[[Site, Record], None], wanted: str
) -> Release | None:
    """Take an interrupted release over with its lock; None: it is as wanted, which is told."""
    from deployment.console import Console
    from deployment.release import ledger, lock, recovery

    site, console = open_site(c), Console()
    site.settings.require_sound()
    ledger.prepare(site.database)
    record = recovery.find(site, name)
    if record is None or record.status == wanted:
        state = f"{record.release} is {wanted}" if record else "no release is interrupted"
        console.line(f"nothing to do: {state}")
        return None
    require(site, record)
    lease = lock.acquire_patiently(
        site.database,
        site.connect,
        f"settling {record.release}",
        lambda by: console.line(f"· waiting for the lease of {by}: {by.left:.0f} s left"),
    )
    site.progress = console.progress
    try:
        record = recovery.find(site, record.release) or record  # settled by another meanwhile?
        require(site, record)
        return recovery.reopened(site, record, lease, console)
    except BaseException:
        lease.release()
        raise


@contextmanager
def _guarded(begun: Release) -> Iterator[Release]:
    """End a release well, or undo it; whatever happens, nobody is left in the dark."""
    from deployment.services.patience import RELEASE_SECONDS, Patience, patient

    token = _current.set(begun)
    try:
        with patient(Patience(RELEASE_SECONDS, begun.console.waiting)):
            yield begun
        begun.remember()
        with _unstoppable(begun.console):
            begun.succeed()
    except BaseException as cause:
        with _unstoppable(begun.console):
            ended = begun.roll_back(cause)
            _announce(
                begun, f"{begun.record.kind} {begun.record.release} failed: {ended.what}", ended.why
            )
        raise ended from None
    finally:
        _current.reset(token)


@contextmanager
def _announced_start(begun: Release) -> Iterator[None]:
    """Tell people that it begins, while it does; they hear of the beginning before the end."""
    import deployment.services.http  # noqa: F401 - two threads importing requests get half of it

    record = begun.record
    headline = f"{record.kind} {record.release} begins"
    with ThreadPoolExecutor(1, thread_name_prefix="notify") as pool:
        told = pool.submit(_announce, begun, headline, f"{record.author} {record.message}")
        yield
    told.result()


def _announce(begun: Release, headline: str, details: str = "") -> None:
    """Tell people, with the audit trail's head; that nobody could be told is shown here."""
    from deployment.steps import notify

    found = notify.announce(begun.site, headline, details, begun.known_head)
    if found.status == "warn":
        begun.console.warn(f"nobody was notified: {found.evidence}")


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM end a release as Ctrl-C does: undone, not torn."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _unstoppable(console: Console) -> Iterator[None]:
    """Undo to the end, whatever key is pressed meanwhile."""
    from deployment.release import outage

    def wait(_number: int, _frame: FrameType | None) -> None:
        if not outage.give_up():
            console.warn("undoing; please wait")

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, wait) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def summary(changes: Sequence[Change]) -> str:
    """Say in a few words what a step changed."""
    if not changes:
        return "nothing to do"
    words = [f"{change.action} {change.resource}" for change in changes]
    return words[0] if len(words) == 1 else f"{words[-1]} ({len(words)} changes)"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping) or hasattr(value, "_config"):
        return {str(key): _plain(value[key]) for key in value}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
