"""What nobody thought of: strange labels and numbers, clocks that jump, a database long away."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import alert, evaluation
from xswarm_monitoring.alert_state import AlertState, Notice, Policy, Silence
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.correlation import Correlation, reset_current, set_current
from xswarm_monitoring.evaluation import MemoryAlertStore
from xswarm_monitoring.instruments import Family, Kind
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.notifier import Notifier
from xswarm_monitoring.rules import Rules
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.tracing import Tracer
from xswarm_monitoring.uptime import DAY, Uptime

TOKEN = "t" * 32
HALF = "caf\ud800"
OWN = Family("own", Kind.COUNTER, "Own", ("of",))


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def mounted(hands: Hands, execute: Any) -> Monitor:
    return Monitor(
        app,
        service="shop",
        admin_token=lambda _env: TOKEN,
        execute=lambda _env: execute,
        metrics=Metrics(own=(OWN,), clock=hands.clock),
        clock=hands.clock,
        defer=lambda coroutine: coroutine.close(),
    )


def ask(monitor: Monitor, path: str, query: str = "", body: bytes = b"") -> tuple[int, str]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer " + TOKEN.encode())]
    scope = {"type": "http", "method": "POST" if body else "GET", "path": path}
    whole = {**scope, "query_string": query.encode(), "headers": headers}
    asyncio.run(monitor(whole, receive, send))
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent).decode()


TAIL = {
    "outcome": "ok",
    "event": {"request": {"url": f"https://shop.test/{HALF}", "method": "GET"}},
}


def signups(monitor: Monitor, *customers: Any) -> None:
    """Let customers sign up whose ids are of whatever type."""
    for customer in customers:
        monitor.metrics.business.signup(customer)


def called(monitor: Monitor, url: str) -> None:
    monitor.metrics.tracer = Tracer(monitor.metrics.clock)
    correlation = Correlation("r")
    correlation.sampled = True
    served = set_current(correlation)
    try:
        with monitor.metrics.outbound.call("GET", url):
            pass
    finally:
        reset_current(served)


STRANGE: dict[str, Callable[[Monitor], Any]] = {
    "half a surrogate pair": lambda m: m.metrics.business.activity(HALF),
    "half of one in a path": lambda m: ask(m, f"/{HALF}"),
    "half of one in a tail": lambda m: ask(m, "/api/metrics/tail", "", json.dumps(TAIL).encode()),
    "nothing": lambda m: m.metrics.business.signup(None),  # type: ignore[arg-type]
    "numbers and texts": lambda m: signups(m, "a", 7, 7.0, True),
    "a customer without an id": lambda m: m.metrics.business.api_call(None),  # type: ignore[arg-type]
    "a million characters": lambda m: m.metrics.business.feature("x" * 1_000_000),
    "controls": lambda m: m.metrics.business.feature('a\0b\n"c\\%s{}\r\u2028'),
    "a decimal": lambda m: m.metrics.business.payment(Decimal("9.90"), "eur", succeeded=True),  # type: ignore[arg-type]
    "a decimal counter": lambda m: m.metrics.counter(OWN).add(Decimal("0.5"), "a"),  # type: ignore[arg-type]
    "no currency": lambda m: m.metrics.business.payment(1, None, succeeded=False),  # type: ignore[arg-type]
    "no number": lambda m: m.metrics.business.payment(math.nan, "eur", succeeded=True),
    "infinite": lambda m: m.metrics.business.payment(math.inf, "eur", succeeded=True),
    "a driver that does not know": lambda m: m.metrics.database.observe("SELECT 1", 0.1, -1),
    "an address that is none": lambda m: called(m, "http://[::1"),
    "a port that is none": lambda m: called(m, "http://shop.test:1e9/"),
    "a slow statement": lambda m: m.metrics.database.observe(f'SELECT "{HALF}"', 3.0),
}


@pytest.mark.parametrize("name", STRANGE)
def test_no_value_of_an_applications_breaks_what_is_measured(
    name: str, hands: Hands, sqlite: SQLite
) -> None:
    monitor = mounted(hands, sqlite.execute)
    STRANGE[name](monitor)
    monitor.metrics.business.signup("fine")
    hands.turn(20)
    for query in ("window=1h&points=60", "format=json"):
        status, text = ask(monitor, "/api/metrics", query)
        assert (status, json.loads(text)["incomplete"]) == (200, "")
    status, text = ask(monitor, "/api/metrics", "format=prometheus")
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    assert status == 200
    assert {"source": "fine"} in [each.labels for each in samples]
    assert all(len(value) <= 500 for each in samples for value in each.labels.values())
    asyncio.run(monitor.maintain())


def test_an_alert_about_strange_things_is_stored_and_can_be_silenced() -> None:
    failed = alert.payment_failed(HALF, Decimal("9.90"), "eur", f"{HALF}\n\x1b[2J")  # type: ignore[arg-type]
    state = AlertState()
    state.happened(failed, 0)
    state.dump().encode()
    shown = alert.degraded("GET /users/[id]", "HTTP 500")
    quoted = alert.Alert('it\'s "odd"', alert.Severity.INFO, "x", {"of": 'a"b,c=d'})
    for each in (shown, quoted):
        assert Silence(each.key, math.inf, "").matches(each)
    assert not Silence("service-[a-z]*", math.inf, "").matches(shown)


def went(store: MemoryAlertStore, due: Sequence[alert.Alert], now: float) -> Sequence[Notice]:
    async def sleep(_seconds: float) -> None: ...

    async def send(_request: Any) -> Any:
        raise AssertionError("there is no channel")

    notifier = Notifier((), send, sleep=sleep)
    return asyncio.run(evaluation.evaluate(due, store, notifier, now, policy=Policy())).notices


@pytest.mark.parametrize("ahead", [3600.0, 400 * DAY])
def test_a_clock_that_was_ahead_keeps_no_alert_back(ahead: float) -> None:
    """Another watcher's clock, or this one's before it was put right."""
    store, now, down = MemoryAlertStore(), 1_760_000_000.0, alert.service_outage("database", "x")
    went(store, [down], now + ahead)
    went(store, [down], now)
    assert went(store, [down], now + 60), "it fires after a minute, by the right clock"
    for minute in range(2, 8):
        ended = went(store, [], now + 60 * minute)
    assert "resolved" in {each.what.value for each in ended}, ended


@pytest.mark.parametrize("ahead", [3600.0, 20 * 3600.0, 400 * DAY])
def test_a_clock_that_was_ahead_stops_no_history_of_the_status_page(
    sqlite: SQLite, ahead: float
) -> None:
    uptime, noon = Uptime(sqlite.execute), 20_000 * DAY + DAY / 2
    asyncio.run(uptime.record({"worker": "fail"}, noon + ahead, "laptop"))
    for minute in range(11):
        asyncio.run(uptime.record({"worker": "pass"}, noon + 60 * minute, "worker"))
    found = asyncio.run(uptime.read(noon + 600, 90))[20_000]["worker"]
    assert (found.up, found.down, found.status(noon + 600)) == (600, 0, "pass")


def test_a_process_whose_clock_jumps_counts_each_request_once(sqlite: SQLite) -> None:
    jumps = {100: 7200.0, 200: -7200.0, 300: -86400.0, 400: 86400.0}
    wall, timer, answered = [1_760_000_000.0], [0.0], 0
    clock = Clock(wall=lambda: wall[0], timer=lambda: timer[0])
    monitor = mounted(Hands(), sqlite.execute)
    measured = monitor.metrics = monitor.keeper.metrics = Metrics(clock=clock)
    measured.awaited = True
    for second in range(500):
        wall[0] += 1 + jumps.get(second, 0)
        timer[0] += 1
        measured.tick(timer[0])
        measured.requests.observe("/", "GET", 200, 0.1)
        answered += 1
    asyncio.run(monitor.keeper.flush(None, "v1"))
    total = asyncio.run(monitor.keeper.total(None, "v1"))
    (sketch,) = total.sketches["http_request_duration_seconds"].values()
    assert sketch.count == answered


@pytest.mark.parametrize("ahead", [7200.0, 365 * DAY])
def test_a_clock_that_was_put_back_keeps_no_frames_for_ever(ahead: float) -> None:
    """As of a small machine without a battery, which asks for the time once it runs."""
    wall, timer = [1_760_000_000.0 + ahead], [0.0]
    measured = Metrics(clock=Clock(wall=lambda: wall[0], timer=lambda: timer[0]))
    for slot in range(1000):
        measured.requests.observe("/", "GET", 200, 0.1)
        wall[0] += 15 - (ahead if slot == 10 else 0)
        timer[0] += 15
        measured.tick(timer[0])
    hour = 3600 / 15
    assert len(measured.since(0)) <= hour + 1
    assert len(measured.unflushed()) <= hour + 1
    assert len(measured.frames(300)) <= 300 / 15 + 1


def test_amounts_that_nobody_can_add_up_are_kept_as_numbers() -> None:
    sketch = Sketch()
    for value in (1.7e308, 1.7e308, math.inf, 2.0):
        sketch.observe(value)
    both = sketch.copy()
    both.merge(sketch)
    assert json.dumps([sketch.as_json(), both.as_json()], allow_nan=False)
    assert (both.count, both.maximum) == (6, 1.7e308)


@pytest.mark.parametrize(("hours", "kept"), [(1, 1.0), (10, 1.0), (30, 0.3)])
def test_a_database_that_was_away_for_hours_gets_what_waited(
    hands: Hands, sqlite: SQLite, hours: int, kept: float
) -> None:
    away, every = True, hours * 60

    async def execute(sql: str, parameters: Sequence[Any]) -> Any:
        if away:
            raise ConnectionError("away")
        return await sqlite.execute(sql, parameters)

    monitor = mounted(hands, execute)
    for _ in range(60):
        monitor.metrics.tick(hands.now)
        monitor.metrics.requests.observe("/", "GET", 200, 0.1)
        with pytest.raises(ConnectionError):
            asyncio.run(monitor.maintain())
        hands.turn(every)
    away = False
    asyncio.run(monitor.maintain())
    total = asyncio.run(monitor.keeper.total(None, "v1"))
    (sketch,) = total.sketches["http_request_duration_seconds"].values()
    assert sketch.count >= 60 * kept
    lost = total.counts.get("metrics_lost_frames", {}).get((), 0)
    assert sketch.count + lost == 60, "what is lost is counted"
    asyncio.run(monitor.keeper.flush(None, "v1"))
    again = asyncio.run(monitor.keeper.total(None, "v1"))
    assert (
        again.sketches["http_request_duration_seconds"][("/", "GET", "200")].count == sketch.count
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"hold": math.nan}, "hold must be a number"),
        ({"hold": math.inf}, "hold must be a number"),
        ({"thresholds": {"error_rate": 5}}, "a part of 1, such as 0.05 for 5 %"),
        ({"thresholds": {"error_rate": "5%"}}, "a part of 1, such as 0.05 for 5 %"),
        ({"thresholds": {"memory": 90}}, "a part of 1"),
        ({"thresholds": {"error_rate": None}}, "must be a number"),
        ({"thresholds": {"error_rate": [0.05]}}, "must be a number"),
        ({"slo": {"latency": {1: 2, "x": 3}}}, "keys target and threshold"),
        ({"slo": {1: 2, "x": 3}}, "unknown monitor.slo.1"),
        ({"thresholds": {"least": 0}}, "whole number from 1 on"),
        ({"flap_of": 2.5}, "whole number from 1 on"),
        ({"window": "0"}, "between 1m and 90d"),
        ({"window": "1s"}, "between 1m and 90d"),
        ({"window": "365d"}, "between 1m and 90d"),
        ({"window": "9" * 400}, "between 1m and 90d"),
        ({"slo": {"availability": 1}}, "below 1"),
        ({"slo": {"availability": 0}}, "below 1"),
        ({"slo": {"availability": 99.9}}, "below 1"),
        ({"slo": {"availability": "99.9%"}}, "below 1"),
        ({"slo": {"availability": math.nan}}, "below 1"),
    ],
)
def test_a_setting_that_could_never_alert_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        Rules.read(values)
    assert len(str(refused.value)) < 300
