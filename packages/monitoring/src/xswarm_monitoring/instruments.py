"""The families of metrics: their names, labels and words, and their bounded label sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any, Generic, TypeVar

from xswarm_monitoring.printable import label
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.window import Labels, Window

OVERFLOW = "(other)"
"""The label of all that came after a family's label sets were full."""


SECONDS = (
    *(2.0**power for power in range(-10, -7)),
    *(2.0 ** (quarter / 4) for quarter in range(-28, 16)),
    *(2.0**power for power in range(4, 7)),
)
"""Boundaries for durations, from a millisecond to a minute, 2 s among them.

Between 8 ms and 16 s there are four to an octave, so that Prometheus' P95 is within 5 %.
"""
AMOUNTS = tuple(2.0**power for power in range(15))


class Kind(Enum):
    """What a family counts."""

    COUNTER = "counter"
    DISTRIBUTION = "distribution"


@dataclass(frozen=True)
class Family:
    """Declare a family of metrics.

    Args:
        name: as in Prometheus, with its unit and without ``_total``.
        kind: whether it adds up or is distributed.
        words: what it means, one sentence without the final stop.
        labels: the names of its labels; those that may grow without end first.
        closed: how many of the last labels have few values by nature, and keep them in
            the overflow set.
        limit: how many label sets there may be before further ones overflow.
        boundaries: of its histogram, ascending; powers of two are counted exactly.
        born: label sets that are exposed before anything was counted under them.
    """

    name: str
    kind: Kind
    words: str
    labels: tuple[str, ...] = ()
    closed: int = 0
    limit: int = 500
    boundaries: tuple[float, ...] = SECONDS
    born: tuple[Labels, ...] = ()


REQUESTS = Family(
    "http_request_duration_seconds",
    Kind.DISTRIBUTION,
    "Time from a request's arrival to the end of its answer",
    ("route", "method", "status"),
    closed=2,
)
QUERIES = Family(
    "database_query_duration_seconds",
    Kind.DISTRIBUTION,
    "Time a database query took",
    ("operation", "outcome"),
)
FLUSH_FAILURES = Family(
    "metrics_flush_failures",
    Kind.COUNTER,
    "Flushes that failed, and were repeated by a later one",
    born=((),),
)
LOST_FRAMES = Family(
    "metrics_lost_frames",
    Kind.COUNTER,
    "Stretches whose measures waited too long for the database, and are lost",
    born=((),),
)
ROWS = Family("database_rows", Kind.COUNTER, "Rows that queries gave or changed", ("operation",))
SLOW_QUERIES = Family(
    "database_slow_queries", Kind.COUNTER, "Queries above the threshold", ("operation",)
)
SIGNUPS = Family("business_signups", Kind.COUNTER, "Users who signed up", ("source",))
ACTIVITIES = Family("business_activities", Kind.COUNTER, "What users did", ("activity",))
SUBSCRIPTIONS = Family(
    "business_subscriptions", Kind.COUNTER, "Subscription events", ("event", "plan")
)
PAYMENTS = Family(
    "business_payment_amount",
    Kind.DISTRIBUTION,
    "Amounts of payments, in the currency's main unit",
    ("currency", "outcome"),
    closed=1,
    boundaries=AMOUNTS,
)
FEATURES = Family("business_features", Kind.COUNTER, "Uses of features", ("feature",))
API_CALLS = Family("business_api_calls", Kind.COUNTER, "API calls by customer", ("customer",))
ABUSE = Family(
    "abuse_events", Kind.COUNTER, "What only the application knows to be abuse", ("kind",)
)
PROBES = Family(
    "probe_request_duration_seconds",
    Kind.DISTRIBUTION,
    "Time to answer a request of a deployment's own, which no other family counts",
    ("route", "method", "status"),
    closed=2,
)
PROBE_QUERIES = Family(
    "probe_query_duration_seconds",
    Kind.DISTRIBUTION,
    "Time a database query took for a request of a deployment's own",
    ("operation", "outcome"),
)
MONITOR_QUERIES = Family(
    "monitor_query_duration_seconds",
    Kind.DISTRIBUTION,
    "Time a database query of the monitor's own took, which no other family counts",
    ("operation", "outcome"),
)
OUTBOUND = Family(
    "outbound_request_duration_seconds",
    Kind.DISTRIBUTION,
    "Time a request to another service took",
    ("host", "method", "status"),
    closed=2,
)
PUSH_FAILURES = Family(
    "monitor_push_failures",
    Kind.COUNTER,
    "Requests by which measures were pushed that failed",
    ("kind",),
)
PUSH_DROPPED = Family(
    "monitor_push_dropped",
    Kind.COUNTER,
    "What was not pushed: a receiver refused it, or it waited too long",
    ("signal",),
)

FAMILIES = (
    REQUESTS,
    QUERIES,
    ROWS,
    SLOW_QUERIES,
    SIGNUPS,
    ACTIVITIES,
    SUBSCRIPTIONS,
    PAYMENTS,
    FEATURES,
    API_CALLS,
    ABUSE,
    PROBES,
    PROBE_QUERIES,
    MONITOR_QUERIES,
    FLUSH_FAILURES,
    LOST_FRAMES,
    OUTBOUND,
    PUSH_FAILURES,
    PUSH_DROPPED,
)

Value = TypeVar("Value", Sketch, float)


class Instrument(Generic[Value]):
    """Hold a family's values since they were last taken, within its bounds."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.overflowed = 0
        self._live: dict[Labels, Value] = {}
        self._known: set[Labels] = set()

    def take(self) -> dict[Labels, Value]:
        """Return the values since the last take, and begin anew."""
        live, self._live = self._live, {}
        return live

    def _admit(self, labels: Labels) -> Labels:
        """Return the label set to count under: this one, as texts, or the overflow set.

        Raises:
            ValueError: there are more or fewer labels than the family declares.
        """
        if labels in self._known:
            return labels
        family, labels = self.family, tuple(map(label, labels))
        if labels in self._known:
            return labels
        if len(labels) != len(family.labels):
            raise ValueError(f"{family.name} has the labels {family.labels}, not {labels!r}")
        if len(self._known) >= family.limit:
            self.overflowed += 1
            # Closed labels are kept, yet bounded too: an app may send any status it likes.
            kept = family.closed if len(self._known) < 2 * family.limit else 0
            open_labels = len(labels) - kept
            labels = (OVERFLOW,) * open_labels + labels[open_labels:]
        self._known.add(labels)
        return labels


class Distribution(Instrument[Sketch]):
    """Sketch the values observed under each label set."""

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        self.quick: dict[Any, Sketch] = {}
        """Sketches by what their user calls them: it is empty again once they are taken."""

    def take(self) -> dict[Labels, Sketch]:
        """Return the values since the last take, and begin anew."""
        self.quick.clear()
        return super().take()

    def observe(self, value: float, *labels: str) -> None:
        """Count a value under its labels, in the family's order."""
        self.at(labels).observe(float(value))  # a Decimal, say, cannot be added to others

    def is_counted_apart(self, labels: Labels) -> bool:
        """Return whether a label set has a sketch of its own at the moment."""
        return labels in self._live

    def at(self, labels: Labels) -> Sketch:
        """Return the sketch of what is observed under a label set, until it is taken."""
        sketch = self._live.get(labels)
        if sketch is None:
            sketch = self._live.setdefault(self._admit(labels), Sketch())
        return sketch


class Counter(Instrument[float]):
    """Add up amounts under each label set."""

    def add(self, amount: float, *labels: str) -> None:
        """Add an amount of zero or more under its labels.

        Raises:
            ValueError: the amount is negative, infinite or not a number.
        """
        if not 0 <= amount < inf:
            raise ValueError(f"{self.family.name} only grows: {amount}")
        amount = amount if isinstance(amount, int) else float(amount)
        live = self._live
        if labels not in live:
            labels = self._admit(labels)
            live.setdefault(labels, 0)
        live[labels] += amount


def by_name(families: tuple[Family, ...]) -> Mapping[str, Family]:
    """Return families by their names.

    Raises:
        ValueError: two have the same name.
    """
    named = {family.name: family for family in families}
    if len(named) != len(families):
        raise ValueError("two families of metrics have the same name")
    return named


def bound(measured: Window, families: Mapping[str, Family]) -> None:
    """Count what is beyond a family's label sets under :data:`OVERFLOW`, first come first kept.

    Every process bounds its own label sets; this bounds those of all of them together.

    Args:
        measured: changed in place.
        families: by their names; a family that is not among them has the usual bounds.
    """
    for name, series in measured.sketches.items():
        for labels, sketch in _beyond(series, families.get(name)):
            series.setdefault(labels, Sketch()).merge(sketch)
    for name, counts in measured.counts.items():
        for labels, count in _beyond(counts, families.get(name)):
            counts[labels] = counts.get(labels, 0) + count


def _beyond(series: dict[Labels, Value], family: Family | None) -> Iterator[tuple[Labels, Value]]:
    """Take the label sets beyond the bounds out of a series; yield where each is counted."""
    limit = family.limit if family else Family.limit
    closed = family.closed if family else 0
    listed = [labels for labels in series if OVERFLOW not in labels]
    overflow = {labels for labels in series if OVERFLOW in labels}
    for labels in listed[limit:]:
        open_labels = len(labels) - (closed if len(overflow) < limit else 0)
        target = (OVERFLOW,) * open_labels + labels[open_labels:]
        overflow.add(target)
        yield target, series.pop(labels)
