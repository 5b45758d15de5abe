"""Export to OpenTelemetry: OTLP over HTTP: what all three signals have in common.

See the OTLP specification 1.x, "JSON Protobuf Encoding" and "OTLP/HTTP", and the semantic
conventions for resources.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from xswarm_monitoring import otlp_protobuf
from xswarm_monitoring.conventions import Value
from xswarm_monitoring.http_request import Outgoing, json_request

METRICS, LOGS, TRACES = "metrics", "logs", "traces"
JSON, PROTOBUF = "json", "protobuf"
"""How a request is encoded."""
_ENVELOPES = {
    METRICS: ("resourceMetrics", "scopeMetrics", "metrics"),
    LOGS: ("resourceLogs", "scopeLogs", "logRecords"),
    TRACES: ("resourceSpans", "scopeSpans", "spans"),
}
_REJECTED = ("rejectedDataPoints", "rejectedLogRecords", "rejectedSpans")


@dataclass(frozen=True)
class Resource:
    """Whose measurements these are.

    Args:
        service: the service's name.
        version: the version running.
        environment: where it is deployed, e.g. ``production``.
        instance: which of its instances.
        scheme: by which the service is asked.
        database: the conventions' name of its database.
    """

    service: str
    version: str
    environment: str
    instance: str
    scheme: str = "https"
    database: str = "sqlite"

    def attributes(self) -> list[dict[str, Any]]:
        """Return them by the conventions' names."""
        given = {
            "service.name": self.service,
            "service.version": self.version,
            "service.instance.id": self.instance,
            "deployment.environment.name": self.environment,
            "telemetry.sdk.name": "xswarm_monitoring",
            "telemetry.sdk.language": "python",
            "process.runtime.name": sys.implementation.name,
        }
        return attributes({name: value for name, value in given.items() if value})


def request(
    signal: str,
    items: Sequence[Mapping[str, Any]],
    resource: Resource,
    *,
    url: str,
    headers: Mapping[str, str],
    encoding: str = JSON,
) -> Outgoing:
    """Make the request that brings metrics, log records or spans to a receiver.

    Args:
        signal: ``metrics``, ``logs`` or ``traces``.
        items: those; none to ask whether the receiver takes anything from us.
        resource: whose they are.
        url: the receiver's, to which ``/v1/`` and the signal are added.
        headers: those the receiver asks for; they may hold a secret.
        encoding: ``json`` or ``protobuf``.
    """
    outer, inner, listed = _ENVELOPES[signal]
    scope = {"scope": {"name": "xswarm_monitoring"}, listed: list(items)}
    whole = {"resource": {"attributes": resource.attributes()}, inner: [scope]}
    address, body = f"{url.rstrip('/')}/v1/{signal}", {outer: [whole] if items else []}
    if encoding == PROTOBUF:
        given = {"Content-Type": "application/x-protobuf", **headers}
        return Outgoing("POST", address, given, otlp_protobuf.encode(body))
    return json_request(address, body, headers)


def rejected(body: str, encoding: str = JSON) -> int:
    """Return how many items a receiver that took the request did not take."""
    if encoding == PROTOBUF:
        return otlp_protobuf.rejected(body)
    try:
        partial = json.loads(body)["partialSuccess"]
        return sum(int(partial.get(name, 0)) for name in _REJECTED)
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0


def attributes(named: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return attributes as OTLP lists them."""
    return [{"key": key, "value": _value(value)} for key, value in named.items()]


def _value(value: Value | Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float) and isfinite(value):  # JSON has no other numbers
        return {"doubleValue": value}
    return {"stringValue": value if isinstance(value, str) else json.dumps(value)}


def nanoseconds(seconds: float) -> str:
    """Return a moment as OTLP writes it."""
    return str(round(seconds * 1e9))
