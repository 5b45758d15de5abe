"""Write OTLP as binary protobuf: what a request holds as JSON, by the numbers of its fields.

Some receivers take no JSON. See opentelemetry-proto 1.x, whose names and numbers these are; ids are
hexadecimal in JSON, and 64-bit numbers are text there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from xswarm_monitoring.wire import double, nested, packed, text, varint, whole


def _id(number: int, value: str) -> bytes:
    return nested(number, bytes.fromhex(value))


def _fixed(number: int, value: str) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<Q", int(value))


def _signed(number: int, value: int) -> bytes:
    return whole(number, value << 1 if value >= 0 else (-value << 1) - 1)


def _integer(number: int, value: str | int | bool) -> bytes:
    """Write it though it is zero, since it is one of several fields."""
    return varint(number << 3) + varint(int(value) & (1 << 64) - 1)


def _counts(number: int, values: list[str]) -> bytes:
    return packed(number, map(int, values))


_Field = tuple[int, Callable[[int, Any], bytes] | str]
"""A field's number, and what writes it: the name of its message, where it is one."""

_ATTRIBUTES = "KeyValue"
_MESSAGES: Mapping[str, Mapping[str, _Field]] = {
    "Request": {
        "resourceMetrics": (1, "Resources"),
        "resourceLogs": (1, "Resources"),
        "resourceSpans": (1, "Resources"),
    },
    "Resources": {
        "resource": (1, "Resource"),
        "scopeMetrics": (2, "Scope"),
        "scopeLogs": (2, "Scope"),
        "scopeSpans": (2, "Scope"),
    },
    "Resource": {"attributes": (1, _ATTRIBUTES)},
    "Scope": {
        "scope": (1, "Name"),
        "metrics": (2, "Metric"),
        "logRecords": (2, "LogRecord"),
        "spans": (2, "Span"),
    },
    "Name": {"name": (1, text)},
    "KeyValue": {"key": (1, text), "value": (2, "AnyValue")},
    "AnyValue": {
        "stringValue": (1, text),
        "boolValue": (2, _integer),
        "intValue": (3, _integer),
        "doubleValue": (4, double),
    },
    "Metric": {
        "name": (1, text),
        "description": (2, text),
        "unit": (3, text),
        "gauge": (5, "Numbers"),
        "sum": (7, "Numbers"),
        "exponentialHistogram": (10, "Histogram"),
    },
    "Numbers": {
        "dataPoints": (1, "Number"),
        "aggregationTemporality": (2, whole),
        "isMonotonic": (3, whole),
    },
    "Number": {
        "startTimeUnixNano": (2, _fixed),
        "timeUnixNano": (3, _fixed),
        "asDouble": (4, double),
        "attributes": (7, _ATTRIBUTES),
    },
    "Histogram": {"dataPoints": (1, "HistogramPoint"), "aggregationTemporality": (2, whole)},
    "HistogramPoint": {
        "attributes": (1, _ATTRIBUTES),
        "startTimeUnixNano": (2, _fixed),
        "timeUnixNano": (3, _fixed),
        "count": (4, _fixed),
        "sum": (5, double),
        "scale": (6, _signed),
        "zeroCount": (7, _fixed),
        "positive": (8, "Buckets"),
        "min": (12, double),
        "max": (13, double),
        "zeroThreshold": (14, double),
    },
    "Buckets": {"offset": (1, _signed), "bucketCounts": (2, _counts)},
    "LogRecord": {
        "timeUnixNano": (1, _fixed),
        "severityNumber": (2, whole),
        "severityText": (3, text),
        "body": (5, "AnyValue"),
        "attributes": (6, _ATTRIBUTES),
        "traceId": (9, _id),
        "spanId": (10, _id),
    },
    "Span": {
        "traceId": (1, _id),
        "spanId": (2, _id),
        "parentSpanId": (4, _id),
        "name": (5, text),
        "kind": (6, whole),
        "startTimeUnixNano": (7, _fixed),
        "endTimeUnixNano": (8, _fixed),
        "attributes": (9, _ATTRIBUTES),
        "status": (15, "Status"),
    },
    "Status": {"code": (3, whole)},
}


def encode(body: Mapping[str, Any]) -> bytes:
    """Return a request's body.

    Raises:
        KeyError: it has a field that this knows no number of.
    """
    return _message("Request", body)


def _message(name: str, content: Mapping[str, Any]) -> bytes:
    known, parts = _MESSAGES[name], []
    for key, value in content.items():
        number, kind = known[key]
        if isinstance(kind, str):
            given = value if isinstance(value, list) else (value,)
            parts += [nested(number, _message(kind, each)) for each in given]
        else:
            parts.append(kind(number, value))
    return b"".join(parts)


def rejected(body: str) -> int:
    """Return how many items a receiver did not take, by its answer read as text.

    The answer's first field is ``partial_success``, and the first of that the number. One of which
    the reading as text has left too little counts as one.
    """
    if len(body) < 3 or body[0] != "\n" or body[2] != "\x08":
        return 0
    number, shift = 0, 0
    for digit in map(ord, body[3:]):
        if digit > 0xFF:
            return 1
        number |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            return number
    return 1
