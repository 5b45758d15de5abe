"""When cron triggers fire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from xswarm_twin.edge.cron import parse


def days(expression: str, year: int, month: int) -> list[int]:
    """Return the days of a month on which an expression fires at noon."""
    cron, at, found = parse(expression), datetime(year, month, 1, 12, 0, tzinfo=UTC), []
    while at.month == month:
        found += [at.day] if cron.fires(at) else []
        at += timedelta(days=1)
    return found


@pytest.mark.parametrize(
    ("expression", "fires"),
    [
        ("0 12 * * *", list(range(1, 31))),
        ("0 12 1,15 * *", [1, 15]),
        ("0 12 */10 * *", [1, 11, 21]),
        ("0 12 10-12 NOV *", [10, 11, 12]),
        ("0 12 * DEC *", []),
        ("0 12 * * 1", [1, 8, 15, 22, 29]),  # Sundays
        ("0 12 * * mon-tue", [2, 3, 9, 10, 16, 17, 23, 24, 30]),
        ("0 12 L * *", [30]),
        ("0 12 LW * *", [30]),
        ("0 12 15W * *", [16]),  # the 15th is a Sunday
        ("0 12 1W * *", [2]),
        ("0 12 28W * *", [27]),  # a Saturday
        ("0 12 * * 6L", [27]),
        ("0 12 * * 2#1", [2]),
        ("0 12 3 * 2#2", [3, 9]),  # both fields of days: either
        ("0 12 * * L", [7, 14, 21, 28]),
    ],
)
def test_days(expression: str, fires: list[int]) -> None:
    assert days(expression, 2026, 11) == fires


def test_working_days_stay_within_their_month() -> None:
    assert days("0 12 1W * *", 2026, 8) == [3]  # Saturday the 1st
    assert days("0 12 31W * *", 2026, 5) == [29]  # Sunday the 31st
    assert days("0 12 30W * *", 2026, 2) == [27]  # the last day, a Saturday


def test_minutes_and_hours() -> None:
    start, cron = datetime(2026, 11, 25, tzinfo=UTC), parse("*/20 9-17/4 * * *")
    minutes = (start + timedelta(minutes=n) for n in range(1440))
    found = [f"{at:%H:%M}" for at in minutes if cron.fires(at)]
    assert found == [f"{h:02}:{m:02}" for h in (9, 13, 17) for m in (0, 20, 40)]
    assert all(parse("* * * * *").fires(start + timedelta(minutes=n)) for n in range(0, 1440, 7))


NONE = """
* * * *
* * * * * *
60 * * * *
* 24 * * *
* * 0 * *
* * 32W * *
* * * 13 *
* * * * 0
* * * * 8
*/0 * * * *
5-1 * * * *
x * * * *
* * * * 2#6
L * * * *
1,, * * * *
² * * * *
"""


@pytest.mark.parametrize("expression", [*NONE.splitlines(), ",".join(["1"] * 40) + " * * * *"])
def test_what_is_none_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"is no |has not five fields"):
        parse(expression)
