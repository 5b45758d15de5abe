"""Write a line of the log as OTLP's log record; see the logs data model, "Severity Fields"."""

from __future__ import annotations

from typing import Any

from xswarm_monitoring import otlp
from xswarm_monitoring.logs import Entry, Level

_SEVERITIES = {Level.DEBUG: 5, Level.INFO: 9, Level.WARNING: 13, Level.ERROR: 17}


def record(entry: Entry) -> dict[str, Any]:
    """Return a line of the log as OTLP has it."""
    left_out = ("timestamp", "level", "service", "message", "trace_id")
    named = {k: v for k, v in entry.fields.items() if k not in left_out and v is not None}
    made: dict[str, Any] = {
        "timeUnixNano": otlp.nanoseconds(entry.time),
        "severityNumber": _SEVERITIES[entry.level],
        "severityText": entry.level.name,
        "body": {"stringValue": str(entry.fields["message"])},
        "attributes": otlp.attributes(named),
    }
    if trace := entry.fields.get("trace_id"):
        made["traceId"] = trace
    return made | ({"spanId": entry.span} if entry.span else {})
