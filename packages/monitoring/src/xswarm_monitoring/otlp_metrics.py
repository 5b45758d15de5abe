"""Write a window as OTLP's metrics, sketches without loss.

A sketch's buckets are those of an exponential histogram of scale 6, so each count arrives
as it is. See the metrics data model, "ExponentialHistogram" and "Temporality".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from xswarm_monitoring import conventions
from xswarm_monitoring.exposition import Gauge
from xswarm_monitoring.instruments import Family
from xswarm_monitoring.otlp import Resource, attributes, nanoseconds
from xswarm_monitoring.sketch import SCALE, SMALLEST, Sketch
from xswarm_monitoring.window import Labels, Window

DELTA, CUMULATIVE = 1, 2
"""Counts since the last time, or since a fixed moment."""


def metrics(
    measured: Window,
    families: Mapping[str, Family],
    resource: Resource,
    temporality: int,
    gauges: Iterable[Gauge] = (),
) -> list[dict[str, Any]]:
    """Return what was measured.

    Args:
        measured: a stretch of time for ``DELTA``, else all since its start.
        families: what the window may hold; what is not among them is left out.
        resource: whose they are.
        temporality: ``DELTA`` or ``CUMULATIVE``.
        gauges: what is not counted but read, at the window's end.
    """
    writer = _Writer(measured, resource, temporality)
    return [
        *(writer.sum(families[n], each) for n, each in measured.counts.items() if n in families),
        *(writer.spread(families[n], e) for n, e in measured.sketches.items() if n in families),
        *map(writer.gauge, gauges),
    ]


def parts(made: Iterable[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    """Yield metrics in parts of so many points: receivers take a request up to some size."""
    part: list[dict[str, Any]] = []
    points = 0
    for metric in made:
        kind = next(key for key in ("sum", "gauge", "exponentialHistogram") if key in metric)
        listed = metric[kind]["dataPoints"]
        for start in range(0, len(listed), most):
            some = listed[start : start + most]
            if part and points + len(some) > most:
                yield part
                part, points = [], 0
            part.append({**metric, kind: {**metric[kind], "dataPoints": some}})
            points += len(some)
    if part:
        yield part


class _Writer:
    def __init__(self, measured: Window, resource: Resource, temporality: int) -> None:
        self._span = {
            "startTimeUnixNano": nanoseconds(measured.start),
            "timeUnixNano": nanoseconds(measured.end),
        }
        self._resource, self._temporality = resource, temporality

    def sum(self, family: Family, counts: Mapping[Labels, float]) -> dict[str, Any]:
        points = [
            {**self._span, "attributes": self._labels(family, labels), "asDouble": float(count)}
            for labels, count in counts.items()
        ]
        data = {"dataPoints": points, "isMonotonic": True}
        return _metric(family, "sum", {**data, "aggregationTemporality": self._temporality})

    def spread(self, family: Family, sketches: Mapping[Labels, Sketch]) -> dict[str, Any]:
        points = [
            {**self._span, "attributes": self._labels(family, labels), **_point(sketch)}
            for labels, sketch in sketches.items()
        ]
        data = {"dataPoints": points, "aggregationTemporality": self._temporality}
        return _metric(family, "exponentialHistogram", data)

    def gauge(self, gauge: Gauge) -> dict[str, Any]:
        time = self._span["timeUnixNano"]
        points = [
            {"timeUnixNano": time, "attributes": attributes(labels), "asDouble": value}
            for labels, value in gauge.values
        ]
        shown = {"name": gauge.name, "description": gauge.words, "unit": "1"}
        return {**shown, "gauge": {"dataPoints": points}}

    def _labels(self, family: Family, labels: Labels) -> list[dict[str, Any]]:
        scheme, database = self._resource.scheme, self._resource.database
        return attributes(conventions.attributes(family, labels, scheme=scheme, database=database))


def _metric(family: Family, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    name, unit = conventions.named(family)
    return {"name": name, "description": family.words, "unit": unit, kind: dict(data)}


def _point(sketch: Sketch) -> dict[str, Any]:
    """Return a sketch as a point; bucket ``i`` here is ``i - 1`` there."""
    buckets = dict(sketch.buckets())
    dense = range(min(buckets, default=0), max(buckets, default=-1) + 1)
    return {
        "count": str(sketch.count),
        "sum": sketch.total,
        "min": sketch.minimum,
        "max": sketch.maximum,
        "scale": SCALE,
        "zeroCount": str(sketch.zeros),
        "zeroThreshold": SMALLEST,
        "positive": {
            "offset": dense.start - 1,
            "bucketCounts": [str(buckets.get(index, 0)) for index in dense],
        },
    }
