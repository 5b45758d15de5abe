"""What those who count for the application need of what keeps the counts."""

from __future__ import annotations

from typing import Protocol

from xswarm_monitoring.clock import Clock
from xswarm_monitoring.instruments import Counter, Distribution, Family
from xswarm_monitoring.tracing import Tracer


class Measures(Protocol):
    """Keep counts and distributions; see :class:`xswarm_monitoring.metrics.Metrics`."""

    clock: Clock
    tracer: Tracer | None

    def counter(self, family: Family) -> Counter:
        """Return the instrument of a family of counters."""
        ...

    def distribution(self, family: Family) -> Distribution:
        """Return the instrument of a family of distributions."""
        ...

    def tick(self, now: float) -> None:
        """Close the frame where its slot is over."""
        ...
