from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Mapping
from typing import Any

import pytest

from deployment.monitoring import health
from deployment.monitoring.health import Check, Probe, Prober
from tests.monitoring.conftest import Hands


class Component:
    """A dependency that counts how often it is asked."""

    def __init__(self, *answers: Mapping[str, Any] | Exception | None, delay: float = 0.0) -> None:
        self.asked, self.delay = 0, delay
        self.answers = answers or (None,)

    async def run(self) -> Mapping[str, Any] | None:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        await asyncio.sleep(self.delay)
        if isinstance(answer, Exception):
            raise answer
        return answer


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


def test_probes_run_together_each_within_its_own_time_limit() -> None:
    slow = [Probe(f"slow {n}", Component(delay=30).run, timeout=0.08) for n in range(10)]
    quick = Probe("quick", Component(delay=0.01).run, timeout=0.5)
    started = time.monotonic()
    checks = ask(*slow, quick)
    assert time.monotonic() - started < 0.4
    assert [check.status for check in checks] == ["fail"] * 10 + ["pass"]
    assert checks[0].output == "no answer within 80 ms"


def test_a_probe_that_will_not_be_cancelled_does_not_hold_up_the_report() -> None:
    async def stubborn() -> None:
        for _ in range(8):
            try:
                await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                continue

    async def story() -> float:
        started = time.monotonic()
        (check,) = await Prober().ask([Probe("stubborn", stubborn, timeout=0.05)])
        assert check.status == "fail"
        return time.monotonic() - started

    assert asyncio.run(story()) < 0.3


def test_a_storm_of_reports_asks_each_component_once() -> None:
    component = Component(delay=0.02)
    prober = Prober()

    async def storm() -> list[list[Check]]:
        probe = Probe("anthropic", component.run)
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
    component = Component(delay=0.05)
    prober = Prober()
    probe = Probe("database", component.run, timeout=1)

    async def story() -> str:
        leader = asyncio.ensure_future(prober.ask([probe]))
        await asyncio.sleep(0.01)
        follower = asyncio.ensure_future(prober.ask([probe]))
        await asyncio.sleep(0.01)
        leader.cancel()
        return (await follower)[0].status

    assert asyncio.run(story()) == "pass"
    assert component.asked == 2


def test_whoever_waits_for_a_probe_that_never_lands_asks_himself() -> None:
    """A Worker's isolate may drop the request that asks, without a word."""
    component = Component()
    prober = Prober()
    probe = Probe("database", component.run, timeout=0.05)

    async def story() -> str:
        prober._flights["database"] = asyncio.get_running_loop().create_future()
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


def test_who_is_late_only_limps_until_it_was_waited_for() -> None:
    async def late() -> None:
        await asyncio.sleep(0.2)

    slow = Probe("provider", late, critical=False, timeout=0.01, patience=1.0, retry=60)
    hopeless = Probe("silent", late, critical=False, timeout=0.01, patience=0.02)

    async def story() -> None:
        prober = Prober()
        hasty = await prober.ask([slow, hopeless])
        assert [check.status for check in hasty] == ["warn", "warn"]
        patient = await prober.ask([slow, hopeless], patient=True)
        assert [check.status for check in patient] == ["pass", "fail"]
        assert (await prober.ask([slow]))[0].status == "pass"  # remembered

    asyncio.run(story())
