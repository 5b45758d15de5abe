"""Whether cron made the backups that BACKUP_SCHEDULE asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from xswarm_deploy.preflight import machine
from xswarm_deploy.preflight.looking import Seen
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import backup

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("0 2 * * *", datetime(2026, 11, 28, 2, 0, tzinfo=UTC)),
        ("0 4 * * *", datetime(2026, 11, 28, 4, 0, tzinfo=UTC)),
        ("30 23 * * MON-FRI", datetime(2026, 11, 27, 23, 30, tzinfo=UTC)),
        ("0 0 1 * *", datetime(2026, 11, 1, tzinfo=UTC)),
        ("*/15 * * * *", datetime(2026, 11, 28, 11, 45, tzinfo=UTC)),
    ],
)
def test_when_it_was_last_due(schedule: str, due: datetime) -> None:
    assert machine.last_due(schedule, NOW) == due


@pytest.mark.parametrize("schedule", ["daily", "61 * * * *", "* * * *", "0 0 31 2 *", ""])
def test_what_is_no_schedule_is_said(schedule: str) -> None:
    with pytest.raises(ValueError, match="no five cron fields"):
        machine.last_due(schedule, NOW)


@pytest.fixture
def made(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Site]:
    """Return an environment whose newest backup is so many hours old."""

    def make(hours: float, schedule: str) -> Site:
        created = datetime.now(UTC) - timedelta(hours=hours)
        found = type("Found", (), {"created": created})
        monkeypatch.setattr(backup, "proven", lambda _site: found)
        return Site(replace(settings(BACKUP_SCHEDULE=schedule), environment="staging"))

    return make


def test_a_schedule_that_did_not_run_is_warned_of(made: Callable[..., Site]) -> None:
    seen = machine._backup(made(5, "0 * * * *"))
    assert isinstance(seen, Seen)
    assert (seen.status, "cron made none at" in seen.evidence) == ("warn", True)
    assert "BACKUP_SCHEDULE" in seen.remedy


def test_one_that_did_is_good(made: Callable[..., Site]) -> None:
    assert machine._backup(made(0.1, "0 * * * *")) == "the newest is 0 hours old"
    assert machine._backup(made(20, "0 0 1 1 *")) == "the newest is 20 hours old"


def test_one_that_cannot_be_read_is_warned_of(made: Callable[..., Site]) -> None:
    seen = machine._backup(made(1, "61 * * * *"))
    assert isinstance(seen, Seen)
    assert (seen.status, "cannot be read" in seen.evidence) == ("warn", True)
