"""From a task to a release: which environment, which site, and one transaction around it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from invoke.context import Context

if TYPE_CHECKING:
    from deployment.console import Console
    from deployment.errors import DeployError
    from deployment.release.release import Release
    from deployment.settings import Settings
    from deployment.steps.site import Site
    from deployment.steps.step import Change

# What is heavy is imported where it is used: every `inv --list` loads this module.
DEPLOY_STEPS: Final = ("backup", "migrate", "secrets", "worker", "pages", "webhooks")
ROOT: Final = Path(__file__).resolve().parents[2]
_current: ContextVar[Release | None] = ContextVar("release", default=None)
_announced: set[str] = set()


def environment(c: Context) -> str:
    """Give the environment tasks act on: named on the line, INVOKE_DEPLOY_ENV, or local."""
    return str(c.config.deploy.get("env") or "local")


def values(c: Context) -> dict[str, Any]:
    """Give the key ``deploy`` of invoke.yaml as plain data."""
    return dict(_plain(c.config.deploy))


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
    from deployment.release import ledger
    from deployment.steps.site import Site

    running = _current.get()
    if running:
        return running.site
    found = settings(c)
    if not quiet:
        announce(found)
    site = Site(found)
    site.history = lambda: ledger.records(site.database, found.environment)
    return site


def announce(found: Settings) -> None:
    """Print which environment is acted on; once for each."""
    from deployment.console import Console

    if found.environment not in _announced:
        _announced.add(found.environment)
        target = f"worker {found.project.worker.name} at {found.text('WORKER_URL')}"
        Console(sys.stderr).line(f"{found.environment} ({found.source}): {target}", "dim")


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
    with release(c, name) as running:
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


def remember(running: Release) -> None:
    """Keep with the release what going back to it will need."""
    from deployment.steps import migrate, pages

    facts = running.site.facts
    live = pages.current(running.site)
    facts["pages"] = live.id if live else ""
    facts["migrations"] = migrate.applied(running.site)


def tell(running: Release) -> None:
    """Say how a release ended: here, and where people are notified."""
    from deployment.steps import notify

    site, record = running.site, running.record
    headline = f"{record.kind} {record.release} succeeded"
    version = str(site.facts.get("version", ""))
    with running.console.step("notify") as line:
        found = notify.announce(site, headline, f"version {version} {record.message}".strip())
        line.detail = found.evidence
        if found.status == "warn":
            line.mark, line.colour = "⚠", "yellow"
    running.console.line()
    running.console.line(f"release {record.release}  version {version}", "bold")
    running.console.line(f"  worker {site.settings.text('WORKER_URL')}")
    running.console.line(f"  site   {site.settings.text('BASE_URL')}")


@contextmanager
def release(c: Context, kind: str, message: str = "") -> Iterator[Release]:
    """Join the release under way, or make one: all of the block's changes, or none.

    Args:
        c: the task's context.
        kind: what it is: ``deploy``, ``rollback``, or a step's name.
        message: a person's words for it.

    Raises:
        DeployError: why it failed, after everything was undone.
    """
    running = _current.get()
    if running:
        yield running
        return
    site = open_site(c)
    site.settings.require_sound()
    with _transaction(site, kind, message) as begun:
        yield begun


@contextmanager
def _transaction(site: Site, kind: str, message: str) -> Iterator[Release]:
    from deployment.console import Console
    from deployment.release.release import Release

    console = Console()
    site.progress = console.progress
    with _stoppable():
        begun = Release.begin(site, kind, message, console)
        token = _current.set(begun)
        try:
            yield begun
            begun.succeed()
        except BaseException as cause:
            with _unstoppable(console):
                ended = begun.roll_back(cause)
                _tell_failure(begun, ended)
            raise ended from None
        finally:
            _current.reset(token)


def _tell_failure(begun: Release, ended: DeployError) -> None:
    from deployment.steps import notify

    found = notify.announce(begun.site, f"{begun.record.kind} failed: {ended.what}", ended.why)
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

    def wait(_number: int, _frame: FrameType | None) -> None:
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
