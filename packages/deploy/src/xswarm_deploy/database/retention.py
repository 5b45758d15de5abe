"""Which backups may go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from pathlib import Path

from xswarm_deploy.database import own
from xswarm_deploy.database.backup import Backup


@dataclass(frozen=True)
class RetentionPolicy:
    """What is kept.

    Args:
        days: every backup this young.
        daily: of this many days with a backup, the last one of each.
        weekly: of this many weeks (ISO 8601).
        monthly: of this many months.
    """

    days: int
    daily: int = 0
    weekly: int = 0
    monthly: int = 0


def expired(backups: Sequence[Backup], keep: RetentionPolicy, now: datetime) -> list[Backup]:
    """Return the backups that may go, the oldest first; never the last good one.

    Args:
        backups: of one environment.
        keep: what is kept.
        now: the time.
    """
    newest_first = sorted(backups, key=lambda backup: backup.created, reverse=True)
    young = now - timedelta(days=keep.days)
    kept = {backup.path for backup in newest_first if backup.created >= young}
    kept |= _last_good(newest_first)
    for count, period in (
        (keep.daily, "%Y-%m-%d"),
        (keep.weekly, "%G-%V"),
        (keep.monthly, "%Y-%m"),
    ):
        kept |= _last_of_each(newest_first, count, _by(period))
    return [backup for backup in reversed(newest_first) if backup.path not in kept]


def _last_good(newest_first: Sequence[Backup]) -> set[Path]:
    """Return the last good one, and the last that holds a table of the application's.

    Where a URL has become wrong, the newer ones hold what this tool made there, and no more.
    """
    good = islice(_good(newest_first), 1)
    filled = islice((backup for backup in _good(newest_first) if _is_filled(backup)), 1)
    return {backup.path for backup in (*good, *filled)}


def _is_filled(backup: Backup) -> bool:
    held = backup.manifest.content.tables if backup.manifest else ()
    return any(name not in own.ALL and not name.startswith("sqlite_") for name in held)


def _good(newest_first: Sequence[Backup]) -> Iterator[Backup]:
    """Yield those with a manifest, each read when it is its turn."""
    return (backup for backup in newest_first if backup.manifest)


def _by(period: str) -> Callable[[Backup], str]:
    return lambda backup: backup.created.strftime(period)


def _last_of_each(
    newest_first: Sequence[Backup], count: int, period: Callable[[Backup], str]
) -> set[Path]:
    kept: dict[str, Path] = {}
    for _, of_one in groupby(newest_first, period):
        if len(kept) == count:
            break
        kept |= {period(backup): backup.path for backup in islice(_good([*of_one]), 1)}
    return set(kept.values())
