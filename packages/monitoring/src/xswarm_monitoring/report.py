"""Return people, as JSON, what a stretch of time was like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from xswarm_monitoring import instruments
from xswarm_monitoring.clock import iso
from xswarm_monitoring.instruments import Family
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.storage import Release
from xswarm_monitoring.window import Labels, SlowQuery, Window, merge

QUANTILES = (0.5, 0.95, 0.99)

_LISTED = 50  # routes, customers and the like; the rest is summed up
_Series = Mapping[Labels, Sketch]


def report(frames: Sequence[Window], window: float, now: float) -> dict[str, Any]:
    """Return the report of a window.

    Args:
        frames: what was measured in it.
        window: seconds it spans.
        now: its end, seconds since 1970.
    """
    whole = merge(frames, now - window, now)
    return {
        "timestamp": iso(now),
        "window_seconds": window,
        "requests": requests(whole, window),
        "database": database(whole),
        "business": business(whole),
        "probes": _traffic(whole.sketches.get(instruments.PROBES.name, {})),
    }


def requests(measured: Window, window: float) -> dict[str, Any]:
    """Report on requests; an error is a status of 500 or above."""
    series = measured.sketches.get(instruments.REQUESTS.name, {})
    return {
        **_traffic(series),
        "per_second": round(_count(series) / window, 4) if window else 0.0,
        "routes": [
            {"route": route, "method": method, **_traffic(each)}
            for (route, method), each in _largest(_grouped(series, 0, 1))
        ],
        "methods": {key[0]: _count(each) for key, each in _largest(_grouped(series, 1))},
        "statuses": {key[0]: _count(each) for key, each in sorted(_grouped(series, 2).items())},
    }


def database(measured: Window) -> dict[str, Any]:
    """Report on queries, and the slow ones, the slowest first."""
    series = measured.sketches.get(instruments.QUERIES.name, {})
    rows = measured.counts.get(instruments.ROWS.name, {})
    return {
        "queries": _count(series),
        "errors": _count(_where(series, 1, lambda outcome: outcome == "error")),
        "duration_ms": durations(combined(series.values())),
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
    greatest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_LISTED]
    listed = [
        dict(zip(family.labels, labels, strict=True)) | {"count": n} for labels, n in greatest
    ]
    return {"total": sum(counts.values()), "listed": listed}


def _traffic(series: _Series) -> dict[str, Any]:
    total = _count(series)
    errors = _count(_where(series, 2, is_error))
    rate = errors / total if total else 0.0
    return {
        "total": total,
        "errors": errors,
        "error_rate": round(rate, 6),
        "success_rate": round(1 - rate, 6) if total else None,
        "client_errors": _count(_where(series, 2, lambda status: status.startswith("4"))),
        "duration_ms": durations(combined(series.values())),
    }


def is_error(status: str) -> bool:
    """Return whether a status is the service's fault."""
    return status.startswith("5")


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


def timeline(
    frames: Sequence[Window], start: float, end: float, points: int
) -> list[dict[str, Any]]:
    """Return a window as points of equal length for a chart; a frame counts where it ended.

    Args:
        frames: what was measured in it.
        start: seconds since 1970.
        end: likewise, later.
        points: how many.
    """
    step = (end - start) / points
    parts: list[list[Window]] = [[] for _ in range(points)]
    for each in frames:
        if start < each.end:
            parts[min(int((each.end - start) / step), points - 1)].append(each)
    return [
        _point(
            merge(part, start + step * number, start + step * (number + 1)),
            start + step * number,
            step,
        )
        for number, part in enumerate(parts)
    ]


def _point(measured: Window, start: float, step: float) -> dict[str, Any]:
    series = measured.sketches.get(instruments.REQUESTS.name, {})
    queries = measured.sketches.get(instruments.QUERIES.name, {})
    return {
        "time": iso(start),
        "requests": _count(series),
        "per_second": round(_count(series) / step, 4),
        "errors": _count(_where(series, 2, is_error)),
        "duration_ms": durations(combined(series.values())),
        "queries": _count(queries),
        "query_duration_ms": durations(combined(queries.values())),
    }


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


def _largest(groups: Mapping[Labels, _Series]) -> list[tuple[Labels, _Series]]:
    return sorted(groups.items(), key=lambda group: (-_count(group[1]), group[0]))[:_LISTED]


def release(first_seen: Release) -> dict[str, Any]:
    """Return a release's marker for a chart."""
    return {"version": first_seen.version, "time": iso(first_seen.time)}
