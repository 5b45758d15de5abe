"""Run steps from the command line: in the release under way, or in one of their own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from invoke.context import Context

from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.release import opening, steps
from xswarm_deploy.release.current import current

if TYPE_CHECKING:
    from xswarm_deploy.model.step import Change
    from xswarm_deploy.release.release import Release

_FLAGS = {"check": "--skip-checks", "backup": "--skip-backup"}


def release(
    c: Context, kind: str, message: str = "", phases: Sequence[str] = ()
) -> AbstractContextManager[Release]:
    """Join the release under way, or make one: all of the block's changes, or none.

    Args:
        c: the task's context.
        kind: ``rollback``, or a step's name.
        message: a person's words for it.
        phases: its parts that change anything, in their order.
    """
    return opening.release(context.open_site(c), kind, message, phases)


def perform(c: Context, name: str) -> None:
    """Run one step: in the release under way, or in one of its own; dry: print its plan.

    Args:
        c: the task's context.
        name: the step, e.g. ``migrate``.
    """
    if context.dry(c):
        opening.show_planned(Console(), context.open_site(c), (name,))
        return
    with release(c, name, phases=(name,)) as running:
        if not skipped(name):
            with running.console.step(name) as line:
                line.detail = summary(running.perform(steps.step_named(name)))


def make(running: Release, name: str, changes: Sequence[Change]) -> None:
    """Make planned changes in a release, shown as one step."""
    with running.console.step(name) as line:
        running.make(changes)
        line.detail = summary(changes)


def show_only(c: Context, changes: Sequence[Change]) -> bool:
    """Print a plan where that is all to do: nothing to change, or ``--dry``; return whether."""
    if changes and not context.dry(c):
        return False
    opening.show(Console(), changes)
    return True


def skipped(name: str) -> bool:
    """Return whether a person asked to leave a step out of the release under way, and print so."""
    running = current()
    if running is None or name not in running.skipped:
        return False
    running.console.line(f"· {name:<9} left out ({_FLAGS.get(name, name)})", "yellow")
    return True


def summary(changes: Sequence[Change]) -> str:
    """Return in a few words what a step changed."""
    if not changes:
        return "nothing to do"
    words = [f"{change.action} {change.resource}" for change in changes]
    return words[0] if len(words) == 1 else f"{words[-1]} ({len(words)} changes)"
