"""Export to Prometheus by remote write 1.0, for a service that nobody can scrape.

The message is protobuf in snappy's block format. Both are written by hand, since neither
library runs in every Worker: the message has five fields, and snappy allows all of it to
be literals.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from xswarm_monitoring.http_request import Outgoing
from xswarm_monitoring.instruments import Family
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.window import Labels, Window

_LITERAL = 65_536  # bytes; snappy's block size, and a literal of two length bytes
_Series = tuple[str, Mapping[str, str], float]


def export(
    total: Window, families: Mapping[str, Family], *, url: str, headers: Mapping[str, str]
) -> Outgoing:
    """Make the request that brings a total to Prometheus.

    Args:
        total: counts since some fixed moment.
        families: what the frame may hold; what is not among them is left out.
        url: where to, as ``https://prometheus.example/api/v1/write``.
        headers: those the receiver asks for; they may hold a secret.
    """
    time = round(total.end * 1000)
    message = b"".join(_time_series(*each, time) for each in _series(total, families))
    given = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
        **headers,
    }
    return Outgoing("POST", url, given, snappy(message))


def _series(total: Window, families: Mapping[str, Family]) -> Iterator[_Series]:
    for name, counts in total.counts.items():
        for labels, count in counts.items() if name in families else ():
            yield f"{name}_total", _labels(families[name], labels), count
    for name, sketches in total.sketches.items():
        for labels, sketch in sketches.items() if name in families else ():
            yield from _histogram(families[name], _labels(families[name], labels), sketch)


def _histogram(family: Family, labels: Mapping[str, str], sketch: Sketch) -> Iterator[_Series]:
    counts = sketch.at_most(family.boundaries)
    for boundary, count in zip(family.boundaries, counts, strict=True):
        yield f"{family.name}_bucket", {**labels, "le": repr(boundary)}, count
    yield f"{family.name}_bucket", {**labels, "le": "+Inf"}, sketch.count
    yield f"{family.name}_sum", labels, sketch.total
    yield f"{family.name}_count", labels, sketch.count


def _labels(family: Family, labels: Labels) -> dict[str, str]:
    return dict(zip(family.labels, labels, strict=True))


def _time_series(name: str, labels: Mapping[str, str], value: float, time: int) -> bytes:
    """Return one series of a WriteRequest: its labels by name, as receivers want, and a sample."""
    named = sorted({**labels, "__name__": name}.items())
    pairs = [_field(1, _field(1, key.encode()) + _field(2, text.encode())) for key, text in named]
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(time)
    return _field(1, b"".join(pairs) + _field(2, sample))


def _field(number: int, content: bytes) -> bytes:
    """Return a field that has a length: text, bytes or another message."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def snappy(content: bytes) -> bytes:
    """Return content in snappy's block format, all of it literals (format description, §2.1)."""
    parts = [_varint(len(content))]
    for start in range(0, len(content), _LITERAL):
        literal = content[start : start + _LITERAL]
        parts += [_literal(len(literal) - 1), literal]
    return b"".join(parts)


def _literal(length: int) -> bytes:
    """Return a literal's head; a short one is short, since some readers take it no other way."""
    return bytes([length << 2]) if length < 60 else b"\xf4" + length.to_bytes(2, "little")
