from __future__ import annotations

import asyncio
import json
import re
from collections import UserDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.support.monitoring import Hands
from xswarm_monitoring import health
from xswarm_monitoring.health import Check, Probe, Prober

LONG = 60.0  # seconds that no machine is busy for: this limit is not what ends a wait
SHORT = 0.05  # a limit that is waited out, by what never answers


class Component:
    """A dependency that counts how often it is asked."""

    def __init__(self, *answers: Mapping[str, Any] | Exception | None) -> None:
        self.asked = 0
        self.answers = answers or (None,)

    async def run(self) -> Mapping[str, Any] | None:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        await asyncio.sleep(0.01)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def never() -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def turns() -> None:
    """Let everybody go on until he waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what lets the event loop find that more than LONG has passed in one turn."""

    def stalled() -> None:
        loop = asyncio.get_running_loop()
        before = loop.time
        monkeypatch.setattr(loop, "time", lambda: before() + 2 * LONG)

    return stalled


def ask(*probes: Probe, prober: Prober | None = None) -> list[Check]:
    return asyncio.run((prober or Prober()).ask(probes))


def test_a_probe_that_answers_passes_and_its_facts_are_kept() -> None:
    (check,) = ask(Probe("database", Component({"rows": 3}).run, kind="datastore"))
    assert (check.status, check.facts, check.output) == ("pass", {"rows": 3}, "")
    entry = health.checks_as_json([check])["database:responseTime"][0]
    assert entry["componentType"] == "datastore"
    assert entry["rows"] == 3
    assert entry["observedUnit"] == "ms"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])


def test_a_probe_that_raises_has_failed_and_leaks_no_secret() -> None:
    (check,) = ask(Probe("stripe", Component(ValueError("bad key sk_live_abcdefgh1234")).run))
    assert (check.status, check.output) == ("fail", "ValueError: bad key :token")


def test_a_probe_that_raises_before_it_can_be_awaited_has_failed() -> None:
    def run() -> Awaitable[None]:
        raise KeyError("TURSO_DATABASE_URL")

    (check,) = ask(Probe("database", run))
    assert check.status == "fail"
    assert "TURSO_DATABASE_URL" in check.output


def test_a_probe_may_warn_and_say_why() -> None:
    (check,) = ask(Probe("r2", Component({"status": "warn", "output": "90 % full"}).run))
    assert (check.status, check.output) == ("warn", "90 % full")


def test_a_status_that_does_not_exist_is_a_failure() -> None:
    (check,) = ask(Probe("r2", Component({"status": "fine"}).run))
    assert (check.status, check.output) == ("fail", "the probe gave the unknown status 'fine'")


def test_two_of_one_name_are_both_asked_and_as_well_as_the_worse(hands: Hands) -> None:
    """A primary and its replica, say: one of them must not answer for the other."""
    primary = Component()
    replica = Component(ConnectionError("replica"), None)
    prober = Prober(clock=hands.clock)
    probes = [Probe("database", primary.run), Probe("database", replica.run, critical=False)]
    for _ in range(2):
        (check,) = ask(*probes, prober=prober)
        assert (check.status, check.output) == ("fail", "ConnectionError: replica")
    assert (primary.asked, replica.asked) == (1, 1)
    hands.turn(11)
    (check,) = ask(*probes, prober=prober)
    assert (check.status, primary.asked, replica.asked) == ("pass", 2, 2)


def test_readiness_hears_of_its_own_probe_what_another_of_its_name_says() -> None:
    """/health/ready asks the replica alone, right after /health/detailed asked both."""
    primary, replica = Component(ConnectionError("primary")), Component()
    prober, of_readiness = Prober(), Probe("database", replica.run, ready=True)
    (both,) = ask(Probe("database", primary.run), of_readiness, prober=prober)
    (ready,) = ask(of_readiness, prober=prober)
    assert (both.status, ready.status, replica.asked) == ("fail", "pass", 1)


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


async def raises() -> None:
    raise Wordless


def gives(value: object) -> Callable[[], Awaitable[object]]:
    async def run() -> object:
        return value

    return run


class Closed(UserDict[str, str]):
    """A row of a session that is closed."""

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("closed")


@pytest.mark.parametrize("told", [True, [(1,)], [], (1, 2), "PONG", b"", 1, {}, object(), Closed()])
def test_whatever_a_probe_returns_is_an_answer(told: object) -> None:
    """A ping returns rows, True or PONG as often as nothing: it is up, and no report breaks."""
    (check,) = ask(Probe("database", gives(told)))
    assert (check.status, check.output, check.facts) == ("pass", "", {})


def test_a_probe_that_returns_false_has_failed() -> None:
    (check,) = ask(Probe("database", gives(False)))
    assert (check.status, check.output) == ("fail", "the probe gave False")


def test_an_error_without_words_has_failed() -> None:
    (check,) = ask(Probe("database", raises))
    assert (check.status, check.output) == ("fail", "Wordless")


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        (datetime(2026, 11, 30, tzinfo=UTC), "datetime.datetime(2026, 11, 30, 0, 0, tzinfo=UTC)"),
        (Decimal("0.5"), "Decimal('0.5')"),
        (float("nan"), "nan"),
        (b"1", "b'1'"),
        pytest.param(10**5000, "a int whose repr() raised ValueError", id="many digits"),
        ("\ud800", "\ufffd"),
        ("libsql://user:hunter2@db", "libsql://:credentials@db"),
        ({(1, 2): [Decimal(3)]}, {"(1, 2)": ["Decimal('3')"]}),
    ],
)
def test_a_fact_of_any_type_can_be_sent_and_holds_no_secret(fact: object, shown: object) -> None:
    (check,) = ask(Probe("database", gives({"fact": fact, 7: "seven"})))
    sent = json.dumps(health.checks_as_json([check]), allow_nan=False).encode()
    (entry,) = json.loads(sent)["database:responseTime"]
    assert (entry["status"], entry["7"]) == ("pass", "seven")
    assert str(entry["fact"]).replace("datetime.timezone.utc", "UTC") == str(shown)


def test_probes_run_together_each_within_its_own_time_limit() -> None:
    meeting = asyncio.Barrier(12)  # nobody goes on before all were asked

    async def silent() -> None:
        await meeting.wait()
        await never()

    async def quick() -> None:
        await meeting.wait()

    checks = ask(
        *(Probe(f"silent {n}", silent, timeout=0.08) for n in range(10)),
        *(Probe(f"quick {n}", quick, timeout=LONG) for n in range(2)),
    )
    assert [check.status for check in checks] == ["fail"] * 10 + ["pass"] * 2
    assert checks[0].output == "no answer within 80 ms"
    assert all(check.milliseconds < LONG * 1000 for check in checks)


def test_a_probe_that_will_not_be_cancelled_does_not_hold_up_the_report() -> None:
    async def story() -> None:
        reported = asyncio.Event()

        async def stubborn() -> None:
            while not reported.is_set():
                with suppress(asyncio.CancelledError):
                    await reported.wait()

        (check,) = await Prober().ask([Probe("stubborn", stubborn, timeout=SHORT)])
        assert check.status == "fail"
        reported.set()

    asyncio.run(story())


@pytest.mark.parametrize("through", range(4))
def test_an_answer_that_is_there_wins_over_the_time_limit(
    stall: Callable[[], None], through: int
) -> None:
    """Also where it comes through some tasks, of which each takes a turn of the loop."""

    async def answer(through: int) -> None:
        if through:
            await asyncio.ensure_future(answer(through - 1))
        else:
            stall()

    (check,) = ask(Probe("database", lambda: answer(through), timeout=LONG))
    assert check.status == "pass"


def test_a_probe_s_time_begins_when_it_has_begun(stall: Callable[[], None]) -> None:
    component = Component()

    async def busy() -> None:
        await asyncio.sleep(0)  # the probe is scheduled now
        assert component.asked == 0
        stall()

    async def story() -> Check:
        asked = Prober().ask([Probe("database", component.run, timeout=LONG)])
        ((check,), _) = await asyncio.gather(asked, busy())
        return check

    assert asyncio.run(story()).status == "pass"


def test_a_storm_of_reports_asks_each_component_once(hands: Hands) -> None:
    component = Component()
    prober = Prober(clock=hands.clock)

    async def storm() -> list[list[Check]]:
        probe = Probe("anthropic", component.run, timeout=LONG)
        return list(await asyncio.gather(*(prober.ask([probe]) for _ in range(500))))

    reports = asyncio.run(storm())
    assert component.asked == 1
    assert {report[0].status for report in reports} == {"pass"}


def test_a_passed_check_is_remembered_for_a_while_and_a_failed_one_for_less(hands: Hands) -> None:
    component = Component(None, OSError("down"), None)
    prober = Prober(fresh=10, retry=2, clock=hands.clock)
    probe = Probe("database", component.run)
    seen = []
    for turned in (
        0,
        9,
        2,
        1,
        2,
    ):  # asked at 0, remembered at 9, asked at 11, kept at 12, asked at 14
        hands.turn(turned)
        seen.append((ask(probe, prober=prober)[0].status, component.asked))
    assert seen == [("pass", 1), ("pass", 1), ("fail", 2), ("fail", 2), ("pass", 3)]


def test_whoever_waits_for_another_s_probe_goes_on_when_that_one_is_cancelled() -> None:
    prober = Prober()
    asked: list[str] = []

    async def run() -> None:
        asked.append("again" if asked else "first")
        if asked == ["first"]:
            await never()

    probe = Probe("database", run, timeout=LONG)

    async def story() -> str:
        leader = asyncio.ensure_future(prober.ask([probe]))
        await turns()
        follower = asyncio.ensure_future(prober.ask([probe]))
        await turns()
        assert asked == ["first"]
        leader.cancel()
        return (await follower)[0].status

    assert asyncio.run(story()) == "pass"
    assert asked == ["first", "again"]


def test_whoever_waits_for_a_probe_that_never_lands_asks_himself() -> None:
    """A Worker's isolate may drop the request that asks, without a word."""
    prober = Prober()

    async def answers() -> None:
        """Need no time: only how long another one's probe is waited for is meant here."""

    probe = Probe("database", answers, timeout=SHORT)

    async def story() -> str:
        prober._flights["database", False, 0] = asyncio.get_running_loop().create_future()
        return (await prober.ask([probe]))[0].status

    assert asyncio.run(story()) == "pass"


def check(status: str, *, critical: bool) -> Check:
    return Check("x", status, critical, 1.0, 0.0)


@pytest.mark.parametrize(
    ("checks", "verdict", "code"),
    [
        ([], "pass", 200),
        ([check("pass", critical=True)], "pass", 200),
        ([check("fail", critical=False), check("pass", critical=True)], "warn", 200),
        ([check("warn", critical=True)], "warn", 200),
        ([check("fail", critical=True), check("pass", critical=False)], "fail", 503),
    ],
)
def test_only_a_critical_component_takes_the_service_down(
    checks: list[Check], verdict: str, code: int
) -> None:
    assert health.verdict(checks) == verdict
    assert health.http_status(verdict) == code


def test_liveness_proves_itself() -> None:
    alive = health.alive()
    assert alive["alive"] is True
    assert set(alive["tests"]) == {"arithmetic", "hashing", "text"}


def test_who_is_late_only_limps_until_it_was_waited_for(hands: Hands) -> None:
    async def story() -> None:
        answers = asyncio.Event()

        async def late() -> None:
            await answers.wait()

        slow = Probe("provider", late, critical=False, timeout=SHORT, patience=LONG, retry=60)
        hopeless = Probe("silent", never, critical=False, timeout=SHORT, patience=2 * SHORT)
        prober = Prober(clock=hands.clock)
        hasty = await prober.ask([slow, hopeless])
        assert [check.status for check in hasty] == ["warn", "warn"]
        answers.set()
        patient = await prober.ask([slow, hopeless], patient=True)
        assert [check.status for check in patient] == ["pass", "fail"]
        assert (await prober.ask([slow]))[0].status == "pass"  # remembered

    asyncio.run(story())
