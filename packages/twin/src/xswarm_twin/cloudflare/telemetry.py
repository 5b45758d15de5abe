"""Workers Observability: what Workers with ``observability`` logged, and the query that finds it.

Of the query's views there is ``events``; filters, needle and pages are as the API has them. Events
are kept while the twin runs, the newest :data:`_KEPT`. Source: the API's document, as the official
SDK has it (workers/observability/telemetry_query_params.py and ..._response.py).
"""

from __future__ import annotations

import json
import random
import re
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals, strictness
from xswarm_twin.cloudflare.analytics import Counted
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.twin import twin_of
from xswarm_twin.edge.tails import NOTHING, Invocation
from xswarm_twin.edge.traces import Trace

DATASET: Final = "cloudflare-workers"
_KEPT: Final = 5_000  # events, of some 4 kB each
_LARGEST: Final = 2000  # events of one answer
_DEEPEST: Final = 4  # groups of filters in one another
_NAMES: Final = frozenset(
    {"queryId", "timeframe", "view", "limit", "offset", "offsetBy", "offsetDirection", "parameters"}
    | {"dry", "chart", "compare", "granularity", "ignoreSeries"}
)
_PARAMETERS: Final = frozenset(
    {"datasets", "filterCombination", "filters", "needle", "calculations", "groupBys", "havings"}
    | {"orderBy", "limit"}
)

Event = Mapping[str, Any]
routes = web.RouteTableDef()


class Kept(Counted):
    """Tails that keep what Workers log, of those that have ``observability``.

    Args:
        settings: returns the ``observability`` of a Worker by its name; empty: it has none.
    """

    def __init__(self, settings: Callable[[str], Mapping[str, Any]] = lambda _name: {}) -> None:
        super().__init__()
        self.settings = settings
        self._events: deque[Event] = deque(maxlen=_KEPT)

    def hears(self, worker: str) -> bool:
        """Return whether it matters what an invocation logs."""
        return super().hears(worker) or _enabled(self.settings(worker))

    def publish(self, invocation: Invocation, trace: Trace = NOTHING) -> None:
        """Send an invocation to everybody who listens, count it, and keep its events."""
        super().publish(invocation, trace)
        settings = self.settings(invocation.version.worker)
        logs = settings.get("logs") or {}
        rate = logs.get("head_sampling_rate", settings.get("head_sampling_rate", 1))
        if _enabled(settings) and random.random() < rate:  # noqa: S311 - sampling
            self._events.extend(_events(invocation, trace, logs.get("invocation_logs", True)))

    def events(self, since: float, until: float) -> list[Event]:
        """Return the events of a stretch of time, the newest first; times in milliseconds."""
        found = [each for each in self._events if since <= each["timestamp"] <= until]
        return sorted(found, key=lambda each: (each["timestamp"], each["$metadata"]["id"]))[::-1]


def _enabled(settings: Mapping[str, Any]) -> bool:
    logs = settings.get("logs") or {}
    return bool(settings.get("enabled")) and logs.get("enabled", True) is not False


def _events(done: Invocation, trace: Trace, invocations: bool) -> Iterator[Event]:
    """Return the events of an invocation: each line that it logged, and itself."""
    told, request_id = done.event(trace), uuid.uuid4().hex[:16].upper()
    ended = int(time.time() * 1000)
    common = {
        "event": told["event"],
        "eventType": "fetch",
        "executionModel": "stateless",
        "outcome": told["outcome"],
        "requestId": request_id,
        "scriptName": done.version.worker,
        "scriptVersion": told["scriptVersion"],
        "truncated": False,
    }
    metadata = {
        "requestId": request_id,
        "service": done.version.worker,
        "trigger": f"{done.method} {_path(done.url)}",
        "origin": "fetch",
        "account": "",
    }
    for line in (*told["logs"], *map(_raised, told["exceptions"])):
        text = " ".join(_text(part) for part in line["message"])
        own = {"id": _new_id(), "level": line["level"], "message": text, "type": "cf-worker"}
        yield _event(metadata | own, common, _source(text, line["level"]), line["timestamp"])
    if invocations:
        level = "error" if told["outcome"] != "ok" or done.status >= 500 else "info"
        own = {"id": _new_id(), "level": level, "message": f"{done.method} {done.url}"}
        own |= {"type": "cf-worker-event", "statusCode": done.status}
        times = {"wallTimeMs": told["wallTime"], "cpuTimeMs": told["cpuTime"]}
        source = {"message": f"{done.method} {done.url}", "level": level}
        yield _event(metadata | own, common | times, source, ended)


def _event(metadata: Event, workers: Event, source: Any, at: float) -> Event:
    made = {"dataset": DATASET, "timestamp": int(at), "source": source}
    return {**made, "$metadata": dict(metadata), "$workers": dict(workers)}


def _source(text: str, level: str) -> Any:
    """Return what was logged: an object that was logged as JSON is taken apart."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": text, "level": level}


def _raised(error: Mapping[str, Any]) -> dict[str, Any]:
    text = f"{error.get('name', '')}: {error.get('message', '')}"
    return {"level": "error", "message": [text], "timestamp": time.time() * 1000}


def _text(part: Any) -> str:
    return part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)


def _path(url: str) -> str:
    return "/" + url.partition("://")[2].partition("/")[2].partition("?")[0]


def _new_id() -> str:
    return f"{time.time_ns():020d}{random.randrange(1000):03d}"  # noqa: S311 - a name


@routes.post("/accounts/{account}/workers/observability/telemetry/query")
async def query(request: web.Request) -> web.Response:
    """Find events."""
    body = await bodies.json_object(request)
    strictness.require_known(body, _NAMES)
    bodies.required(body, "queryId", str)
    timeframe = bodies.required(body, "timeframe", dict)
    since, until = (bodies.required(timeframe, name, int) for name in ("from", "to"))
    if since >= until:
        raise refusals.body_invalid("timeframe.from is not before timeframe.to")
    if body.get("view") != "events":
        raise refusals.body_invalid("the twin has the view events alone")
    parameters = bodies.optional(body, "parameters", dict[str, Any]())
    strictness.require_known(parameters, _PARAMETERS)
    tails = twin_of(request).tails
    kept = tails.events(since, until) if isinstance(tails, Kept) else []
    found = [each for each in kept if _wanted(each, parameters)]
    page = _page(found, body)
    told = {"bytes_read": 0, "elapsed": 0, "rows_read": len(kept)}
    run = _run(request.match_info["account"], body, parameters)
    return success(
        {"run": run, "statistics": told, "events": {"events": page, "count": len(found)}}
    )


def _page(found: Sequence[Event], body: Mapping[str, Any]) -> Sequence[Event]:
    limit, offset = bodies.optional(body, "limit", 50), bodies.optional(body, "offset", "")
    if not 0 < limit <= _LARGEST:
        raise refusals.body_invalid(f"limit is from 1 to {_LARGEST}")
    ids = [each["$metadata"]["id"] for each in found]
    start = ids.index(offset) + 1 if offset in ids else 0
    return found[start : start + limit]


def _run(account: str, body: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the answer says of the query itself."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    asked = {"id": body["queryId"], "adhoc": True, "name": "", "parameters": parameters}
    by = {"created": now, "createdBy": "twin", "updated": now, "updatedBy": "twin"}
    return {
        "id": _new_id(),
        "accountId": account,
        "userId": "twin",
        "dry": bool(body.get("dry", False)),
        "granularity": 1,
        "status": "COMPLETED",
        "timeframe": body["timeframe"],
        "query": asked | by,
    }


def _wanted(event: Event, parameters: Mapping[str, Any]) -> bool:
    datasets = bodies.texts(parameters, "datasets")
    needle = bodies.optional(parameters, "needle", dict[str, Any]())
    return (
        (not datasets or event["dataset"] in datasets)
        and (not needle or _holds_text(event, needle))
        and _passes(event, parameters, 1)
    )


def _holds_text(event: Event, needle: Mapping[str, Any]) -> bool:
    text, sought = json.dumps(event, ensure_ascii=False), str(needle.get("value", ""))
    if not needle.get("matchCase"):
        text, sought = text.lower(), sought.lower()
    return re.search(sought, text) is not None if needle.get("isRegex") else sought in text


def _passes(event: Event, group: Mapping[str, Any], depth: int) -> bool:
    """Return whether an event passes a group of filters."""
    if depth > _DEEPEST:
        raise refusals.body_invalid(f"filters are nested more than {_DEEPEST} deep")
    combined = str(group.get("filterCombination", "and")).lower()
    if combined not in ("and", "or"):
        raise refusals.body_invalid("filterCombination is and or or")
    filters = bodies.optional(group, "filters", list[Any]())
    found = [
        _passes(event, each, depth + 1) if each.get("kind") == "group" else _leaf(event, each)
        for each in (bodies.checked(one, dict, "a filter") for one in filters)
    ]
    return not found or (all(found) if combined == "and" else any(found))


def _leaf(event: Event, wanted: Mapping[str, Any]) -> bool:
    held = _held(event, bodies.required(wanted, "key", str))
    operation, kind = str(wanted.get("operation")), wanted.get("type")
    if kind not in ("string", "number", "boolean"):
        raise refusals.body_invalid("a filter's type is string, number or boolean")
    value = wanted.get("value")
    if operation == "exists":
        return held is not None
    if operation == "is_null":
        return held is None
    if operation not in _OPERATIONS:
        raise refusals.body_invalid(f"the twin has no operation {operation}")
    return held is not None and _OPERATIONS[operation](held, value)


_OPERATIONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": lambda held, value: bool(held == value),
    "neq": lambda held, value: bool(held != value),
    "gt": lambda held, value: bool(held > value),
    "gte": lambda held, value: bool(held >= value),
    "lt": lambda held, value: bool(held < value),
    "lte": lambda held, value: bool(held <= value),
    "in": lambda held, value: str(held) in str(value).split(","),
    "not_in": lambda held, value: str(held) not in str(value).split(","),
    "includes": lambda held, value: str(value) in str(held),
    "not_includes": lambda held, value: str(value) not in str(held),
    "starts_with": lambda held, value: str(held).startswith(str(value)),
    "ends_with": lambda held, value: str(held).endswith(str(value)),
    "regex": lambda held, value: re.search(str(value), str(held)) is not None,
}


def _held(event: Event, key: str) -> Any:
    """Return a field by its path: of metadata, of the Worker, or of what was logged."""
    found: Any = event
    parts = key.split(".")
    for part in parts if parts[0] in event else ["source", *parts]:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
