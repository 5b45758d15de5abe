"""Which backups may go, and which never."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from xswarm_deploy.database.backup import Backup
from xswarm_deploy.database.manifest import Content, Manifest
from xswarm_deploy.database.retention import RetentionPolicy, expired

NOW = datetime(2025, 10, 29, 12, 0, tzinfo=UTC)


def made(days: float, *tables: str) -> Backup:
    """A backup of so many days ago."""
    created = NOW - timedelta(days=days)
    name = f"test-{created:%Y%m%dT%H%M%S}.db.zst"
    content = Content(dict.fromkeys(tables, (1, "")), "", 0, 0)
    found = Backup(Path(name))
    found.__dict__["manifest"] = Manifest(
        name, "test", "", created.isoformat(), 1, "", 1, "", content
    )
    return found


def ages(found: list[Backup]) -> list[float]:
    return [round((NOW - backup.created) / timedelta(days=1), 2) for backup in found]


def test_young_ones_stay() -> None:
    assert ages(expired([made(1), made(29), made(31), made(40)], RetentionPolicy(30), NOW)) == [
        40,
        31,
    ]


def test_the_last_good_one_always_stays() -> None:
    assert expired([made(400)], RetentionPolicy(30), NOW) == []
    assert ages(expired([made(400), made(500)], RetentionPolicy(0), NOW)) == [500]


def test_the_last_that_holds_a_table_stays_beside_newer_ones_of_an_empty_database() -> None:
    """What a release makes for itself in such a database is no table of the application's."""
    ours = ("_releases", "_release_lock", "_migrations", "sqlite_sequence", "monitoring_frames")
    every = [made(40), made(50, *ours), made(60, "users"), made(70, "users")]
    assert ages(expired(every, RetentionPolicy(30), NOW)) == [70, 50]


def test_the_last_of_each_day_week_and_month_stays() -> None:
    every = [made(days / 2) for days in range(400)]
    gone = expired(every, RetentionPolicy(1, daily=3, weekly=2, monthly=2), NOW)
    kept = [f"{backup.created:%m-%d %H}" for backup in every if backup not in gone]
    # young: 29th 12:00, 29th 00:00, 28th 12:00; days 29, 28, 27; weeks of the 29th and the
    # 26th (a Sunday); months October and September
    assert kept == ["10-29 12", "10-29 00", "10-28 12", "10-27 12", "10-26 12", "09-30 12"]


def test_one_that_is_as_old_as_what_is_kept_stays() -> None:
    assert ages(expired([made(1), made(30), made(31)], RetentionPolicy(30), NOW)) == [31]


def test_weeks_are_those_of_iso_8601_across_a_new_year() -> None:
    """2024-12-30 and 2025-01-01 are of one week, 2025-W01; 2024-12-29 is of 2024-W52."""
    now = datetime(2025, 1, 2, 12, 0, tzinfo=UTC)
    every = [made((NOW - now) / timedelta(days=1) + days) for days in (0, 1, 3, 4, 10, 11)]
    gone = expired(every, RetentionPolicy(0, weekly=3), now)
    kept = [f"{backup.created:%Y-%m-%d}" for backup in every if backup not in gone]
    assert kept == ["2025-01-02", "2024-12-29", "2024-12-22"]


@given(st.lists(st.integers(0, 2000), unique=True, min_size=1), st.integers(0, 60))
def test_never_all_and_never_a_young_one(days: list[int], keep: int) -> None:
    every = [made(day) for day in days]
    gone = expired(every, RetentionPolicy(keep, 7, 4, 12), NOW)
    left = [backup for backup in every if backup not in gone]
    assert min(days) in [round(age) for age in ages(left)]
    assert all(age > keep for age in ages(gone))
    assert ages(gone) == sorted(ages(gone), reverse=True)
