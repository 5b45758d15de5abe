"""What others get of it: receivers of pushes, other people's applications, JavaScript Workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from tests.monitoring.measured.figure import Figure
from tests.monitoring.pushing import OTLP, WRITE, Isolate, Outside
from tests.support.monitoring import Hands, SQLite
from tests.support.receiver import remote_write_2
from xswarm_monitoring import instruments, tail
from xswarm_monitoring.asgi import UNMATCHED, Monitor
from xswarm_monitoring.metrics import Metrics

_TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_RESOURCE = {
    "service.name",
    "service.version",
    "service.instance.id",
    "deployment.environment.name",
}


def figures() -> Iterator[Figure]:
    """Measure each."""
    yield otlp()
    yield two_services()
    yield javascript()
    yield plain_application()


def otlp() -> Figure:
    """Serve one traced request, and read what an OTLP receiver gets of it."""
    outside = Outside()
    isolate = Isolate(outside, OTLP, hands=Hands())
    isolate.ask((b"traceparent", _TRACEPARENT))
    spans, logs = outside.items("traces"), outside.items("logs")
    metrics = {each["name"]: each.get("unit") for each in outside.items("metrics")}
    bodies = [json.loads(each.body) for each in outside.came if each.url.endswith("metrics")]
    (resource,) = bodies[0]["resourceMetrics"]
    named = {each["key"] for each in resource["resource"]["attributes"]} & _RESOURCE
    follows = isolate.called[0]["traceparent"].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    conventional = metrics.get("http.server.request.duration")
    return Figure(
        "OTLP: a request that asks a database and another service",
        "called by no task; no spans, units or traceparent",
        f"{len(spans)} spans, {len(logs)} log line; `http.server.request.duration` in"
        f" {conventional}; {len(named)} resource attributes; traceparent sent on",
        (len(spans), len(logs), conventional, named, follows) == (3, 1, "s", _RESOURCE, True),
    )


def two_services() -> Figure:
    """Push from two isolates of one service by remote write, and read the labels."""
    outside, hands, sqlite = Outside(), Hands(), SQLite()
    for _ in range(2):
        Isolate(outside, WRITE, hands=hands, sqlite=sqlite).ask(times=2)
        hands.turn(61)
    labels = [each["labels"] for one in outside.came for each in remote_write_2(one.body)]
    named = [each for each in labels if {"job", "instance", "environment"} <= set(each)]
    sqlite.connection.close()
    return Figure(
        "remote write: the labels that tell services apart",
        "none: two services collide",
        f"`job`, `instance`, `environment` on {len(named)} of {len(labels)} series",
        len(named) == len(labels) > 0,
    )


def javascript() -> Figure:
    """Measure a TypeScript Worker's tail: requests by slug, a cron, a queue, one without times."""
    kinds: list[dict[str, Any]] = [
        *({"request": {"url": f"https://s.test/posts/{slug}", "method": "GET"}} for slug in _SLUGS),
        {"cron": "* * * * *"},
        {"queue": "mail"},
    ]
    events = [{"outcome": "ok", "event": each, "wallTime": 5} for each in kinds]
    del events[0]["wallTime"]
    metrics = Metrics(clock=Hands().clock)
    counted, _ = tail.measure(json.dumps(events).encode(), metrics)
    series = metrics.total().sketches[instruments.REQUESTS.name]
    routes = sorted({labels[0] for labels in series if labels[1] == "GET"})
    return Figure(
        "the tail of a JavaScript Worker",
        "3 of 4 events counted, each slug a route",
        f"{counted} of {len(events)} events counted; {len(_SLUGS)} slugs are"
        f" `{'`, `'.join(routes)}`",
        counted == len(events) and len(routes) == 1,
    )


_SLUGS = (
    "how-we-ship-2024",
    "a-longer-title-of-a-post-about-a-table-with-rows",
    "why-sqlite-is-enough-9f3a",
)


def plain_application() -> Figure:
    """Mount the monitor around an ASGI app without a router, which sets an id of its own."""
    ids = list[int]()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"X-Request-ID", b"mine")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            names = [name.lower() for name, _ in message["headers"]]
            ids.append(names.count(b"x-request-id"))

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    monitor = Monitor(app, service="s", clock=Hands().clock)
    for number in range(20):
        scope = {"type": "http", "method": "GET", "path": f"/users/{number}", "headers": []}
        asyncio.run(monitor(scope, receive, send))
    series = monitor.metrics.total().sketches[instruments.REQUESTS.name]
    routes = {labels[0]: sketch.count for labels, sketch in series.items()}
    return Figure(
        "a plain ASGI app with a request id of its own",
        f"`x-request-id` twice, all `{UNMATCHED}`",
        f"once; {routes.get(UNMATCHED, 0)} of 20 unmatched: `{'`, `'.join(routes)}`",
        set(ids) == {1} and routes == {"/users/:num": 20},
    )
