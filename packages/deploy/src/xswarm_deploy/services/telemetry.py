"""What Workers logged in the past, by Cloudflare's Workers Observability.

The events of the view ``events`` are lines that were logged, and one for each invocation, which
alone has ``$workers.wallTimeMs``; ``$metadata.requestId`` is the same for all of one invocation.
Source: the API's document, as the official SDK has it (workers/observability).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Final

from xswarm_deploy.frozen import frozen
from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.shape import Wire

Filter = Mapping[str, object]
Event = Mapping[str, object]

DATASET: Final = "cloudflare-workers"
PAGE: Final = 500
"""Events asked for at once."""


class _Events(Wire):
    events: list[dict[str, object]] | None = None


class _Found(Wire):
    events: _Events | None = None


@frozen
class Query:
    """Which events are sought.

    Args:
        worker: the Worker's name.
        since: seconds since 1970.
        until: likewise.
        filters: each must let an event through.
        text: a text anywhere in an event, whatever its case; empty: any.
    """

    worker: str
    since: float
    until: float
    filters: Sequence[Filter] = field(default_factory=tuple)
    text: str = ""

    def body(self, offset: str) -> dict[str, object]:
        """Return the content of the call for the events after one; empty: the newest."""
        service = where("$metadata.service", "eq", self.worker)
        parameters: dict[str, object] = {
            "datasets": [DATASET],
            "filterCombination": "and",
            "filters": [service, *self.filters],
        }
        if self.text:
            parameters["needle"] = {"value": self.text}
        asked: dict[str, object] = {
            "queryId": "xswarm-logs",
            "timeframe": {"from": int(self.since * 1000), "to": int(self.until * 1000)},
            "view": "events",
            "limit": PAGE,
            "parameters": parameters,
        }
        return asked | ({"offset": offset, "offsetDirection": "next"} if offset else {})


def where(key: str, operation: str, value: str | float) -> Filter:
    """Return a filter by one field."""
    kind = "string" if isinstance(value, str) else "number"
    return {"key": key, "operation": operation, "type": kind, "value": value}


def either(*filters: Filter) -> Filter:
    """Return a filter that lets through what any of these does."""
    return {"kind": "group", "filterCombination": "or", "filters": list(filters)}


def both(*filters: Filter) -> Filter:
    """Return a filter that lets through what all of these do."""
    return {"kind": "group", "filterCombination": "and", "filters": list(filters)}


def events(http: Http, account: str, query: Query, most: int) -> Iterator[Event]:
    """Yield the events that a query finds, the newest first.

    Args:
        http: the way to the API, with the token.
        account: 32 hexadecimal digits.
        query: which.
        most: how many at most.

    Raises:
        ServiceError: the token may not, or nobody answers.
    """
    path, offset, taken = f"{account}/workers/observability/telemetry/query", "", 0
    while taken < most:
        reply = http.post(path, json=query.body(offset), safe=True)
        found = unwrap(reply, _Found).events
        page = (found.events if found else None) or []
        yield from page[: most - taken]
        taken += len(page)
        offset = event_id(page[-1]) if page else ""
        if len(page) < PAGE or not offset:
            return


def event_id(event: Event) -> str:
    """Return an event's id; empty where it has none."""
    metadata = event.get("$metadata")
    return str(metadata.get("id") or "") if isinstance(metadata, dict) else ""
