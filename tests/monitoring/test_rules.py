from __future__ import annotations

import pytest

from tests.support.monitoring import Hands
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
