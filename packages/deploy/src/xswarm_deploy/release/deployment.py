"""One release of all the steps of ``deploy.*``, and what is tidied up after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from xswarm_deploy.database.backup import Backup
from xswarm_deploy.errors import DeployError
from xswarm_deploy.preflight import check
from xswarm_deploy.release import records
from xswarm_deploy.release.interruption import hurried
from xswarm_deploy.release.noted import note
from xswarm_deploy.release.release import Release
from xswarm_deploy.release.transaction import report_success, transaction
from xswarm_deploy.services import calls
from xswarm_deploy.site import Site
from xswarm_deploy.steps import backup


@contextmanager
def deployment(
    site: Site, message: str, skipped: frozenset[str], phases: Sequence[str]
) -> Iterator[Release]:
    """Make one release of all steps that run in the block, and report how it ended.

    Args:
        site: the environment.
        message: a person's words for it.
        skipped: names of steps that are left out.
        phases: the steps that change anything, in their order.

    Raises:
        DeployError: why it failed, after everything was undone.
    """
    site.settings.require_sound()
    before = calls.made()
    if check.NAME not in skipped:
        check.begin_ahead(site)  # it changes nothing that a release does, and needs no lock
    with transaction(site, "deploy", message, phases) as running:
        running.skipped, running.calls_before = skipped, before
        running.site.facts["message"] = message
        if records.none_unended(running.ledger.lease.found):  # so none was undone since
            check.hand_over(site, running.site)
        running.ahead.begin(running.site, phases)
        with _backup_ahead(running, phases):
            yield running
    with hurried(running.console):
        _prune(running)
    report_success(running)


@contextmanager
def _backup_ahead(running: Release, phases: Sequence[str]) -> Iterator[None]:
    """Let the backup be made while all is checked; it is kept at its turn, or removed."""
    if backup.NAME in phases:
        backup.begin_ahead(running.site)
    try:
        yield
    finally:
        backup.forget_ahead(running.site)


def _prune(running: Release) -> None:
    """Remove the backups that no rule keeps, now that a newer one is proven; never fail for it."""
    try:
        removed = _pruned(running)
    except (OSError, DeployError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        running.console.warn(f"old backups were not removed: {why}: inv backup.prune")
        return
    if removed:
        running.console.line(f"· removed {len(removed)} backups that no rule keeps any more", "dim")


def _pruned(running: Release) -> list[Backup]:
    """Ask the database's clock only where this machine's calls a backup old: that is a trip."""
    site = running.site
    if not site.settings.flag("BACKUP_ENABLED") or not backup.expired(site, datetime.now(UTC)):
        return []
    return backup.prune(site, backup.now(site), lambda found: _note(running, found))


def _note(running: Release, found: list[Backup]) -> None:
    files = [item.path.name for item in found]
    message = f"{len(files)} backups, after the release"
    note(running.site, "backup.prune", {"message": message, "files": files})
