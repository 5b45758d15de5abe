"""Export to Prometheus by remote write 1.0 or 2.0, for a service that nobody can scrape.

The series are those that a scrape would find, with ``job`` and ``instance``. See the
"Prometheus Remote-Write Specification" 1.0 and 2.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xswarm_monitoring import wire
from xswarm_monitoring.exposition import Gauge
from xswarm_monitoring.http_request import Outgoing
from xswarm_monitoring.instruments import Family
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.window import Labels, Window

_COUNTER, _GAUGE, _HISTOGRAM = 1, 2, 3  # of 2.0's Metadata.MetricType
_V1 = {"Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"}
_V2 = {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "X-Prometheus-Remote-Write-Version": "2.0.0",
}


@dataclass(frozen=True)
class _Series:
    name: str
    labels: Mapping[str, str]
    value: float
    kind: int
    words: str


def export(
    total: Window,
    families: Mapping[str, Family],
    gauges: Iterable[Gauge] = (),
    *,
    url: str,
    headers: Mapping[str, str],
    labels: Mapping[str, str],
    time: float,
    version: int = 1,
) -> Outgoing:
    """Make the request that brings a total to Prometheus.

    Args:
        total: counts since some fixed moment.
        families: what the frame may hold; what is not among them is left out.
        gauges: what is not counted but read.
        url: where to, as ``https://prometheus.example/api/v1/write``.
        headers: those the receiver asks for; they may hold a secret.
        labels: on every series: ``job`` and ``instance``.
        time: of the samples, seconds since 1970.
        version: of the protocol, 1 or 2.
    """
    series = [*_gauges(gauges), *_counters(total, families), *_histograms(total, families)]
    made = (_request if version == 1 else _request_2)(series, labels, round(time * 1000))
    given = {
        "Content-Encoding": "snappy",
        "User-Agent": "xswarm-monitoring",
        **(_V1 if version == 1 else _V2),
        **headers,
    }
    return Outgoing("POST", url, given, wire.snappy(made))


def _gauges(gauges: Iterable[Gauge]) -> Iterator[_Series]:
    for gauge in gauges:
        for labels, value in gauge.values:
            yield _Series(gauge.name, labels, value, _GAUGE, gauge.words)


def _counters(total: Window, families: Mapping[str, Family]) -> Iterator[_Series]:
    for name, counts in total.counts.items():
        for labels, count in counts.items() if name in families else ():
            named = _named(families[name], labels)
            yield _Series(f"{name}_total", named, count, _COUNTER, families[name].words)


def _histograms(total: Window, families: Mapping[str, Family]) -> Iterator[_Series]:
    for name, sketches in total.sketches.items():
        for labels, sketch in sketches.items() if name in families else ():
            family = families[name]
            for suffix, named, value in _histogram(family, _named(family, labels), sketch):
                yield _Series(f"{name}{suffix}", named, value, _HISTOGRAM, family.words)


def _histogram(
    family: Family, labels: Mapping[str, str], sketch: Sketch
) -> Iterator[tuple[str, Mapping[str, str], float]]:
    counts = sketch.at_most(family.boundaries)
    for boundary, count in zip(family.boundaries, counts, strict=True):
        yield "_bucket", {**labels, "le": repr(boundary)}, count
    yield "_bucket", {**labels, "le": "+Inf"}, sketch.count
    yield "_sum", labels, sketch.total
    yield "_count", labels, sketch.count


def _named(family: Family, labels: Labels) -> dict[str, str]:
    return dict(zip(family.labels, labels, strict=True))


def _sorted(series: _Series, common: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the labels by name, as receivers want them; an empty one is none."""
    named = {**series.labels, **common, "__name__": series.name}
    return sorted((key, value) for key, value in named.items() if value)


def _sample(value: float, time: int) -> bytes:
    return wire.double(1, value) + wire.whole(2, time)


def _request(series: Iterable[_Series], common: Mapping[str, str], time: int) -> bytes:
    """Return ``prometheus.WriteRequest``."""
    parts = []
    for each in series:
        pairs = [
            wire.nested(1, wire.text(1, key) + wire.text(2, value))
            for key, value in _sorted(each, common)
        ]
        sample = wire.nested(2, _sample(each.value, time))
        parts.append(wire.nested(1, b"".join(pairs) + sample))
    return b"".join(parts)


def _request_2(series: Iterable[_Series], common: Mapping[str, str], time: int) -> bytes:
    """Return ``io.prometheus.write.v2.Request``, whose texts stand in one table."""
    symbols = {"": 0}

    def symbol(text: str) -> int:
        return symbols.setdefault(text, len(symbols))

    parts = []
    for each in series:
        references = [symbol(text) for pair in _sorted(each, common) for text in pair]
        metadata = wire.whole(1, each.kind) + wire.whole(3, symbol(each.words))
        parts.append(
            wire.nested(
                5,
                wire.packed(1, references)
                + wire.nested(2, _sample(each.value, time))
                + wire.nested(5, metadata),
            )
        )
    return b"".join([*(wire.text(4, text) for text in symbols), *parts])
