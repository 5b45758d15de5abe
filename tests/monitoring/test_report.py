from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.support.monitoring import Hands
from xswarm_monitoring import instruments, report, window
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.route_report import Named, route_report
from xswarm_monitoring.selection import summary


def test_rates_routes_and_statuses_add_up(hands: Hands) -> None:
    measured = Metrics(clock=hands.clock)
    for number in range(90):
        measured.requests.observe("/a", "GET", 200, number / 1000)
    for _ in range(6):
        measured.requests.observe("/a", "POST", 503, 1.0)
    for _ in range(4):
        measured.requests.observe("/b", "GET", 404, 0.01)
    told = report.report(measured.frames(100), 100, hands.now)["requests"]
    assert (told["total"], told["errors"], told["client_errors"]) == (100, 6, 4)
    assert (told["error_rate"], told["success_rate"], told["per_second"]) == (0.06, 0.94, 1.0)
    assert [(each["route"], each["method"], each["total"]) for each in told["routes"]] == [
        ("/a", "GET", 90),
        ("/a", "POST", 6),
        ("/b", "GET", 4),
    ]
    assert told["methods"] == {"GET": 94, "POST": 6}
    assert told["statuses"] == {"200": 90, "404": 4, "503": 6}
    assert told["duration_ms"]["max"] == 1000
    assert told["duration_ms"]["p50"] == pytest.approx(44, rel=0.06)


@given(
    some.lists(
        some.tuples(
            some.one_of(some.sampled_from(["/a", "/b"]), some.text(max_size=12)),
            some.sampled_from([200, 404, 500]),
            some.floats(0, 1e4),
        ),
        max_size=60,
    ),
    some.text(alphabet='],[0123456789".e-', max_size=24),
)
def test_a_row_with_its_summary_is_told_as_one_without(
    observed: list[tuple[str, int, float]], hostile: str
) -> None:
    """Of a row with a summary only those buckets are read that are told, as they are otherwise."""
    hands = Hands()
    measured = Metrics(clock=hands.clock)
    for route, status, seconds in observed:
        measured.requests.observe(route, "GET", status, seconds)
    measured.requests.observe(hostile, "GET", 200, 0.1)
    measured.business.api_call("a],[0,1.5,1,1,3,1]]")  # a label that looks like a sketch
    measured.database.observe("SELECT 1", 0.5)
    (whole,) = measured.frames(60)
    kept = window.load(whole.dump(summary(whole)))
    assert report.report([kept], 60, hands.now) == report.report([whole], 60, hands.now)
    assert window.load(kept.dump()).dump() == whole.dump()


def test_buckets_that_nobody_looks_at_are_not_read(hands: Hands) -> None:
    measured = Metrics(clock=hands.clock)
    for number in range(400):
        measured.requests.observe(f"/{number % 20}", "GET", 200, number / 100)
    whole = measured.total()
    text = whole.dump(summary(whole))
    kept = window.load(text)
    report.report([kept], 60, hands.now, 5)
    waiting = [each._waiting for each in kept.sketches[instruments.REQUESTS.name].values()]
    assert all(isinstance(runs, str) for (runs,) in waiting)
    assert report.report([window.load(text.replace('"counted":', '"x":'))], 60, hands.now, 5)


def test_the_database_and_its_slow_queries_are_told(hands: Hands) -> None:
    measured = Metrics(clock=hands.clock)
    measured.database.observe("SELECT * FROM t WHERE a = 'x'", 1.2, 10)
    measured.database.observe("SELECT * FROM u WHERE a = 'x'", 3.4, 10)
    measured.database.observe("INSERT INTO t VALUES (1)", 0.01, 1, failed=True)
    told = report.report(measured.frames(60), 60, hands.now)["database"]
    assert (told["queries"], told["errors"], told["rows"], told["slow"]) == (3, 1, 21, 2)
    assert [each["seconds"] for each in told["slow_queries"]] == [3.4, 1.2]
    assert told["operations"][0]["operation"] == "SELECT"


def test_the_business_is_told(hands: Hands) -> None:
    measured = Metrics(clock=hands.clock)
    for number in range(200):
        measured.business.api_call(f"customer {number % 80}")
    measured.business.payment(10, "usd", succeeded=True)
    measured.business.payment(19.5, "usd", succeeded=True)
    told = report.report(measured.frames(60), 60, hands.now)["business"]
    assert told["payments"] == [
        {"currency": "USD", "outcome": "succeeded", "count": 2, "amount": 29.5}
    ]
    assert told["api_calls"]["total"] == 200
    assert len(told["api_calls"]["listed"]) == 50
    assert told["api_calls"]["listed"][0] == {"customer": "customer 0", "count": 3}
    assert told["signups"] == {"total": 0, "listed": []}


def test_nothing_measured_makes_no_rate_up(hands: Hands) -> None:
    told = report.report([], 60, hands.now)["requests"]
    assert (told["total"], told["error_rate"], told["success_rate"]) == (0, 0.0, None)


def test_a_timeline_puts_each_frame_where_it_was_measured(hands: Hands) -> None:
    start = hands.now
    measured = Metrics(clock=hands.clock, slot=10)
    for minute in range(6):
        measured.tick(hands.now)
        for _ in range(minute):
            measured.requests.observe("/", "GET", 500 if minute == 5 else 200, 0.1)
        hands.turn(60)
    points = report.timeline(measured.frames(360), start, hands.now, 6)
    assert [point["requests"] for point in points] == [None, 1, 2, 3, 4, 5]
    assert [point["errors"] for point in points] == [None, 0, 0, 0, 0, 5]
    assert points[0]["duration_ms"]["p95"] is None
    assert points[5]["per_second"] == pytest.approx(5 / 60, abs=1e-4)
    assert points[5]["duration_ms"]["p95"] == 100


def test_a_long_frame_is_spread_over_the_points_it_spans(hands: Hands) -> None:
    measured = Metrics(clock=hands.clock)
    for number in range(1000):
        measured.requests.observe("/", "GET", 200, number / 1000)
    (frame,) = measured.frames(60)
    frame.start, frame.end = 0.0, 3600.0
    points = report.timeline([frame], 600, 4800, 7)
    assert [point["requests"] for point in points[:5]] == pytest.approx([1000 / 6] * 5, abs=0.01)
    assert [point["requests"] for point in points[5:]] == [None, None]
    assert points[0]["duration_ms"]["p95"] == pytest.approx(950, rel=0.01)


@pytest.mark.parametrize("points", [0, 4])
def test_one_route_has_its_own_figures_and_those_of_each_version(hands: Hands, points: int) -> None:
    start, measured = hands.now, Metrics(clock=hands.clock)
    for count in (3, 5):
        for number in range(count):
            measured.requests.observe("/x", "GET", (200, 404, 500)[number % 3], 0.1)
            measured.requests.observe("/x", "POST", 500, 9.0)
            measured.requests.observe("/y", "GET", 500, 9.0)
        hands.turn(60)
        measured.seal()
    frames = measured.frames(600)
    for frame, version in zip(frames, "ab", strict=True):
        frame.version = version
    told = route_report(frames, Named("/x", "GET"), hands.now - start, hands.now, points)
    assert told["requests"]["statuses"] == {"200": 3, "404": 3, "500": 2}
    found = told["requests"]
    assert (found["total"], found["errors"], found["client_errors"]) == (8, 2, 3)
    assert found["duration_ms"]["p99"] == 100
    assert [(each["version"], each["total"]) for each in told["versions"]] == [("b", 5), ("a", 3)]
    drawn = [each["client_errors"] or 0 for each in told["timeline"]]
    assert (len(drawn), sum(drawn)) == (points, pytest.approx(3 if points else 0, abs=0.01))
    none = route_report(frames, Named("/z", "GET"), hands.now - start, hands.now, points)
    assert (none["requests"]["total"], none["versions"]) == (0, [])
