"""What is read of a row, against the whole row."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import report
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.route_report import Named, route_report
from xswarm_monitoring.selection import SUMMARY, WHOLE, Selection, of_route
from xswarm_monitoring.storage import Storage
from xswarm_monitoring.window import Window

STRANGE = '/it\'s/"100%"/{id}'


@pytest.fixture
def storage(hands: Hands, sqlite: SQLite) -> Storage:
    """An hour, of which the last minutes are not merged yet, nor the last frame counted."""
    kept, measured = Storage(sqlite.execute, instance="a"), Metrics(clock=hands.clock)
    asyncio.run(kept.prepare())
    for minute in range(60):
        measured.tick(hands.now)
        for number in range(20):
            status = 500 if number % 7 == 0 else 404 if number % 5 == 0 else 200
            measured.requests.observe(f"/r{number % 3}", "GET", status, 0.01 * number + minute / 60)
        measured.requests.observe(STRANGE, "POST", 200, 0.5)
        measured.database.observe("SELECT 1", 0.002 * minute)
        hands.turn(60)
        asyncio.run(kept.flush(measured, f"v{minute // 20}"))
        if minute < 59:
            asyncio.run(kept.compact(hands.now))
    return kept


def read(storage: Storage, now: float, selection: Selection) -> list[Window]:
    found = asyncio.run(storage.stretch(now - 3600, now, None, 60.0, selection))
    return list(found.windows)


def test_a_chart_of_summaries_is_that_of_all(
    storage: Storage, hands: Hands, sqlite: SQLite
) -> None:
    def chart() -> list[dict[str, object]]:
        frames = read(storage, hands.now, SUMMARY)
        return report.timeline(frames, hands.now - 3600, hands.now, 60)

    whole = read(storage, hands.now, WHOLE)
    expected = report.timeline(whole, hands.now - 3600, hands.now, 60)
    assert chart() == expected
    few = [
        all(len(series) <= 3 for series in each.sketches.values())
        for each in read(storage, hands.now, SUMMARY)
    ]
    assert few.count(True) > 50  # of these a summary was read
    sqlite.connection.execute(  # as earlier versions wrote rows
        "UPDATE monitoring_windows SET data = json_remove(data, '$.summary')"
    )
    assert chart() == expected


@pytest.mark.slow
@pytest.mark.parametrize(("route", "method"), [("/r1", "GET"), (STRANGE, "POST"), ("/none", "GET")])
def test_a_route_alone_is_what_it_is_among_all(
    storage: Storage, hands: Hands, route: str, method: str
) -> None:
    whole, alone = (
        route_report(read(storage, hands.now, each), Named(route, method), 3600, hands.now, 60)
        for each in (WHOLE, of_route(route, method))
    )
    assert alone == whole
    assert (alone["requests"]["total"] > 0) is (route != "/none")
