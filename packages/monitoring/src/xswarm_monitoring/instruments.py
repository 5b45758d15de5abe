"""The families of metrics: their names, labels and words, and their bounded label sets."""

from __future__ import annotations

from _thread import RLock
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any, Generic, TypeVar

from xswarm_monitoring.groups import Groups
from xswarm_monitoring.inbox import Inbox
from xswarm_monitoring.printable import label
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.window import Labels

NO_ROUTE = "(unmatched)"
"""The route of requests that no route took; see :mod:`xswarm_monitoring.asgi`."""
OVERFLOW = "(other)"
"""The label of what there is no room for, and that has no group either."""

STALE_AFTER = 3600.0
"""Seconds after which a label set that was not seen makes way for another one."""

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
        limit: how many label sets there may be; further ones are counted together.
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

    def beyond(self, labels: Labels, groups: Groups, taken: int) -> Labels:
        """Return under which label set it is counted what there is no room for.

        A quarter more are for those that differ from one there is in closed labels alone.

        Args:
            labels: its own.
            groups: those of the label sets that there are.
            taken: how many of those there are.
        """
        if self.closed and taken < self.limit + self.limit // 4 and groups.has(labels, self.closed):
            return labels  # a first error of a route that is known is this route's
        # Closed labels are kept, yet bounded too: an app may send any status it likes.
        kept = self.closed if taken < 2 * self.limit else 0
        opened = len(labels) - kept
        group = groups.of(labels[0]) if opened == 1 else None
        return (group or OVERFLOW,) * opened + labels[opened:]


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
ALERT_STATE_FAULTS = Family(
    "monitor_alert_state_faults",
    Kind.COUNTER,
    "Rounds whose state of alerts could not be read, or be kept outside of its process",
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
    ALERT_STATE_FAULTS,
    OUTBOUND,
    PUSH_FAILURES,
    PUSH_DROPPED,
)

Value = TypeVar("Value", Sketch, float)


class Instrument(Generic[Value]):
    """Hold a family's values since they were last taken, within its bounds.

    Args:
        family: says what they are.
        lock: held by who counts, and by who takes what was counted: other threads do either.
    """

    def __init__(self, family: Family, lock: RLock | None = None) -> None:
        self.family, self._lock = family, lock or RLock()
        self.overflowed = 0
        self._live: dict[Labels, Value] = {}
        self._known: dict[Labels, float] = {}
        self._taken_at = 0.0
        self._groups: Groups | None = None

    def take(self, now: float) -> dict[Labels, Value]:
        """Return the values since the last take, and begin anew.

        Label sets that were not seen for long make way for others, where those are many.

        Args:
            now: the clock's timer.
        """
        live, self._live = self._live, {}
        self._taken_at, self._groups = now, None
        self._known.update(dict.fromkeys(live, now))
        if len(self._known) >= self.family.limit:
            since = now - STALE_AFTER
            self._known = {each: seen for each, seen in self._known.items() if seen >= since}
        return live

    def _admit(self, labels: Labels) -> Labels:
        """Return the label set to count under: this one, as texts, or one of many.

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
            if self._groups is None:
                self._groups = Groups(self._known)
            labels = family.beyond(labels, self._groups, len(self._known))
        self._known[labels] = self._taken_at
        return labels


class Distribution(Instrument[Sketch]):
    """Sketch the values observed under each label set."""

    def __init__(self, family: Family, lock: RLock | None = None) -> None:
        super().__init__(family, lock)
        self.inboxes: dict[Any, Inbox] = {}
        """Take observations without the lock, by what their user calls them."""
        self._leaving: list[Inbox] = []

    def take(self, now: float) -> dict[Labels, Sketch]:
        """Return the values since the last take, and begin anew."""
        for inbox in (*self._leaving, *self.inboxes.values()):
            if inbox.values:
                self._count(inbox)
        taken = super().take(now)
        self._let_go()
        return taken

    def _let_go(self) -> None:
        """Let go of inboxes whose label sets made way for others.

        A thread may have one in its hand, so the next take looks into each of them once more.
        """
        gone = [key for key, inbox in self.inboxes.items() if inbox.labels not in self._known]
        self._leaving = [self.inboxes.pop(key) for key in gone]

    def open_inbox(self, key: Any, labels: Labels) -> None:
        """Let observations of a label set be taken by an inbox, where they are counted apart.

        Args:
            key: what its user calls it.
            labels: the label set, of which something was observed.
        """
        with self._lock:
            if labels in self._known:
                self.inboxes.setdefault(key, Inbox(labels, self._count))

    def _count(self, inbox: Inbox) -> None:
        with self._lock:
            values = inbox.empty()
            if values:
                self.at(inbox.labels).observe_all(values)

    def observe(self, value: float, *labels: str) -> None:
        """Count a value under its labels, in the family's order."""
        with self._lock:
            self.at(labels).observe(float(value))  # a Decimal, say, cannot be added to others

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
        with self._lock:
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
