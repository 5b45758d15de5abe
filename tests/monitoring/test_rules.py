from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.monitoring import IN_A_WORKER, Hands
from xswarm_monitoring import abuse, system
from xswarm_monitoring.correlation import Correlation, reset_current, set_current
from xswarm_monitoring.health import Check
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.rules import Thresholds, judge
from xswarm_monitoring.window import Window


def served(hands: Hands, *, good: int, bad: int, seconds: float = 0.1) -> Window:
    measured = Metrics(clock=hands.clock)
    for number in range(good + bad):
        measured.requests.observe("/", "GET", 500 if number < bad else 200, seconds)
    return measured.total()


def names(measured: Window, **options: object) -> list[str]:
    return [each.name for each in judge(measured, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("good", "bad", "due"),
    [(95, 5, []), (94, 6, ["high-error-rate"]), (0, 19, []), (0, 20, ["high-error-rate"])],
)
def test_more_than_five_percent_of_errors_are_too_many(
    hands: Hands, good: int, bad: int, due: list[str]
) -> None:
    assert names(served(hands, good=good, bad=bad)) == due


@pytest.mark.parametrize(("seconds", "due"), [(1.97, []), (2.05, ["slow-responses"])])
def test_two_seconds_are_too_slow(hands: Hands, seconds: float, due: list[str]) -> None:
    assert names(served(hands, good=100, bad=0, seconds=seconds)) == due


def test_the_database_is_judged_by_speed_and_refusals(hands: Hands) -> None:
    measured = Metrics(clock=hands.clock)
    for number in range(40):
        measured.database.observe("SELECT 1", 5.5, failed=number < 4)
    assert names(measured.total()) == ["database-error", "slow-queries"]


def test_payments_that_fail_in_number_are_an_alert(hands: Hands) -> None:
    measured = Metrics(clock=hands.clock)
    for number in range(20):
        measured.business.payment(9, "usd", succeeded=number >= 5)
    assert names(measured.total()) == ["payments-failing"]


def abused(hands: Hands, **numbers: int) -> Window:
    """Return a window with so many of each sign of abuse, and some ordinary requests."""
    measured = Metrics(clock=hands.clock)
    for _ in range(300):
        measured.requests.observe("/", "GET", 200, 0.1)
        measured.requests.observe("/gone/{id}", "GET", 404, 0.1)
    kinds: dict[str, Callable[[], None]] = {
        "failed_logins": measured.abuse.failed_login,
        "forged_tokens": measured.abuse.forged_token,
        "forged_webhooks": measured.abuse.forged_webhook,
        "rate_limited": lambda: measured.requests.observe("/api", "GET", 429, 0.1),
        "scans": lambda: measured.requests.observe("(unmatched)", "GET", 404, 0.1),
    }
    for name, number in numbers.items():
        for _ in range(number):
            kinds[name]()
    return measured.total()


@pytest.mark.parametrize(
    ("sign", "threshold", "due"),
    [
        ("failed_logins", 20, "failed-logins"),
        ("forged_tokens", 30, "forged-tokens"),
        ("forged_webhooks", 10, "forged-webhooks"),
        ("rate_limited", 20, "callers-limited"),
        ("scans", 100, "scanner"),
    ],
)
def test_abuse_is_told_from_its_threshold_on(
    hands: Hands, sign: str, threshold: int, due: str
) -> None:
    assert names(abused(hands, **{sign: threshold - 1})) == []
    window = abused(hands, **{sign: threshold})
    assert names(window) == [due]
    assert abuse.counted(window)[sign] == threshold
    for limit, told in ((threshold + 1, []), (0, []), (1, [due])):
        assert names(window, thresholds=Thresholds(**{sign: limit})) == told


def test_what_a_deployments_own_request_does_is_no_abuse(hands: Hands) -> None:
    measured = Metrics(clock=hands.clock)
    own = Correlation("r", None)
    own.probe = "exempt"
    token = set_current(own)
    try:
        measured.abuse.failed_login()
        measured.abuse.forged_webhook()
    finally:
        reset_current(token)
    assert not measured.total()


def test_failed_components_are_alerts_by_what_they_mean() -> None:
    checks = [
        Check("database", "fail", True, 1.0, 0.0, "no answer"),
        Check("stripe", "fail", False, 1.0, 0.0, "HTTP 500"),
        Check("r2", "warn", True, 1.0, 0.0),
    ]
    due = judge(Window(0, 0), checks)
    assert [(each.key, each.severity.name) for each in due] == [
        ("service-outage{component=database}", "CRITICAL"),
        ("service-degraded{component=stripe}", "WARNING"),
    ]


def test_memory_is_judged_where_it_is_told() -> None:
    limits = Thresholds(memory_limit=100 << 20)
    assert names(Window(0, 0), thresholds=limits, memory=91 << 20) == ["high-memory"]
    assert names(Window(0, 0), thresholds=limits, memory=89 << 20) == []
    assert names(Window(0, 0), thresholds=limits, memory=None) == []
    assert names(Window(0, 0), memory=1 << 40) == []  # of how much is not known


def test_a_process_may_have_what_its_container_gives_it() -> None:
    """A usual server holds more than an isolate of 128 MiB, and is well."""
    assert names(Window(0, 0), memory=400 << 20, memory_limit=4 << 30) == []
    assert names(Window(0, 0), memory=480 << 20, memory_limit=512 << 20) == ["high-memory"]
    mine = Thresholds(memory_limit=1 << 30)
    assert names(Window(0, 0), thresholds=mine, memory=480 << 20, memory_limit=512 << 20) == []


@pytest.mark.skipif(IN_A_WORKER, reason="its runtime does not tell")
def test_this_process_may_have_no_more_than_its_machine() -> None:
    limit, used = system.memory_limit(), system.resident_memory()
    if sys.platform == "linux":
        assert used
        assert limit
        assert used < limit <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("group", "limit"), [("536870912\n", 512 << 20), ("max\n", 8 << 30), (None, 8 << 30)]
)
def test_a_container_s_limit_goes_before_the_machine_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, group: str | None, limit: int
) -> None:
    if group is not None:
        (tmp_path / "memory.max").write_text(group)
    (tmp_path / "meminfo").write_text(f"MemTotal:       {8 << 20} kB\nMemFree: 1 kB\n")
    monkeypatch.setattr(system, "_CGROUPS", (tmp_path / "memory.max",))
    monkeypatch.setattr(system, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(sys, "platform", "linux")
    assert system.memory_limit() == limit
