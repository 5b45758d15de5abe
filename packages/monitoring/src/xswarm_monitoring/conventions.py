"""Name what is measured as OpenTelemetry's semantic conventions do, with units.

What they have no name for keeps its own, without the unit, which stands apart: a receiver that
translates to Prometheus puts it back, so both ways lead to the same name. See "Semantic
conventions for HTTP metrics" and "for database client metrics".
"""

from __future__ import annotations

from collections.abc import Mapping

from xswarm_monitoring.instruments import OUTBOUND, QUERIES, REQUESTS, Family
from xswarm_monitoring.window import Labels

Value = str | int | float | bool
Attributes = Mapping[str, Value]

_NAMES = {
    REQUESTS.name: "http.server.request.duration",
    QUERIES.name: "db.client.operation.duration",
    OUTBOUND.name: "http.client.request.duration",
}
_UNITS = {"_seconds": "s", "_bytes": "By", "_ratio": "1"}


def named(family: Family) -> tuple[str, str]:
    """Return a family's name and unit."""
    for suffix, unit in _UNITS.items():
        if family.name.endswith(suffix):
            return _NAMES.get(family.name, family.name.removesuffix(suffix)), unit
    return family.name, "1"


def attributes(family: Family, labels: Labels, *, scheme: str, database: str) -> Attributes:
    """Return the attributes that a label set stands for.

    Args:
        family: whose labels they are.
        labels: their values, in its order.
        scheme: by which the service is asked, ``https`` or ``http``.
        database: the conventions' name of the database, e.g. ``sqlite``.
    """
    values = dict(zip(family.labels, labels, strict=True))
    if family.name == REQUESTS.name:
        answered = request(values["method"], values["route"], values["status"])
        return {**answered, "url.scheme": scheme}
    if family.name == QUERIES.name:
        return query(database, values["operation"], failed=values["outcome"] == "error")
    if family.name == OUTBOUND.name:
        return outbound(values["method"], values["host"], values["status"])
    return values


def request(method: str, route: str, status: str) -> Attributes:
    """Return the attributes of a request that was answered."""
    return {**_method(method), "http.route": route, **_answered(status, fails_from="5")}


def query(database: str, operation: str, *, failed: bool) -> Attributes:
    """Return the attributes of a query."""
    error = {"error.type": "_OTHER"} if failed else {}
    return {"db.system.name": database, "db.operation.name": operation, **error}


def outbound(method: str, host: str, status: str) -> Attributes:
    """Return the attributes of a request to another service.

    Args:
        method: of HTTP.
        host: whom, with a port where it is not that of https.
        status: the HTTP status, or what was raised.
    """
    address, _, port = host.partition(":")
    return {
        **_method(method),
        "server.address": address,
        "server.port": int(port) if port.isdecimal() else 443,
        **_answered(status, fails_from="4"),
    }


def _method(method: str) -> Attributes:
    return {"http.request.method": method if method.isalpha() else "_OTHER"}


def _answered(status: str, *, fails_from: str) -> Attributes:
    if not status.isdecimal():
        return {"error.type": status.strip("()") or "_OTHER"}
    error = {"error.type": status} if status >= fails_from else {}
    return {"http.response.status_code": int(status), **error}
