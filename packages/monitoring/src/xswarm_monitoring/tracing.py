"""Keep spans of requests, queries and calls to others until they are pushed.

Which requests are traced is decided once, where they arrive: as the caller decided, or by a part
of all. See the semantic conventions for HTTP spans and for database client calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from xswarm_monitoring import conventions
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.conventions import Attributes
from xswarm_monitoring.correlation import Correlation, current, new_span
from xswarm_monitoring.otlp import attributes, nanoseconds
from xswarm_monitoring.redaction import mask_path, mask_sql

SERVER, CLIENT = 2, 3
_ERROR = 2
_SAMPLED = 1

Item = TypeVar("Item")


class Buffer(Generic[Item]):
    """Keep what waits to be pushed, up to a number; the oldest goes first, and is counted.

    Args:
        limit: how many are kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.dropped = limit, 0
        self._items: deque[Item] = deque()

    def add(self, item: Item) -> None:
        """Keep an item."""
        if len(self._items) >= self.limit:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)

    def take(self, most: int) -> list[Item]:
        """Return the oldest items, which are then no longer kept."""
        return [self._items.popleft() for _ in range(min(most, len(self._items)))]

    def put_back(self, items: Iterable[Item]) -> None:
        """Keep items again that were taken; those there is no room for are dropped."""
        given = list(items)
        room = self.limit - len(self._items)
        kept = given[max(len(given) - room, 0) :] if room > 0 else []
        self.dropped += len(given) - len(kept)
        self._items.extendleft(reversed(kept))

    def take_dropped(self) -> int:
        """Return how many were dropped since the last time."""
        dropped, self.dropped = self.dropped, 0
        return dropped


@dataclass(frozen=True)
class Span:
    """Hold what was done, from when to when, for which trace."""

    trace: str
    span: str
    parent: str
    name: str
    kind: int
    start: float
    end: float
    failed: bool
    attributes: Attributes

    def as_otlp(self) -> dict[str, Any]:
        """Return it as OTLP has it."""
        made: dict[str, Any] = {
            "traceId": self.trace,
            "spanId": self.span,
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": nanoseconds(self.start),
            "endTimeUnixNano": nanoseconds(self.end),
            "attributes": attributes(self.attributes),
            "status": {"code": _ERROR} if self.failed else {},
        }
        return made | ({"parentSpanId": self.parent} if self.parent else {})


_INVALID = "(invalid)"


class Tracer:
    """Trace a part of requests.

    Args:
        clock: the clock to read.
        sample: the part of requests traced that no caller decided on, from 0 to 1.
        limit: how many spans wait to be pushed.
        database: the conventions' name of the database.
    """

    def __init__(
        self, clock: Clock, *, sample: float = 1.0, limit: int = 2048, database: str = "sqlite"
    ) -> None:
        self.spans: Buffer[Span] = Buffer(limit)
        self._clock, self._database = clock, database
        self._below = int(sample * 2**56)

    def begin(self, correlation: Correlation) -> None:
        """Decide whether a request is traced; a deployment's own never is."""
        if correlation.probe:
            return
        if correlation.parent_id:
            correlation.sampled = bool(int(correlation.flags, 16) & _SAMPLED)
        else:
            correlation.sampled = int(correlation.trace_id[-14:], 16) < self._below

    def request(
        self, served: Correlation, route: str, method: str, status: int, seconds: float, scope: Any
    ) -> None:
        """Keep the span of a request that was answered."""
        given = conventions.request(method, route, str(status))
        path, scheme = mask_path(scope["path"]), scope.get("scheme") or "http"
        named = {**given, "url.path": path, "url.scheme": scheme}
        verb = str(given["http.request.method"]).replace("_OTHER", "HTTP")
        name = f"{verb} {route}" if not route.startswith("(") else verb
        ids = (served.trace_id, served.span_id, served.parent_id)
        self._keep(ids, name, SERVER, seconds, named, failed=status >= 500)

    def query(self, sql: str, operation: str, seconds: float, *, failed: bool) -> None:
        """Keep the span of a query, where its request is traced."""
        served = current()
        if served is None or not served.sampled:
            return
        given = conventions.query(self._database, operation, failed=failed)
        named = {**given, "db.query.text": mask_sql(sql)}
        ids = (served.trace_id, new_span(), served.span_id)
        self._keep(ids, operation, CLIENT, seconds, named, failed=failed)

    def outbound(self, span: str, method: str, url: str, status: str, seconds: float) -> None:
        """Keep the span of a call to another service, where its request is traced.

        Args:
            span: the id that went with the call.
            method: of HTTP.
            url: where to; its query and what could be a secret is left out.
            status: the HTTP status, or what was raised.
            seconds: how long it took.
        """
        served = current()
        if served is None or not served.sampled:
            return
        host = host_of(url)
        given = conventions.outbound(method, host, status)
        named = {**given, "url.full": _shown(url, host)}
        ids = (served.trace_id, span, served.span_id)
        self._keep(ids, method, CLIENT, seconds, named, failed="error.type" in given)

    def _keep(
        self,
        ids: tuple[str, str, str],
        name: str,
        kind: int,
        seconds: float,
        named: Attributes,
        *,
        failed: bool,
    ) -> None:
        """Keep a span that ends now."""
        now = self._clock.wall()
        self.spans.add(Span(*ids, name, kind, now - seconds, now, failed, named))


def _shown(url: str, host: str) -> str:
    """Return an address without what could be a secret."""
    if host == _INVALID:
        return host
    parts = urlsplit(url)
    return f"{parts.scheme}://{host}{mask_path(parts.path)}"


def host_of(url: str) -> str:
    """Return whom an address asks, with the port where it is not that of https.

    An address that is none asks ``(invalid)``: whoever is given it says so better.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80}.get(parts.scheme, 443)
    except ValueError:
        return _INVALID
    return (parts.hostname or "") + ("" if port == 443 else f":{port}")
