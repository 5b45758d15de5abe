"""Return people, as JSON, what a stretch of time was like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from xswarm_monitoring import abuse, instruments
from xswarm_monitoring.clock import iso
from xswarm_monitoring.instruments import Family
from xswarm_monitoring.selection import summary
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.storage import Release
from xswarm_monitoring.window import Labels, SlowQuery, Window, merge

QUANTILES = (0.5, 0.95, 0.99)

LISTED = 50
"""Routes, customers and the like that are listed; the rest is summed up."""
_Series = Mapping[Labels, Sketch]


def report(
    frames: Sequence[Window], window: float, now: float, listed: int = LISTED
) -> dict[str, Any]:
    """Return the report of a window.

    Args:
        frames: what was measured in it.
        window: seconds it really spans: rows begin at full minutes, hours or days.
        now: its end, seconds since 1970.
        listed: how many routes are listed, the busiest first.
    """
    whole = merge(frames, now - window, now)
    brief = merge((each.summary or summary(each) for each in frames), now - window, now)
    return {
        "timestamp": iso(now),
        "from": iso(now - window),
        "to": iso(now),
        "window_seconds": round(window, 3),
        "requests": requests(whole, window, listed, brief),
        "database": database(whole, brief),
        "business": business(whole),
        "abuse": abuse.counted(whole),
        "probes": traffic(whole.sketches.get(instruments.PROBES.name, {})),
    }


def requests(
    measured: Window, window: float, listed: int = LISTED, brief: Window | None = None
) -> dict[str, Any]:
    """Report on requests; an error is a status of 500 or above.

    Args:
        measured: all of it.
        window: seconds it really spans.
        listed: how many routes are listed.
        brief: its summary, where there is one: then only the buckets of listed routes are read.
    """
    series = measured.sketches.get(instruments.REQUESTS.name, {})
    return {
        **traffic((brief or measured).sketches.get(instruments.REQUESTS.name, {})),
        "per_second": round(_count(series) / window, 6) if window else 0.0,
        "routes": [
            {"route": route, "method": method, **traffic(each)}
            for (route, method), each in _largest(_grouped(series, 0, 1), listed)
        ],
        "distinct_routes": len(_grouped(series, 0, 1)),
        "methods": {key[0]: _count(each) for key, each in _largest(_grouped(series, 1))},
        "statuses": {key[0]: _count(each) for key, each in sorted(_grouped(series, 2).items())},
    }


def database(measured: Window, brief: Window) -> dict[str, Any]:
    """Report on queries, and the slow ones, the slowest first."""
    durations_of_all = combined(brief.sketches.get(instruments.QUERIES.name, {}).values())
    series = measured.sketches.get(instruments.QUERIES.name, {})
    rows = measured.counts.get(instruments.ROWS.name, {})
    return {
        "queries": _count(series),
        "errors": _count(_where(series, 1, lambda outcome: outcome == "error")),
        "duration_ms": durations(durations_of_all),
        "rows": sum(rows.values()),
        "operations": [
            {
                "operation": key[0],
                "queries": _count(each),
                "rows": rows.get(key, 0),
                "duration_ms": durations(combined(each.values())),
            }
            for key, each in _largest(_grouped(series, 0))
        ],
        "slow": sum(measured.counts.get(instruments.SLOW_QUERIES.name, {}).values()),
        "slow_queries": _slowest(measured.slow),
    }


def _slowest(slow: Iterable[SlowQuery]) -> list[dict[str, Any]]:
    ordered = sorted(slow, key=lambda query: query.seconds, reverse=True)
    return [asdict(query) | {"time": iso(query.time)} for query in ordered]


def business(measured: Window) -> dict[str, Any]:
    """Report on the business."""
    payments = measured.sketches.get(instruments.PAYMENTS.name, {})
    return {
        "signups": _counted(measured, instruments.SIGNUPS),
        "activities": _counted(measured, instruments.ACTIVITIES),
        "subscriptions": _counted(measured, instruments.SUBSCRIPTIONS),
        "payments": [
            {
                "currency": currency,
                "outcome": outcome,
                "count": sketch.count,
                "amount": round(sketch.total, 2),
            }
            for (currency, outcome), sketch in sorted(payments.items())
        ],
        "features": _counted(measured, instruments.FEATURES),
        "api_calls": _counted(measured, instruments.API_CALLS),
    }


def _counted(measured: Window, family: Family) -> dict[str, Any]:
    """Return a family's sum and its greatest label sets; what is not listed is still summed."""
    counts = measured.counts.get(family.name, {})
    greatest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:LISTED]
    listed = [
        dict(zip(family.labels, labels, strict=True)) | {"count": n} for labels, n in greatest
    ]
    return {"total": sum(counts.values()), "listed": listed}


def traffic(series: _Series) -> dict[str, Any]:
    """Return the totals, errors and durations of a series of requests."""
    total = _count(series)
    errors = _count(_where(series, 2, is_error))
    rate = errors / total if total else 0.0
    return {
        "total": total,
        "errors": errors,
        "error_rate": round(rate, 6),
        "success_rate": round(1 - rate, 6) if total else None,
        "client_errors": _count(_where(series, 2, _is_client_error)),
        "duration_ms": durations(combined(series.values())),
    }


def is_error(status: str) -> bool:
    """Return whether a status is the service's fault."""
    return status.startswith("5")


def _is_client_error(status: str) -> bool:
    return status.startswith("4")


def durations(sketch: Sketch) -> dict[str, float]:
    """Return a sketch of seconds in milliseconds: mean, extremes and quantiles."""
    p50, p95, p99 = sketch.quantiles(QUANTILES)
    given = {
        "avg": sketch.mean,
        "min": sketch.minimum,
        "max": sketch.maximum,
        "p50": p50,
        "p95": p95,
        "p99": p99,
    }
    return {name: round(seconds * 1000, 3) for name, seconds in given.items()}


def combined(sketches: Iterable[Sketch]) -> Sketch:
    """Merge sketches into a new one."""
    whole = Sketch()
    for sketch in sketches:
        whole.merge(sketch)
    return whole


@dataclass
class _Point:
    """Gather what was measured in one point of a chart.

    Args:
        seen: whether anything at all was measured in it.
        requests: how many there were; a fraction where a longer stretch is spread.
        errors: how many of those failed.
        client_errors: how many of those were the client's fault.
        times: how long they took.
        query_times: how long queries took.
    """

    seen: bool = False
    requests: float = 0.0
    errors: float = 0.0
    client_errors: float = 0.0
    times: Sketch = field(default_factory=Sketch)
    query_times: Sketch = field(default_factory=Sketch)

    def add(self, other: _Point, part: float) -> None:
        """Add a part of another point."""
        self.seen = True
        self.requests += other.requests * part
        self.errors += other.errors * part
        self.client_errors += other.client_errors * part
        self.times.merge(other.times, part)
        self.query_times.merge(other.query_times, part)

    def as_json(self, start: float, step: float) -> dict[str, Any]:
        """Return the point as JSON; what is unknown is null, and no zero."""
        if not self.seen:
            return {"time": iso(start), **_GAP}
        return {
            "time": iso(start),
            "requests": _rounded(self.requests),
            "per_second": round(self.requests / step, 6),
            "errors": _rounded(self.errors),
            "client_errors": _rounded(self.client_errors),
            "duration_ms": _times(self.times),
            "queries": _rounded(self.query_times.count),
            "query_duration_ms": _times(self.query_times),
        }


_NO_TIMES = dict.fromkeys(("avg", "min", "max", "p50", "p95", "p99"))
_GAP = {
    "requests": None,
    "per_second": None,
    "errors": None,
    "client_errors": None,
    "duration_ms": _NO_TIMES,
    "queries": None,
    "query_duration_ms": _NO_TIMES,
}


def timeline(
    frames: Sequence[Window], start: float, end: float, points: int
) -> list[dict[str, Any]]:
    """Return a window as points of equal length for a chart.

    What a frame holds is spread evenly over the time that it spans. A point in which nothing
    was measured is a gap: its figures are null.

    Args:
        frames: what was measured in it.
        start: seconds since 1970.
        end: likewise, later.
        points: how many.
    """
    step = (end - start) / points
    found = [_Point() for _ in range(points)]
    for each in frames:
        measured = _summed(each)
        for number, part in _parts(each, start, end, step):
            found[number].add(measured, part)
    return [point.as_json(start + step * n, step) for n, point in enumerate(found)]


def _summed(frame: Window) -> _Point:
    series = frame.sketches.get(instruments.REQUESTS.name, {})
    queries = frame.sketches.get(instruments.QUERIES.name, {})
    errors = _count(_where(series, 2, is_error))
    theirs = _count(_where(series, 2, _is_client_error))
    times, query_times = combined(series.values()), combined(queries.values())
    return _Point(True, _count(series), errors, theirs, times, query_times)


def _parts(frame: Window, start: float, end: float, step: float) -> Iterator[tuple[int, float]]:
    """Yield the points that a frame falls into, and which part of it each has."""
    if not start <= frame.end or not frame.start <= end:
        return
    last = round((end - start) / step) - 1
    stop = max(min(frame.end, end), frame.start)  # what has not been yet holds nothing
    span = stop - frame.start
    first = int((frame.start - start) // step)
    if span <= 0:
        yield from [(min(first, last), 1.0)] if first >= 0 else []
        return
    for number in range(max(first, 0), min(int((stop - start) // step), last) + 1):
        begins = max(frame.start, start + step * number)
        ends = stop if number == last else min(stop, start + step * (number + 1))
        if ends > begins:
            yield number, (ends - begins) / span


def _times(sketch: Sketch) -> Mapping[str, float | None]:
    return durations(sketch) if sketch.count else _NO_TIMES


def _rounded(number: float) -> float:
    """Return a count, whole where it is whole but for the sum of its parts."""
    return round(number) if abs(number - round(number)) < 1e-6 else round(number, 3)


def _count(series: _Series) -> int:
    return sum(sketch.count for sketch in series.values())


def _where(series: _Series, label: int, holds: Callable[[str], bool]) -> _Series:
    return {labels: sketch for labels, sketch in series.items() if holds(labels[label])}


def _grouped(series: _Series, *kept: int) -> dict[Labels, _Series]:
    """Group a series by some of its labels."""
    groups: dict[Labels, dict[Labels, Sketch]] = {}
    for labels, sketch in series.items():
        groups.setdefault(tuple(labels[label] for label in kept), {})[labels] = sketch
    return dict(groups)


def _largest(
    groups: Mapping[Labels, _Series], listed: int = LISTED
) -> list[tuple[Labels, _Series]]:
    return sorted(groups.items(), key=lambda group: (-_count(group[1]), group[0]))[:listed]


def release(first_seen: Release) -> dict[str, Any]:
    """Return a release's marker for a chart."""
    return {"version": first_seen.version, "time": iso(first_seen.time)}
