"""When what was measured is written: now and then, by one flush at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from xswarm_monitoring import instruments
from xswarm_monitoring.aggregator import Aggregator
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.metrics import Metrics


def keeper(every: float = 30.0) -> Aggregator:
    """Make one whose clock stands at 0, and who has no database."""
    metrics = Metrics(clock=Clock(wall=lambda: 0.0, timer=lambda: 0.0))
    return Aggregator(metrics, lambda _env: None, every=every)


def test_a_flush_is_due_now_and_then() -> None:
    kept = keeper()
    assert [flushed(kept, now) for now in (0.0, 1.0, 2.0, 3.0)] == [True] * 4
    assert [flushed(kept, now) for now in (4.0, 29.0, 30.0)] == [False, False, True]
    assert [flushed(kept, now) for now in (31.0, 59.0, 60.0)] == [False, False, True]


def test_a_quiet_process_flushes_after_each_request() -> None:
    kept = keeper()
    assert all(flushed(kept, now) for now in (0.0, 20.0, 70.0, 85.0, 150.0, 160.0, 230.0))


def flushed(kept: Aggregator, now: float) -> bool:
    """Return whether a flush was due, once it is over."""
    due = kept.claim(now)
    if due:
        asyncio.run(kept.flush(None, "v"))
    return due


def test_none_begins_while_one_is_under_way() -> None:
    kept = keeper()
    assert kept.claim(30.0)
    assert not kept.claim(61.0)
    asyncio.run(kept.flush(None, "v"))
    assert kept.claim(61.0)


def test_one_that_never_ends_counts_as_ended_after_a_minute() -> None:
    """Its isolate went with it."""
    kept = keeper()
    assert kept.claim(30.0)
    assert [kept.claim(now) for now in (89.0, 90.0)] == [False, True]


def test_failed_flushes_are_counted_and_that_is_kept() -> None:
    kept, down = keeper(), [True]

    async def run(_sql: str, _parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        if down:
            raise OSError("away")
        return []

    kept._connect = lambda _env: run
    for failing in (1, 2):
        with pytest.raises(OSError, match="away"):
            asyncio.run(kept.flush(None, "v"))
        assert failures(kept.metrics) == failing
    down.clear()
    asyncio.run(kept.flush(None, "v"))
    assert failures(kept.metrics) == 2  # it only grows: what alerts is that it grew lately


def failures(measured: Metrics) -> float:
    return sum(measured.total().counts[instruments.FLUSH_FAILURES.name].values())
