"""What a window of any length holds, against the times of the requests themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

import pytest

from tests.monitoring.steady import DAY, HOUR, MINUTE, POINTS, Service, steady
from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import instruments, report
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.storage import Storage
from xswarm_monitoring.tables import EVER
from xswarm_monitoring.window import Window


def near(found: Iterable[float | None], true: float) -> bool:
    return all(value == pytest.approx(true, rel=0.01) for value in found)


@pytest.fixture
def service(hands: Hands, sqlite: SQLite) -> Service:
    hands.now -= hands.now % DAY - 7 * HOUR
    return Service(hands, sqlite)


@pytest.mark.slow
def test_steady_traffic_is_flat_and_exact_at_every_window_up_to_two_days(
    service: Service,
) -> None:
    steady(service, 15, 2.2 * DAY, 10 * MINUTE)
    service.hands.turn(7)
    service.call()
    for seconds, coarse in (
        (5 * MINUTE, MINUTE),
        (HOUR, MINUTE),
        (6 * HOUR, MINUTE),
        (DAY, MINUTE),
        (2 * DAY, MINUTE),
    ):
        told, true, real, rates = service.window(seconds)
        assert told == true
        assert seconds - coarse <= real <= seconds
        assert near(rates[1:-1] if seconds > HOUR else rates[2:-8], 1 / 15), seconds


@pytest.mark.slow
def test_a_request_an_hour_for_95_days_is_exact_at_every_window(service: Service) -> None:
    steady(service, HOUR, 95 * DAY, DAY)
    for days, coarse in ((1, MINUTE), (7, HOUR), (30, HOUR), (31, HOUR), (90, DAY)):
        told, true, real, rates = service.window(days * DAY)
        assert told == true
        assert true == pytest.approx(days * 24, abs=24)
        assert days * DAY - coarse <= real <= days * DAY
        if days == 90:
            assert near(rates[1:-1], 1 / HOUR)
    assert sum(s.count for s in asyncio.run(total(service)).sketches[REQUESTS].values()) == 95 * 24


@pytest.mark.slow
def test_days_are_kept_for_a_year(service: Service) -> None:
    steady(service, DAY / 2, 500 * DAY, DAY)
    now = service.hands.now
    found = asyncio.run(service.keeper.gather(None, "v", now - 370 * DAY))
    told = report.report(found.frames, now - found.since, now)
    assert told["requests"]["total"] == sum(1 for time in service.times if time >= found.since)
    assert told["window_seconds"] == pytest.approx(370 * DAY, abs=DAY)


REQUESTS = instruments.REQUESTS.name


async def total(service: Service) -> Window:
    return await service.keeper.total(None, "v")


def test_an_hour_without_anything_is_a_gap(service: Service) -> None:
    steady(service, 15, 2 * HOUR, 10 * MINUTE)
    service.hands.turn(HOUR)
    steady(service, 15, 2 * HOUR, 10 * MINUTE)
    _, _, _, rates = service.window(5 * HOUR)
    gaps = [number for number, rate in enumerate(rates) if rate is None]
    assert gaps[0] in (24, 25)
    assert len(gaps) in (11, 12)
    assert gaps == list(range(gaps[0], gaps[0] + len(gaps)))


@pytest.mark.slow
def test_charts_of_long_windows_read_few_rows(service: Service, sqlite: SQLite) -> None:
    steady(service, 60, 2 * DAY, 30 * MINUTE)
    read = Storage(sqlite.execute, instance="reader")
    for seconds in (HOUR, 6 * HOUR, DAY, 2 * DAY):
        now = service.hands.now
        found = asyncio.run(read.stretch(now - seconds, now, None, seconds / POINTS))
        assert len(found.windows) <= 750
        assert len(asyncio.run(read.read(now - seconds, now))) < 200


def test_rows_of_earlier_versions_are_taken_over(service: Service, sqlite: SQLite) -> None:
    reader = Storage(sqlite.execute, instance="reader")
    asyncio.run(reader.prepare())
    now = service.hands.now
    measured = Metrics(clock=service.hands.clock)
    measured.requests.observe("/", "GET", 200, 0.1)
    (closed,) = measured.unflushed()
    began = {0.0: 60.0, 60.0: HOUR, HOUR: 5 * HOUR, DAY: 3 * DAY, EVER: 300 * DAY}
    for width, ago in began.items():
        start = (now - ago) // (width or 15) * (width or 15) if width < EVER else now - ago
        sqlite.connection.execute(
            "INSERT INTO monitoring_frames (version, width, began, ended, data)"
            " VALUES ('old', ?, ?, ?, ?)",
            (width, start, start + min(width, DAY), closed.text),
        )
    for _ in range(2):
        told = asyncio.run(reader.total())
        assert [sketch.count for sketch in told.sketches[REQUESTS].values()] == [5]
        found = asyncio.run(reader.read(now - 10 * DAY, now))
        assert sum(s.count for w in found for s in w.sketches[REQUESTS].values()) == 4
        asyncio.run(reader.compact(now))


@pytest.mark.slow
def test_a_scrape_reads_few_rows_however_many_there_were(hands: Hands, sqlite: SQLite) -> None:
    isolates = [
        (Storage(sqlite.execute, instance=str(n)), Metrics(clock=hands.clock)) for n in range(40)
    ]
    scraper = isolates[0][0]
    asyncio.run(scraper.prepare())
    read = list[int]()

    async def counting(sql: str, parameters: tuple[object, ...]) -> list[tuple[object, ...]]:
        rows = await sqlite.execute(sql, parameters)
        read.append(len(rows))
        return rows

    for _ in range(30):
        for storage, metrics in isolates:
            metrics.tick(hands.now)
            metrics.requests.observe("/", "GET", 200, 0.1)
            asyncio.run(storage.flush(metrics, "v"))
        hands.turn(30)
        asyncio.run(scraper.total())
    asyncio.run(Storage(counting, instance="p").total())  # type: ignore[arg-type]
    assert sum(read) < 50
    assert asyncio.run(scraper.total()).sketches[REQUESTS]["/", "GET", "200"].count == 1200


@pytest.mark.slow
def test_label_sets_are_bounded_over_all_isolates(hands: Hands, sqlite: SQLite) -> None:
    for number in range(5):
        storage = Storage(sqlite.execute, instance=str(number))
        asyncio.run(storage.prepare())
        metrics = Metrics(clock=hands.clock)
        for customer in range(400):
            metrics.business.api_call(f"{number} {customer}")
            metrics.requests.observe(f"/{number}/{customer}", "GET", 200, 0.1)
        asyncio.run(storage.flush(metrics, "v"))
    asyncio.run(storage.compact(hands.now))
    whole = asyncio.run(storage.total())
    calls = whole.counts[instruments.API_CALLS.name]
    assert len(calls) == instruments.API_CALLS.limit + 1
    assert calls[(instruments.OVERFLOW,)] == sum(calls.values()) - 500 == 1500
    requests = {labels[0]: each.count for labels, each in whole.sketches[REQUESTS].items()}
    grouped = {route: count for route, count in requests.items() if route.endswith("*")}
    assert grouped == {"/1/*": 300, "/2/*": 400, "/3/*": 400, "/4/*": 400}
    assert len(requests) == 504
    assert sum(requests.values()) == 2000
    ((data,),) = sqlite.connection.execute("SELECT data FROM monitoring_totals").fetchall()
    assert len(json.loads(data)["counts"][instruments.API_CALLS.name]) == 501
