"""Run steps from the command line: in the release under way, or in one of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

from invoke.context import Context

from xswarm_deploy.cli import context
from xswarm_deploy.cli.graph import Agreed
from xswarm_deploy.console import Console
from xswarm_deploy.database.backup import Backup
from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import preview, steps
from xswarm_deploy.release.noted import note
from xswarm_deploy.release.release import Release
from xswarm_deploy.release.transaction import current, report_success, transaction
from xswarm_deploy.steps import backup

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
    return transaction(context.open_site(c), kind, message, phases)


@contextmanager
def deployment(agreed: Agreed, phases: Sequence[str]) -> Iterator[Release]:
    """Make one release of all steps that run in the block, and report how it ended.

    Args:
        agreed: what a person agreed to.
        phases: the steps that change anything, in their order.

    Raises:
        DeployError: why it failed, after everything was undone.
    """
    with transaction(agreed.site, "deploy", agreed.message, phases) as running:
        running.skipped = agreed.skipped
        running.site.facts["message"] = agreed.message
        _ = running.site.bundling  # wrangler bundles while check, backup and migrations run
        running.ahead.begin(running.site, phases)
        yield running
    _prune(running)
    report_success(running)


def _prune(running: Release) -> None:
    """Remove the backups that no rule keeps, now that a newer one is proven; never fail for it."""
    try:
        removed = backup.prune(running.site, datetime.now(UTC), lambda found: _note(running, found))
    except (OSError, DeployError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        running.console.warn(f"old backups were not removed: {why}: inv backup.prune")
        return
    if removed:
        running.console.line(f"· removed {len(removed)} backups that no rule keeps any more", "dim")


def _note(running: Release, found: list[Backup]) -> None:
    files = [item.path.name for item in found]
    message = f"{len(files)} backups, after the release"
    note(running.site, "backup.prune", {"message": message, "files": files})


def perform(c: Context, name: str) -> None:
    """Run one step: in the release under way, or in one of its own; dry: print its plan.

    Args:
        c: the task's context.
        name: the step, e.g. ``migrate``.
    """
    if context.dry(c):
        preview.show(Console(), preview.planned(context.open_site(c), (name,)))
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
    preview.show(Console(), changes)
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
