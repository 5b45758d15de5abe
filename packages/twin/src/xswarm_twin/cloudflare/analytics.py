"""The GraphQL Analytics API: ``workersInvocationsAdaptive``, and what an R2 bucket holds.

Of GraphQL it understands one such data set a query, its filter, and what is selected of it; a name
that the real schema does not have is refused. What happened shows :data:`DELAY` seconds later;
nothing is sampled.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from aiohttp import web

from xswarm_twin.cloudflare import bodies
from xswarm_twin.cloudflare.twin import twin_of
from xswarm_twin.edge.tails import NOTHING, Invocation, Tails
from xswarm_twin.edge.traces import Trace

DELAY: Final = 1.0
"""Seconds; in production it is minutes."""
_KEPT: Final = 200_000  # invocations
_DATASET: Final = re.compile(r"workersInvocationsAdaptive\s*\((?P<arguments>[^()]*)\)\s*\{")
_GROUP: Final = re.compile(r"(sum|quantiles|dimensions)\s*\{([^{}]*)\}")
_FILTER: Final = re.compile(r"\b(\w++)\s*:\s*(\$\w+|\"[^\"]*\")")
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "sum": frozenset({"requests", "errors", "subrequests", "duration", "wallTime", "cpuTimeUs"}),
    "quantiles": frozenset(
        f"{name}P{place}" for name in ("cpuTime", "wallTime", "duration") for place in (50, 75, 99)
    ),
    "dimensions": frozenset({"scriptName", "scriptVersion", "status", "usageModel"}),
}
_FILTERS: Final = frozenset(
    {"scriptName", "scriptVersion", "status", "datetime_geq", "datetime_lt", "datetime_leq"}
)

routes = web.RouteTableDef()


class _Seen(NamedTuple):
    at: float
    worker: str
    version: str
    status: str


class Counted(Tails):
    """Tails that remember what they were told of."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: deque[_Seen] = deque(maxlen=_KEPT)

    def publish(self, invocation: Invocation, trace: Trace = NOTHING) -> None:
        """Send an invocation to everybody who listens, and count it."""
        super().publish(invocation, trace)
        status = (
            "success" if (trace.outcome or invocation.outcome) == "ok" else "scriptThrewException"
        )
        version = invocation.version
        self._seen.append(_Seen(time.time(), version.worker, version.id, status))

    def between(self, since: float, until: float) -> Iterator[_Seen]:
        """Return what happened in a time, as far as it shows already."""
        shown = min(until, time.time() - DELAY)
        return (one for one in self._seen if since <= one.at < shown)


class _Unknown(Exception):
    """A name that the schema does not have."""


@routes.post("/graphql")
async def query(request: web.Request) -> web.Response:
    """Answer a query; what is wrong with it stands under ``errors``, as in GraphQL."""
    body = await bodies.json_object(request)
    text = bodies.required(body, "query", str)
    variables = bodies.optional(body, "variables", dict[str, Any]())
    try:
        if "r2StorageAdaptiveGroups" in text:
            account = {"r2StorageAdaptiveGroups": _stored(request, variables)}
        else:
            account = {"workersInvocationsAdaptive": _rows(request, text, variables)}
    except (_Unknown, ValueError) as error:
        return web.json_response({"data": None, "errors": [{"message": str(error), "path": None}]})
    return web.json_response({"data": {"viewer": {"accounts": [account]}}, "errors": None})


def _stored(request: web.Request, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return how much a bucket holds now, as ``wrangler r2 bucket info`` asks for it."""
    wanted = bodies.optional(dict(variables), "filter", dict[str, Any]())
    name = bodies.required(wanted, "bucketName", str).rpartition("_")[2]  # of a jurisdiction
    count, size = twin_of(request).objects.held(name)
    held = {"objectCount": count, "payloadSize": size, "metadataSize": 0}
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return [{"max": held, "dimensions": {"datetime": now}}]


def _rows(request: web.Request, text: str, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = _DATASET.search(text)
    if found is None:
        raise _Unknown(
            "unknown field: the twin has workersInvocationsAdaptive and r2StorageAdaptiveGroups"
        )
    wanted = dict(_filters(found["arguments"], variables))
    chosen = {name: names.split() for name, names in _GROUP.findall(text[found.end() :])}
    for group, names in chosen.items():
        for name in names:
            if name not in _KNOWN[group]:
                raise _Unknown(f'unknown field "{name}"')
    counted: defaultdict[tuple[str, ...], list[_Seen]] = defaultdict(list)
    told = twin_of(request).tails
    seen = told.between(*_times(wanted)) if isinstance(told, Counted) else iter(())
    for one in seen:
        values = {"scriptName": one.worker, "scriptVersion": one.version, "status": one.status}
        if all(values.get(name, value) == value for name, value in wanted.items()):
            dimensions = [values.get(name, "standard") for name in chosen.get("dimensions", ())]
            counted[tuple(dimensions)].append(one)
    return [_row(chosen, key, found_) for key, found_ in counted.items()]


def _row(
    chosen: Mapping[str, list[str]], key: tuple[str, ...], seen: list[_Seen]
) -> dict[str, Any]:
    errors = sum(one.status != "success" for one in seen)
    sums = {"requests": len(seen), "errors": errors}
    made: dict[str, Any] = {
        "sum": {name: sums.get(name, 0) for name in chosen.get("sum", ())},
        "quantiles": dict.fromkeys(chosen.get("quantiles", ())),
        "dimensions": dict(zip(chosen.get("dimensions", ()), key, strict=True)),
    }
    return {name: made[name] for name in chosen}


def _filters(arguments: str, variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in _FILTER.findall(arguments):
        if name not in _FILTERS:
            raise _Unknown(f'unknown arg "{name}"')
        if value.startswith("$") and value[1:] not in variables:
            raise _Unknown(f'unknown variable "{value}"')
        yield name, str(variables[value[1:]] if value.startswith("$") else json.loads(value))


def _times(wanted: dict[str, str]) -> tuple[float, float]:
    """Take the times out of a filter; ValueError for what is none."""
    since = datetime.fromisoformat(wanted.pop("datetime_geq")).timestamp()
    until = wanted.pop("datetime_lt", "") or wanted.pop("datetime_leq", "")
    return since, datetime.fromisoformat(until).timestamp() if until else time.time()
