"""Measure requests, the database and the business; return any window of the last hour."""

from __future__ import annotations

from _thread import RLock
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

from xswarm_monitoring import bounds, instruments, window
from xswarm_monitoring.abuse import Abuse
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.correlation import current, is_monitor, is_probe
from xswarm_monitoring.instruments import Counter, Distribution, Family, Instrument, Kind, Value
from xswarm_monitoring.outbound import Outbound
from xswarm_monitoring.paths import Paths
from xswarm_monitoring.printable import label, storable
from xswarm_monitoring.redaction import mask_sql, pseudonym
from xswarm_monitoring.tracing import Tracer
from xswarm_monitoring.window import Labels, SlowQuery, Window

SLOW_QUERY = 1.0
"""Seconds above which a query is kept as slow."""

_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)
_STATUSES = {status: str(status) for status in range(100, 600)}
_READING = frozenset(("SELECT", "WITH", "PRAGMA"))
_WRITING = frozenset(("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "ALTER", "DROP"))
_OPERATIONS = _READING | _WRITING | {"BEGIN", "COMMIT", "ROLLBACK"}
_SLOW_QUERIES_A_FRAME = 20
_LONGEST_ROW = 60.0  # seconds
_LONGEST_WAIT = 12 * 3600.0  # seconds for which a frame waits for its storage
_MOST_WAITING = 16 << 20  # characters of such frames: an eighth of an isolate's memory

Given = TypeVar("Given")


@dataclass(frozen=True)
class Closed:
    """Keep a frame that is over, as text: a tenth of the memory, ready to be flushed.

    Args:
        number: counts up from 1 in this process.
        start: when it began, seconds since 1970.
        end: when it ended, likewise.
        text: the frame, see :meth:`xswarm_monitoring.window.Window.dump`.
    """

    number: int
    start: float
    end: float
    text: str


class Metrics:
    """Measure what happens in this process, in slots of some seconds.

    Args:
        own: the app's own families, beside those of xswarm_monitoring.instruments.
        slot: seconds a frame spans.
        retention: seconds for which frames are kept here.
        slow_query: seconds above which a query is kept as slow.
        clock: the clock to read.
    """

    def __init__(
        self,
        *,
        own: tuple[Family, ...] = (),
        slot: float = 15.0,
        retention: float = 3600.0,
        slow_query: float = SLOW_QUERY,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.slot, self.retention = slot, retention
        self.families = instruments.by_name((*instruments.FAMILIES, *own))
        self.lock = RLock()
        """Held by who counts, seals or reads; a request that is answered goes without."""
        self._counters = _instruments(self.families, Kind.COUNTER, Counter, self.lock)
        self._distributions = _instruments(
            self.families, Kind.DISTRIBUTION, Distribution, self.lock
        )
        self.declared: dict[str, set[Labels]] = {}
        self._slow: list[SlowQuery] = []
        self.born = self.clock.wall()
        self._total = Window(self.born, self.born)
        self._closed: deque[Closed] = deque()
        self._unflushed: deque[Closed] = deque()
        self._number = self._offered = 0
        self.awaited = False
        """Whether a storage takes the frames: they wait for it, for hours if they must."""
        self._begin(self.born)
        self.paths = Paths(self.clock.timer)
        self.requests = Requests(self, instruments.REQUESTS)
        self.probes = Requests(self, instruments.PROBES)
        self.database = Database(self, slow_query)
        self.business = Business(self)
        self.abuse = Abuse(self)
        self.outbound = Outbound(self)
        self.tracer: Tracer | None = None
        """Keeps spans, where they are pushed."""

    def counter(self, family: Family) -> Counter:
        """Return the instrument of a family of counters.

        Raises:
            KeyError: no such family was declared.
        """
        return self._counters[family.name]

    def distribution(self, family: Family) -> Distribution:
        """Return the instrument of a family of distributions.

        Raises:
            KeyError: no such family was declared.
        """
        return self._distributions[family.name]

    def declare(self, family: Family, *labels: str) -> None:
        """Expose a label set from zero on, so that Prometheus sees its first increase.

        Raises:
            ValueError: there are more or fewer labels than the family declares.
        """
        if len(labels) != len(family.labels):
            raise ValueError(f"{family.name} has the labels {family.labels}, not {labels!r}")
        self.declared.setdefault(family.name, set()).add(labels)

    def keep_slow(self, query: SlowQuery) -> None:
        """Keep a slow query, of many in one frame the slowest."""
        with self.lock:
            self._slow.append(query)
            if len(self._slow) > _SLOW_QUERIES_A_FRAME:
                self._slow.remove(min(self._slow, key=lambda kept: kept.seconds))

    def _begin(self, earliest: float) -> None:
        """Begin a slot; slots of all processes begin at the same times of day.

        It reaches back to its time of day, for nothing was observed since then.

        Args:
            earliest: the end of what was measured before.
        """
        now = self.clock.wall()
        left = self.slot - now % self.slot
        self._start = min(max(earliest, now + left - self.slot), now)
        self._end, self.over = now + left, self.clock.timer() + left

    def tick(self, now: float) -> None:
        """Close the frame where its slot is over; to be called before something is observed.

        Args:
            now: the clock's timer.
        """
        if now >= self.over:
            self.seal()

    def seal(self) -> None:
        """Close the frame now, so that all measured until now can be flushed."""
        with self.lock:
            self._seal()

    def _seal(self) -> None:
        taken = self._take()
        if taken:
            self._number += 1
            closed = Closed(self._number, taken.start, taken.end, taken.dump())
            self._closed.append(closed)
            self._unflushed.append(closed)
            bounds.add(self._total, taken, self.families)
        self._expire()
        self._begin(taken.end)

    def _take(self) -> Window:
        slow, self._slow = self._slow, []
        now = self.clock.timer()
        return Window(
            start=self._start,
            end=max(min(self.clock.wall(), self._end), self._start),
            sketches=_taken(self._distributions, now),
            counts=_taken(self._counters, now),
            slow=slow,
        )

    def _expire(self) -> None:
        now = self.clock.wall()
        horizon = now - self.retention
        while self._closed and not horizon <= self._closed[0].end <= now + self.retention:
            self._closed.popleft()  # it is old, or was closed before the clock was put back
        self._give_up(now - _LONGEST_WAIT if self.awaited else horizon)

    def _give_up(self, horizon: float) -> None:
        """Let go of what waits for a storage for too long, or is too much, and count it."""
        waiting = sum(map(_size, self._unflushed))
        latest = inf if self.awaited else self.clock.wall() + self.retention
        while self._unflushed and (
            not horizon <= self._unflushed[0].end <= latest or waiting > _MOST_WAITING
        ):
            gone = self._unflushed.popleft()
            waiting -= _size(gone)
            if self.awaited:
                self.counter(instruments.LOST_FRAMES).add(1 + _lost_before(gone))

    def total(self) -> Window:
        """Return all that was measured since this process began, as it is now.

        Some of it may be retired; :func:`xswarm_monitoring.bounds.visible` leaves that out.
        """
        with self.lock:
            self.seal()
            self._total.end = max(self._total.end, self.clock.wall())
            return window.merge((self._total,), self._total.start, self._total.end)

    def frames(self, seconds: float) -> list[Window]:
        """Return the frames that ended within the last seconds, the oldest first."""
        now = self.clock.wall()
        with self.lock:
            self.seal()
            until = now + self.slot  # what is later was closed before the clock was put back
            kept = [closed for closed in self._closed if now - seconds < closed.end <= until]
        return [window.load(closed.text) for closed in kept]

    def since(self, number: int) -> list[Closed]:
        """Return the frames after a number that are still kept, the oldest first."""
        with self.lock:
            self.seal()
            return [closed for closed in self._closed if closed.number > number]

    def unflushed(self) -> list[Closed]:
        """Return what no storage has taken yet, the oldest first, a row for up to a minute.

        What was returned once is returned again as it was, since a storage may have it.
        """
        with self.lock:
            self.seal()
            fresh = [closed for closed in self._unflushed if closed.number > self._offered]
            for _ in fresh:
                self._unflushed.pop()
            self._unflushed += [_joined(group) for group in _groups(fresh)]
            self._offered = self._number
            return list(self._unflushed)

    def flushed(self, number: int) -> None:
        """Note that a storage holds all frames up to a number."""
        with self.lock:
            while self._unflushed and self._unflushed[0].number <= number:
                self._unflushed.popleft()

    def overflowed(self) -> dict[str, int]:
        """Return how many observations each family had no label set for, where any."""
        return _overflowed(self._counters) | _overflowed(self._distributions)


class Requests:
    """Measure requests by route template, method and status.

    Args:
        metrics: keeps the measures.
        family: customers' requests, or the deployment's own.
    """

    def __init__(self, metrics: Metrics, family: Family) -> None:
        self._durations = metrics.distribution(family)
        self._inboxes = self._durations.inboxes

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request.

        Args:
            route: its template, e.g. ``/users/{id}``; never its raw path.
            method: its HTTP method.
            status: its HTTP status; 500 where the app raised, 499 where the client left.
            seconds: how long it took.
        """
        inbox = self._inboxes.get((route, method, status))
        if inbox is None:
            self._observe_first(route, method, status, seconds)
        else:
            inbox.observe(seconds)

    def _observe_first(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count the first of such requests, and each that has no label set of its own."""
        known = method if method in _METHODS else instruments.OVERFLOW
        labels = (route, known, _STATUSES.get(status, instruments.OVERFLOW))
        self._durations.observe(seconds, *labels)
        if known == method and status in _STATUSES:
            self._durations.open_inbox((route, method, status), labels)


class Database:
    """Measure queries: how many, how long, how many rows, and which were slow.

    Those for a deployment's own requests, and the monitor's own, are counted apart, by their
    times alone.
    """

    def __init__(self, metrics: Metrics, slow_query: float) -> None:
        self._metrics, self.slow_query = metrics, slow_query
        self._durations = metrics.distribution(instruments.QUERIES)
        self._probed = metrics.distribution(instruments.PROBE_QUERIES)
        self._own = metrics.distribution(instruments.MONITOR_QUERIES)
        self._rows = metrics.counter(instruments.ROWS)
        self._slow = metrics.counter(instruments.SLOW_QUERIES)

    def observe(self, sql: str, seconds: float, rows: int = 0, *, failed: bool = False) -> None:
        """Count one query.

        Args:
            sql: the statement; kept, with its values masked, only where it was slow.
            seconds: how long it took.
            rows: how many rows it gave or changed; a driver's -1, which does not know, is 0.
            failed: whether the database refused it or did not answer.
        """
        self._metrics.tick(self._metrics.clock.timer())
        operation, outcome = _operation(sql), "error" if failed else "ok"
        if is_monitor():
            self._own.observe(seconds, operation, outcome)
            return
        if is_probe():
            self._probed.observe(seconds, operation, outcome)
            return
        self._durations.observe(seconds, operation, outcome)
        self._rows.add(max(rows, 0), operation)
        if self._metrics.tracer is not None:
            self._metrics.tracer.query(sql, operation, seconds, failed=failed)
        if seconds > self.slow_query:
            self._slow.add(1, operation)
            self._keep(sql, seconds, rows)

    def _keep(self, sql: str, seconds: float, rows: int) -> None:
        request = current()
        self._metrics.keep_slow(
            SlowQuery(
                sql=storable(mask_sql(sql)),
                seconds=seconds,
                rows=rows,
                time=self._metrics.clock.wall(),
                request_id=request.request_id if request else "",
            )
        )

    async def timed(self, sql: str, answer: Awaitable[Given]) -> Given:
        """Await a query's answer and count it; its rows, where the answer has a length."""
        timer = self._metrics.clock.timer
        started = timer()
        try:
            given = await answer
        except BaseException:
            self.observe(sql, timer() - started, failed=True)
            raise
        rows = len(given) if hasattr(given, "__len__") else 0
        self.observe(sql, timer() - started, rows)
        return given


class Business:
    """Count what the business lives on; what a deployment's own request does is none of it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._payments = metrics.distribution(instruments.PAYMENTS)

    def signup(self, source: str = "direct") -> None:
        """Count a user who signed up, by where they came from."""
        self._count(instruments.SIGNUPS, source)

    def activity(self, activity: str) -> None:
        """Count something a user did, e.g. ``login``."""
        self._count(instruments.ACTIVITIES, activity)

    def subscription(self, event: str, plan: str) -> None:
        """Count a subscription's event, e.g. ``created``, ``upgraded``, ``canceled``."""
        self._count(instruments.SUBSCRIPTIONS, event, plan)

    def payment(self, amount: float, currency: str, *, succeeded: bool) -> None:
        """Count a payment.

        Args:
            amount: in the currency's main unit.
            currency: its ISO 4217 code.
            succeeded: whether the money came.
        """
        if is_probe():
            return
        self._metrics.tick(self._metrics.clock.timer())
        outcome = "succeeded" if succeeded else "failed"
        self._payments.observe(amount, label(currency).upper(), outcome)

    def feature(self, feature: str) -> None:
        """Count a use of a feature."""
        self._count(instruments.FEATURES, feature)

    def api_call(self, customer: str) -> None:
        """Count an API call by a customer's id.

        An id that has an address in it, or could be a token, is counted under a hash of it.
        """
        self._count(instruments.API_CALLS, pseudonym(label(customer)))

    def _count(self, family: Family, *labels: str) -> None:
        if is_probe():
            return
        self._metrics.tick(self._metrics.clock.timer())
        self._metrics.counter(family).add(1, *labels)


def _operation(sql: str) -> str:
    """Return a statement's first word in capitals, where it is one of SQL's."""
    words = sql.split(None, 1)
    operation = words[0].upper().rstrip(";") if words else ""
    return operation if operation in _OPERATIONS else instruments.OVERFLOW


def _lost_before(frame: Closed) -> float:
    """Return how many lost frames a frame counts that is lost now itself."""
    return window.load(frame.text).counts.get(instruments.LOST_FRAMES.name, {}).get((), 0)


def _size(frame: Closed) -> int:
    return len(frame.text)


def _groups(frames: Iterable[Closed]) -> list[list[Closed]]:
    """Return frames that follow one another in groups, none of them longer than a minute."""
    groups: list[list[Closed]] = []
    for frame in frames:
        if groups and frame.end - groups[-1][0].start <= _LONGEST_ROW:
            groups[-1].append(frame)
        else:
            groups.append([frame])
    return groups


def _joined(frames: list[Closed]) -> Closed:
    """Return frames that follow one another as one, which has the last one's number."""
    if len(frames) == 1:
        return frames[0]
    start, end = frames[0].start, frames[-1].end
    whole = window.merge((window.load(each.text) for each in frames), start, end)
    return Closed(frames[-1].number, start, end, whole.dump())


Kept = TypeVar("Kept", Counter, Distribution)


def _instruments(
    named: Mapping[str, Family],
    kind: Kind,
    instrument: Callable[[Family, RLock], Kept],
    lock: RLock,
) -> dict[str, Kept]:
    return {name: instrument(each, lock) for name, each in named.items() if each.kind is kind}


def _taken(
    instruments: Mapping[str, Instrument[Value]], now: float
) -> dict[str, dict[Labels, Value]]:
    taken = {name: instrument.take(now) for name, instrument in instruments.items()}
    return {name: values for name, values in taken.items() if values}


def _overflowed(instruments: Mapping[str, Instrument[Any]]) -> dict[str, int]:
    return {name: each.overflowed for name, each in instruments.items() if each.overflowed}
