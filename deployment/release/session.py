"""From a task to a release: which environment, which site, and one transaction around it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from invoke.context import Context

from deployment.console import Console
from deployment.settings import Settings, load
from deployment.variables import LOCAL

if TYPE_CHECKING:
    from deployment.release.release import Release
    from deployment.steps.site import Site
    from deployment.steps.step import Change

ROOT: Final = Path(__file__).resolve().parents[2]
_current: ContextVar[Release | None] = ContextVar("release", default=None)
_announced: set[str] = set()


def environment(c: Context) -> str:
    """Give the environment tasks act on: named on the line, INVOKE_DEPLOY_ENV, or local."""
    return str(c.config.deploy.get("env") or LOCAL)


def values(c: Context) -> dict[str, Any]:
    """Give the key ``deploy`` of invoke.yaml as plain data."""
    return dict(_plain(c.config.deploy))


def settings(c: Context) -> Settings:
    """Read the environment's settings."""
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


def perform(c: Context, name: str) -> list[Change]:
    """Run one step: in the release under way, or in one of its own; dry: print its plan.

    Args:
        c: the task's context.
        name: the step, e.g. ``migrate``.
    """
    from deployment.release.release import step_named

    if dry(c):
        return preview(c, name)
    with release(c, name) as running, running.console.step(name) as line:
        changes = running.perform(step_named(name))
        line.detail = summary(changes)
    return changes


def preview(c: Context, name: str) -> list[Change]:
    """Print what a step would change."""
    from deployment.release.release import step_named

    site = open_site(c)
    changes = list(step_named(name).plan(site))
    console = Console()
    for change in changes:
        console.line(f"  {change.step:<9} {change.action:<7} {change.resource}")
        if change.irreversible:
            console.warn(f"          cannot be undone: {change.irreversible}")
    if not changes:
        console.line(f"  {name:<9} nothing to do")
    return changes


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
            raise ended from None
        finally:
            _current.reset(token)


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


def summary(changes: list[Change]) -> str:
    """Say in a few words what a step changed."""
    if not changes:
        return "nothing to do"
    words = [f"{change.action} {change.resource}" for change in changes]
    return words[0] if len(words) == 1 else f"{words[-1]} ({len(words)} changes)"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping) or hasattr(value, "_config"):
        return {str(key): _plain(value[key]) for key in value}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
