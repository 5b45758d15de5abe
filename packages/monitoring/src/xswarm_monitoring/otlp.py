"""Export to OpenTelemetry: OTLP over HTTP with JSON, sketches without loss.

A sketch's buckets are those of an exponential histogram of scale 6, so each count arrives
as it is. See the OTLP specification 1.x, "JSON Protobuf Encoding", and the metrics data
model, "ExponentialHistogram".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xswarm_monitoring.http_request import Outgoing, json_request
from xswarm_monitoring.instruments import Family
from xswarm_monitoring.sketch import SCALE, SMALLEST, Sketch
from xswarm_monitoring.window import Labels, Window

_CUMULATIVE = 2


def export(
    total: Window,
    families: Mapping[str, Family],
    *,
    url: str,
    headers: Mapping[str, str],
    service: str,
    version: str,
) -> Outgoing:
    """Make the request that brings a total to a collector.

    Args:
        total: counts since some fixed moment, its start.
        families: what the frame may hold; what is not among them is left out.
        url: the collector's, as ``https://collector.example/v1/metrics``.
        headers: those the collector asks for; they may hold a secret.
        service: the service's name.
        version: its version.
    """
    span = {"startTimeUnixNano": _nanoseconds(total.start), "timeUnixNano": _nanoseconds(total.end)}
    metrics = [
        *(_sum(families[n], each, span) for n, each in total.counts.items() if n in families),
        *(_spread(families[n], each, span) for n, each in total.sketches.items() if n in families),
    ]
    resource = _attributes({"service.name": service, "service.version": version})
    scope = {"scope": {"name": "xswarm_monitoring"}, "metrics": metrics}
    body = {"resourceMetrics": [{"resource": {"attributes": resource}, "scopeMetrics": [scope]}]}
    return json_request(url, body, headers)


def _sum(family: Family, counts: Mapping[Labels, float], span: Mapping[str, str]) -> dict[str, Any]:
    points = [
        {**span, "attributes": _labels(family, labels), "asDouble": float(count)}
        for labels, count in counts.items()
    ]
    data = {"dataPoints": points, "aggregationTemporality": _CUMULATIVE, "isMonotonic": True}
    return {"name": family.name, "description": family.words, "sum": data}


def _spread(
    family: Family, sketches: Mapping[Labels, Sketch], span: Mapping[str, str]
) -> dict[str, Any]:
    points = [
        {**span, "attributes": _labels(family, labels), **_point(sketch)}
        for labels, sketch in sketches.items()
    ]
    data = {"dataPoints": points, "aggregationTemporality": _CUMULATIVE}
    return {"name": family.name, "description": family.words, "exponentialHistogram": data}


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


def _labels(family: Family, labels: Labels) -> list[dict[str, Any]]:
    return _attributes(dict(zip(family.labels, labels, strict=True)))


def _attributes(named: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in named.items()]


def _nanoseconds(seconds: float) -> str:
    return str(round(seconds * 1e9))
