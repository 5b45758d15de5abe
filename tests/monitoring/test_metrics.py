from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.monitoring import Hands, needs_processes
from xswarm_monitoring import instruments
from xswarm_monitoring.correlation import correlate, reset_current, set_current
from xswarm_monitoring.instruments import Family, Kind
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.report import combined
from xswarm_monitoring.window import load, merge


def metrics(hands: Hands, **options: float) -> Metrics:
    return Metrics(clock=hands.clock, **options)  # type: ignore[arg-type]


def requests_in(measured: Metrics, seconds: float) -> int:
    frames = measured.frames(seconds)
    found = (each.sketches.get(instruments.REQUESTS.name, {}) for each in frames)
    return sum(sketch.count for sketches in found for sketch in sketches.values())


def test_a_window_holds_what_fell_into_it_and_nothing_else(hands: Hands) -> None:
    measured = metrics(hands, slot=15)
    for minute in range(60):
        measured.tick(hands.now)
        for _ in range(minute + 1):
            measured.requests.observe("/", "GET", 200, 0.1)
        hands.turn(60)
    assert requests_in(measured, 60) == 60
    assert requests_in(measured, 300) == 60 + 59 + 58 + 57 + 56
    assert requests_in(measured, 3600) == sum(range(1, 61))


def test_frames_expire_but_the_total_only_grows(hands: Hands) -> None:
    measured = metrics(hands, slot=15, retention=600)
    for _ in range(100):
        measured.tick(hands.now)
        measured.requests.observe("/", "GET", 200, 0.1)
        hands.turn(60)
    assert requests_in(measured, 1e9) == 10
    assert measured.total().sketches[instruments.REQUESTS.name][("/", "GET", "200")].count == 100


def test_what_was_measured_before_a_pause_is_not_taken_for_new(hands: Hands) -> None:
    measured = metrics(hands, slot=15)
    measured.requests.observe("/", "GET", 200, 0.1)
    hands.turn(1800)
    measured.business.feature("voice")
    assert requests_in(measured, 60) == 0
    assert requests_in(measured, 1830) == 1
    assert measured.frames(60)[-1].counts[instruments.FEATURES.name] == {("voice",): 1}


def test_slots_of_all_processes_begin_at_the_same_times_of_day(hands: Hands) -> None:
    hands.now = 1_000_007.0
    measured = metrics(hands, slot=15)
    measured.requests.observe("/", "GET", 200, 0.1)
    hands.now = 1_000_004.9 + 15  # 1,000,005 is a slot's beginning, 1,000,020 the next one's
    measured.tick(hands.now)
    assert len(measured._closed) == 0
    hands.now = 1_000_020.0
    measured.tick(hands.now)
    assert len(measured._closed) == 1


def test_labels_beyond_the_limit_overflow_and_keep_what_is_closed(hands: Hands) -> None:
    measured = metrics(hands)
    for number in range(20_000):
        measured.requests.observe(f"/scan/{number}", "GET", 404, 0.001)
    series = measured.total().sketches[instruments.REQUESTS.name]
    limit = instruments.REQUESTS.limit
    assert len(series) == limit + 1
    assert series["/scan/*", "GET", "404"].count == 20_000 - limit
    assert measured.overflowed() == {instruments.REQUESTS.name: 20_000 - limit}


def test_labels_stay_known_when_a_new_frame_begins(hands: Hands) -> None:
    family = Family("calls", Kind.COUNTER, "Calls", ("who",), limit=2)
    measured = Metrics(own=(family,), clock=hands.clock)
    for who in ("a", "b", "c"):
        measured.counter(family).add(1, who)
    measured.seal()
    for who in ("c", "b", "a"):
        measured.counter(family).add(1, who)
    assert measured.total().counts["calls"] == {("a",): 2, ("b",): 2, (instruments.OVERFLOW,): 2}


def test_an_app_with_strange_statuses_and_methods_cannot_fill_the_memory(hands: Hands) -> None:
    measured = metrics(hands)
    for number in range(5_000):
        measured.requests.observe("/", f"M{number}", number, 0.1)
    assert (
        len(measured.total().sketches[instruments.REQUESTS.name])
        <= 2 * instruments.REQUESTS.limit + 1
    )


def test_labels_must_be_those_declared(hands: Hands) -> None:
    measured = metrics(hands)
    with pytest.raises(ValueError, match="has the labels"):
        measured.counter(instruments.SIGNUPS).add(1, "a", "b")


@pytest.mark.parametrize("amount", [-1, float("nan")])
def test_a_counter_only_grows(hands: Hands, amount: float) -> None:
    with pytest.raises(ValueError, match="only grows"):
        metrics(hands).counter(instruments.SIGNUPS).add(amount, "x")


def test_two_families_of_one_name_are_refused(hands: Hands) -> None:
    with pytest.raises(ValueError, match="same name"):
        Metrics(own=(instruments.SIGNUPS,), clock=hands.clock)


def test_slow_queries_are_kept_masked_with_their_request(hands: Hands) -> None:
    measured = metrics(hands)
    token = set_current(correlate([(b"x-request-id", b"r-1")]))
    measured.database.observe("SELECT * FROM users WHERE email = 'ada@example.com'", 1.5, 7)
    reset_current(token)
    measured.database.observe("SELECT 1", 0.5)
    (slow,) = measured.total().slow
    assert slow.sql == "SELECT * FROM users WHERE email = ?"
    assert (slow.seconds, slow.rows, slow.request_id) == (1.5, 7, "r-1")
    assert measured.total().counts[instruments.SLOW_QUERIES.name] == {("SELECT",): 1}


def test_of_many_slow_queries_in_a_frame_the_slowest_are_kept(hands: Hands) -> None:
    measured = metrics(hands)
    for tenths in range(11, 211):
        measured.database.observe(f"SELECT a{tenths} FROM t", tenths / 10)
    slow = measured.frames(60)[0].slow
    assert len(slow) == 20
    assert min(query.seconds for query in slow) == 19.1


def test_a_query_is_timed_and_its_rows_counted(hands: Hands) -> None:
    measured = metrics(hands)

    async def answer() -> list[int]:
        hands.turn(0.25)
        return [1, 2, 3]

    async def refusal() -> list[int]:
        raise OSError("gone")

    assert asyncio.run(measured.database.timed("select a from b", answer())) == [1, 2, 3]
    with pytest.raises(OSError, match="gone"):
        asyncio.run(measured.database.timed("DELETE FROM b", refusal()))
    total = measured.total()
    series = total.sketches[instruments.QUERIES.name]
    assert series["SELECT", "ok"].maximum == pytest.approx(0.25)
    assert series["DELETE", "error"].count == 1
    assert total.counts[instruments.ROWS.name]["SELECT",] == 3


def test_the_business_is_counted(hands: Hands) -> None:
    measured = metrics(hands)
    measured.business.signup("referral")
    measured.business.activity("login")
    measured.business.subscription("upgraded", "pro")
    measured.business.payment(29.0, "usd", succeeded=True)
    measured.business.payment(29.0, "usd", succeeded=False)
    measured.business.feature("voice")
    for customer in ("ada@example.com", "bob@example.com", "ada@example.com", "customer-7"):
        measured.business.api_call(customer)
    total = measured.total()
    assert total.counts[instruments.SIGNUPS.name] == {("referral",): 1}
    assert total.counts[instruments.SUBSCRIPTIONS.name] == {("upgraded", "pro"): 1}
    calls = total.counts[instruments.API_CALLS.name]
    assert sorted(calls.values()) == [1, 1, 2]  # told apart, and nobody's address is told
    assert calls["customer-7",] == 1
    assert "@" not in str(calls)
    payments = total.sketches[instruments.PAYMENTS.name]
    assert payments["USD", "succeeded"].total == 29.0
    assert payments["USD", "failed"].count == 1


def test_frames_keep_everything_through_text(hands: Hands) -> None:
    measured = metrics(hands)
    measured.requests.observe('/ü\n"', "GET", 200, 0.1)
    measured.business.feature("a")
    measured.database.observe("SELECT 1", 2)
    (frame,) = measured.frames(60)
    again = load(frame.dump())
    assert again.dump() == frame.dump()
    doubled = merge([frame, again], frame.start, frame.end)
    assert doubled.sketches[instruments.REQUESTS.name]['/ü\n"', "GET", "200"].count == 2
    assert doubled.counts[instruments.FEATURES.name] == {("a",): 2}


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"format": 2}', '{"format": 1, "start": 0, "end": 0}']
)
def test_what_is_no_frame_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="frame"):
        load(text)


def test_nothing_measured_makes_no_frame(hands: Hands) -> None:
    measured = metrics(hands)
    for _ in range(10):
        hands.turn(60)
        measured.tick(hands.now)
    assert measured.unflushed() == []


@needs_processes
def test_threads_count_as_exactly_as_one_would() -> None:
    """As the routes of FastAPI without ``async`` do, in a pool of threads, beside the flushes."""
    measured, rounds, each = Metrics(slot=0.01), 4_000, 6
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # each thread is interrupted as often as it can be

    def serve(_number: int) -> None:
        for number in range(rounds):
            measured.database.observe("SELECT 1", 0.001 * (number % 7 + 1), 1)
            measured.business.payment(1.0, "usd", succeeded=True)
            measured.requests.observe(f"/{number % 3}", "GET", 200, 0.001)
            if number % 10 == 0:
                for frame in measured.unflushed():
                    measured.flushed(frame.number)
                measured.total()

    try:
        with ThreadPoolExecutor(each) as pool:
            list(pool.map(serve, range(each)))
    finally:
        sys.setswitchinterval(interval)
    total = measured.total()
    queries = total.sketches[instruments.QUERIES.name]["SELECT", "ok"]
    payments = total.sketches[instruments.PAYMENTS.name]["USD", "succeeded"]
    assert total.counts[instruments.ROWS.name] == {("SELECT",): rounds * each}
    requests = combined(total.sketches[instruments.REQUESTS.name].values())
    for sketch in (queries, payments, requests):
        assert sketch.count == rounds * each
        assert sketch.zeros + sum(count for _, count in sketch.buckets()) == rounds * each
    assert payments.total == rounds * each


@needs_processes
def test_no_request_is_lost_beside_a_thread_that_seals() -> None:
    measured, rounds, each = Metrics(), 20_000, 4
    over = threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def serve(_number: int) -> None:
        for number in range(rounds):
            measured.requests.observe(f"/{number % 3}", "GET", 200, 0.001)

    def seal() -> None:
        while not over.is_set():
            measured.seal()

    sealing = threading.Thread(target=seal)
    sealing.start()
    try:
        with ThreadPoolExecutor(each) as pool:
            list(pool.map(serve, range(each)))
    finally:
        over.set()
        sealing.join()
        sys.setswitchinterval(interval)
    counted = combined(measured.total().sketches[instruments.REQUESTS.name].values())
    assert counted.count == rounds * each


def test_a_thread_that_was_interrupted_for_a_frame_is_counted_in_the_next() -> None:
    measured = Metrics()
    measured.requests.observe("/", "GET", 200, 0.1)
    in_hand = measured.distribution(instruments.REQUESTS).inboxes["/", "GET", 200]
    measured.seal()
    in_hand.observe(0.2)
    assert measured.total().sketches[instruments.REQUESTS.name]["/", "GET", "200"].count == 2


def test_routes_that_come_and_go_leave_no_inbox_behind(hands: Hands) -> None:
    measured = metrics(hands)
    served = measured.distribution(instruments.REQUESTS)
    for number in range(3 * instruments.REQUESTS.limit):
        measured.requests.observe(f"/{number}", "GET", 200, 0.1)
        hands.turn(60)
        measured.tick(hands.now)
    assert len(served.inboxes) <= instruments.REQUESTS.limit
    in_hand = served.inboxes[f"/{number}", "GET", 200]
    hands.turn(2 * instruments.STALE_AFTER)
    for other in range(instruments.REQUESTS.limit + 1):
        measured.requests.observe(f"/new/{other}", "GET", 200, 0.1)
    measured.seal()
    in_hand.observe(0.1)
    known = measured.total().sketches[instruments.REQUESTS.name]
    assert sum(sketch.count for sketch in known.values()) == 4 * instruments.REQUESTS.limit + 2


def test_a_status_that_is_none_takes_no_room(hands: Hands) -> None:
    measured = metrics(hands)
    for status in range(10_000, 20_000):
        measured.requests.observe("/", "GET", status, 0.1)
    assert not measured.distribution(instruments.REQUESTS).inboxes
