from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring.uptime import DAY, Observed, Outage, Uptime

NOON = 20_000 * DAY + DAY / 2


def walked(
    sqlite: SQLite,
    hands: Hands,
    story: list[tuple[float, str, str]],
    outages: Mapping[str, Outage] | None = None,
) -> Observed:
    """Return how the database was today, after rounds (seconds since the last, status, by)."""
    uptime = Uptime(sqlite.execute)
    for seconds, status, by in story:
        hands.turn(seconds)
        assert asyncio.run(uptime.record({"database": status}, hands.now, by, outages))
    return asyncio.run(uptime.read(hands.now, 90))[int(hands.now // DAY)]["database"]


@pytest.mark.parametrize(
    ("story", "sums"),
    [
        ([(0, "pass", "w")], (0, 0, 0)),
        ([(0, "pass", "w"), (60, "pass", "w"), (60, "pass", "w")], (120, 0, 0)),
        ([(0, "pass", "w"), (60, "fail", "w"), (60, "pass", "w")], (60, 0, 60)),
        ([(0, "warn", "w"), (300, "pass", "w")], (0, 300, 0)),
        # A gap is a gap: nobody watched for an hour.
        ([(0, "pass", "w"), (3600, "pass", "w"), (60, "pass", "w")], (60, 0, 0)),
        ([(0, "fail", "w"), (331, "pass", "w")], (0, 0, 0)),
        # Of two watchers who disagree the worse counts, and none is counted twice.
        ([(0, "fail", "a"), (30, "pass", "b"), (30, "fail", "a"), (30, "pass", "b")], (0, 0, 90)),
        # One who no longer watches is forgotten.
        ([(0, "fail", "a"), *[(60, "pass", "b")] * 10], (240, 0, 360)),
        # A clock that goes back takes nothing away.
        ([(0, "pass", "w"), (60, "pass", "w"), (-30, "pass", "w"), (60, "pass", "w")], (90, 0, 0)),
    ],
)
def test_time_counts_as_it_was_seen(
    sqlite: SQLite, story: list[tuple[float, str, str]], sums: tuple[int, int, int]
) -> None:
    found = walked(sqlite, Hands(NOON), story)
    assert (found.up, found.degraded, found.down) == sums


def test_each_day_has_its_own_seconds(sqlite: SQLite) -> None:
    hands = Hands(20_001 * DAY - 90)
    found = walked(sqlite, hands, [(0, "fail", "w"), (60, "fail", "w"), (60, "fail", "w")])
    assert found.down == 30  # what was before midnight is yesterday's
    days = asyncio.run(Uptime(sqlite.execute).read(hands.now, 90))
    assert [days[number]["database"].down for number in sorted(days)] == [60, 30]


def test_an_outage_of_the_very_database_counts_once_it_is_back(sqlite: SQLite) -> None:
    hands = Hands(NOON)
    walked(sqlite, hands, [(0, "pass", "w"), (60, "pass", "w")])
    outage = {"database": Outage(NOON + 120, NOON + 1320)}  # 20 minutes of which no row tells
    found = walked(sqlite, hands, [(1320, "pass", "w"), (60, "pass", "w")], outage)
    assert (found.up, found.down) == (120, 1200)


def test_a_round_reads_one_row_and_writes_one_and_old_days_go(sqlite: SQLite) -> None:
    hands, uptime = Hands(NOON), Uptime(sqlite.execute)
    for _ in range(410):
        asyncio.run(uptime.record({"database": "pass"}, hands.now, "w"))
        hands.turn(DAY)
    hands.turn(-DAY + 60)
    sqlite.statements.clear()
    asyncio.run(uptime.record({"database": "pass"}, hands.now, "w"))
    assert len(sqlite.statements) == 3  # the table, the latest day, its change
    assert sqlite.connection.execute("SELECT count(*) FROM monitoring_uptime").fetchone() == (401,)
    assert len(asyncio.run(uptime.read(hands.now, 90))) == 90


def test_a_round_that_others_overtake_goes_again(sqlite: SQLite) -> None:
    hands, uptime = Hands(NOON), Uptime(sqlite.execute)
    asyncio.run(uptime.record({"database": "pass"}, hands.now, "a"))
    hands.turn(60)
    overtaken = 0

    async def busy(sql: str, parameters: object) -> list[tuple[object, ...]]:
        nonlocal overtaken
        if sql.startswith("UPDATE") and not overtaken:
            overtaken = 1
            await uptime.record({"database": "pass"}, hands.now, "b")
        return await sqlite.execute(sql, parameters)  # type: ignore[arg-type]

    assert asyncio.run(Uptime(busy).record({"database": "fail"}, hands.now, "a"))
    found = asyncio.run(uptime.read(hands.now, 1))[int(hands.now // DAY)]["database"]
    assert (found.up, found.status(hands.now)) == (60, "fail")
