"""Export to Datadog: counts and quantiles of a stretch of time, by its series API (v2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from xswarm_monitoring.exposition import Gauge
from xswarm_monitoring.http_request import Outgoing, json_request
from xswarm_monitoring.instruments import Family
from xswarm_monitoring.window import Labels, Window

COUNT, GAUGE = 1, 3
"""The types of Datadog's that are used."""

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_MOST = 1000  # series a request: 500,000 bytes are taken


def export(
    measured: Window,
    families: Mapping[str, Family],
    gauges: Iterable[Gauge] = (),
    *,
    url: str,
    key: str,
    tags: Mapping[str, str],
) -> list[Outgoing]:
    """Make the requests that bring a stretch of time to Datadog.

    Args:
        measured: what was measured since the last export, not in all.
        families: what the frame may hold; what is not among them is left out.
        gauges: what is not counted but read, at the stretch's end.
        url: Datadog's base URL, which differs by site: ``https://api.datadoghq.com``.
        key: Datadog's API key, a secret.
        tags: on every series: ``service``, ``env``, …
    """
    common = [f"{name}:{value}" for name, value in tags.items() if value]
    time, interval = round(measured.end), max(round(measured.end - measured.start), 1)
    series = [
        {
            "metric": name,
            "type": kind,
            "interval": interval,
            "points": [{"timestamp": time, "value": value}],
            "tags": [*common, *own],
        }
        for name, kind, value, own in (*_values(measured, families), *_read(gauges))
    ]
    parts = [series[start : start + _MOST] for start in range(0, len(series), _MOST)]
    address, headers = f"{url.rstrip('/')}/api/v2/series", {"DD-API-KEY": key}
    return [json_request(address, {"series": part}, headers) for part in parts]


def validation(url: str, key: str) -> Outgoing:
    """Make the request that asks whether a key is taken."""
    return Outgoing("GET", f"{url.rstrip('/')}/api/v1/validate", {"DD-API-KEY": key}, b"")


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


def _read(gauges: Iterable[Gauge]) -> Iterator[_Value]:
    for gauge in gauges:
        for labels, value in gauge.values:
            yield gauge.name, GAUGE, value, [f"{name}:{each}" for name, each in labels.items()]


def _tags(family: Family, labels: Labels) -> list[Any]:
    return [f"{name}:{value}" for name, value in zip(family.labels, labels, strict=True)]
