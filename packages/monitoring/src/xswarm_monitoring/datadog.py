"""Export to Datadog: counts and quantiles of a stretch of time, by its series API (v2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xswarm_monitoring.http_request import Outgoing, json_request
from xswarm_monitoring.instruments import Family
from xswarm_monitoring.window import Labels, Window

COUNT, GAUGE = 1, 3
"""The types of Datadog's that are used."""

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def export(
    measured: Window,
    families: Mapping[str, Family],
    *,
    key: str,
    service: str,
    version: str,
    base: str = "https://api.datadoghq.com",
) -> Outgoing:
    """Make the request that brings a stretch of time to Datadog.

    Args:
        measured: what was measured since the last export, not in all.
        families: what the frame may hold; what is not among them is left out.
        key: Datadog's API key, a secret.
        service: the service's name.
        version: its version.
        base: Datadog's base URL, which differs by site.
    """
    common = [f"service:{service}", f"version:{version}"]
    time, interval = round(measured.end), max(round(measured.end - measured.start), 1)
    series = [
        {
            "metric": name,
            "type": kind,
            "interval": interval,
            "points": [{"timestamp": time, "value": value}],
            "tags": [*common, *tags],
        }
        for name, kind, value, tags in _values(measured, families)
    ]
    return json_request(f"{base}/api/v2/series", {"series": series}, {"DD-API-KEY": key})


_Value = tuple[str, int, float, list[str]]


def _values(measured: Window, families: Mapping[str, Family]) -> Iterator[_Value]:
    for name, counts in measured.counts.items():
        for labels, count in counts.items() if name in families else ():
            yield name, COUNT, float(count), _tags(families[name], labels)
    for name, sketches in measured.sketches.items():
        for labels, sketch in sketches.items() if name in families else ():
            tags = _tags(families[name], labels)
            yield f"{name}.count", COUNT, float(sketch.count), tags
            yield f"{name}.sum", COUNT, sketch.total, tags
            yield f"{name}.max", GAUGE, sketch.maximum, tags
            for suffix, part in _QUANTILES.items():
                yield f"{name}.{suffix}", GAUGE, sketch.quantile(part), tags


def _tags(family: Family, labels: Labels) -> list[Any]:
    return [f"{name}:{value}" for name, value in zip(family.labels, labels, strict=True)]
