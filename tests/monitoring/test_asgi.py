from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, MutableMapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from tests.support.monitoring import IN_A_WORKER, Hands, SQLite
from xswarm_monitoring import instruments
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.health import Probe
from xswarm_monitoring.logs import Log

ADMIN = {"authorization": "Bearer let-me-in"}


@dataclass
class Reply:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    app: Any,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    env: Any = None,
    body: bytes = b"",
) -> Reply:
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
        "env": env,
    }
    reply = Reply()

    bodies = [body]

    async def receive() -> MutableMapping[str, Any]:
        if not bodies:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": bodies.pop(), "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            pairs = [(k.decode(), v.decode()) for k, v in message["headers"]]
            reply.headers = dict(pairs)
            assert len(reply.headers) == len(pairs)
        else:
            reply.body += message.get("body", b"")

    await app(scope, receive, send)
    return reply


def get(app: Any, path: str, **options: Any) -> Reply:
    return asyncio.run(call(app, path, **options))


async def working() -> dict[str, int]:
    return {"rows": 1}


async def broken() -> None:
    raise ConnectionError("libsql://user:hunter2hunter2@db refused")


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def crash(request: Request) -> PlainTextResponse:
    raise RuntimeError("token=abcdefgh12345")


async def stream(request: Request) -> StreamingResponse:
    async def chunks() -> Any:
        yield "a"
        yield "b"

    return StreamingResponse(chunks())


APP = Starlette(
    routes=[
        Route("/users/{id}", hello, methods=["GET", "POST"]),
        Route("/crash", crash),
        Route("/stream", stream),
        Mount("/shops/{shop}", routes=[Route("/items/{item}", hello)]),
    ]
)


def monitor(app: Any = APP, **given: Any) -> Monitor:
    options: Any = {
        "service": "boss-ai",
        "version": lambda env: "v7",
        "admin_token": lambda env: "let-me-in",
        **given,
    }
    return Monitor(app, **options)


class Later:
    """What runs on after an answer, waited for by the test."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Future[None]] = []

    def __call__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.ensure_future(coroutine))

    async def finish(self) -> None:
        assert self.tasks
        await asyncio.gather(*self.tasks)


def counted(watched: Monitor) -> dict[tuple[str, ...], int]:
    series = watched.metrics.total().sketches.get(instruments.REQUESTS.name, {})
    return {labels: sketch.count for labels, sketch in series.items()}


def test_health_says_who_answers() -> None:
    reply = get(monitor(), "/health")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/health+json"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json["status"] == "pass"
    assert (reply.json["service"], reply.json["version"]) == ("boss-ai", "v7")
    assert set(reply.json) == {"status", "timestamp", "service", "version"}


def test_health_asks_nothing() -> None:
    def probes(env: Any) -> list[Probe]:
        raise AssertionError("asked")

    watched = monitor(probes=probes)
    assert get(watched, "/health").status == 200
    assert get(watched, "/health/live").json["alive"] is True


@pytest.mark.parametrize(
    ("path", "critical", "status", "verdict"),
    [
        ("/health/ready", True, 503, "fail"),
        ("/health/ready", False, 503, "fail"),
        ("/health/detailed", True, 503, "fail"),
        ("/health/detailed", False, 200, "warn"),
    ],
)
def test_only_a_critical_component_makes_a_report_fail(
    path: str, critical: bool, status: int, verdict: str
) -> None:
    probes = [Probe("database", broken, critical=critical, ready=True), Probe("r2", working)]
    reply = get(monitor(probes=lambda env: probes), path)
    assert (reply.status, reply.json["status"]) == (status, verdict)


def test_details_are_for_administrators_and_hold_no_secret() -> None:
    probes = [Probe("database", broken, ready=True), Probe("stripe", working, critical=False)]
    watched = monitor(probes=lambda env: probes)
    assert "checks" not in get(watched, "/health/detailed").json
    told = get(watched, "/health/detailed", headers=ADMIN).json
    assert set(told["checks"]) == {"database:responseTime", "stripe:responseTime"}
    assert "refused" in told["checks"]["database:responseTime"][0]["output"]
    assert "hunter2" not in json.dumps(told)
    assert told["system"]["runtime"].startswith("cpython 3.")
    assert ("memory_bytes" in told["system"]) is not IN_A_WORKER  # which does not tell
    assert told["system"].get("memory_bytes", 1 << 30) > 1_000_000
    ready = get(watched, "/health/ready", headers=ADMIN).json
    assert set(ready["checks"]) == {"database:responseTime"}


@pytest.mark.parametrize("token", ["", None])
def test_without_an_admin_token_nobody_is_an_administrator(token: str | None) -> None:
    watched = monitor(admin_token=lambda env: token)
    for sent in ("Bearer ", "Bearer None", ""):
        assert get(watched, "/api/metrics", headers={"authorization": sent}).status == 401


def test_probes_that_cannot_be_made_fail_the_report() -> None:
    reply = get(
        monitor(probes=lambda env: [Probe("r2", env.R2.get)]), "/health/ready", headers=ADMIN
    )
    assert reply.status == 503
    assert "AttributeError" in reply.json["checks"]["probes:responseTime"][0]["output"]


def test_the_worker_s_environment_reaches_version_token_and_probes() -> None:
    env = SimpleNamespace(VERSION="v9", TOKEN="other", ask=working)
    watched = monitor(
        version=lambda env: env.VERSION,
        admin_token=lambda env: env.TOKEN,
        probes=lambda env: [Probe("it", env.ask)],
    )
    reply = get(watched, "/health/detailed", headers={"authorization": "Bearer other"}, env=env)
    assert reply.json["version"] == "v9"
    assert reply.json["checks"]["it:responseTime"][0]["rows"] == 1


def test_head_has_no_body_and_other_methods_are_refused() -> None:
    reply = get(monitor(), "/health", method="HEAD")
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["content-length"]) > 50
    refused = get(monitor(), "/health", method="POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def test_requests_are_labelled_by_template_method_and_status() -> None:
    watched = monitor()
    for number in range(5):
        get(watched, f"/users/{number}")
    get(watched, "/users/1", method="POST")
    get(watched, "/users/1", method="DELETE")
    get(watched, "/shops/4711/items/3")
    get(watched, "/stream")
    for number in range(50):
        get(watched, f"/wp-admin/{number}.php")
    assert counted(watched) == {
        ("/users/{id}", "GET", "200"): 5,
        ("/users/{id}", "POST", "200"): 1,
        ("/users/{id}", "DELETE", "405"): 1,
        ("/shops/:num/items/{item}", "GET", "200"): 1,
        ("/stream", "GET", "200"): 1,
        ("(unmatched)", "GET", "404"): 50,
    }


def test_an_app_that_raises_is_counted_and_its_error_goes_on() -> None:
    watched = monitor()
    with pytest.raises(RuntimeError):
        get(watched, "/crash")
    assert counted(watched) == {("/crash", "GET", "500"): 1}


def test_a_client_that_left_is_no_error_of_the_service() -> None:
    asked = asyncio.Event()

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    watched = monitor(waits)

    async def story() -> None:
        task = asyncio.ensure_future(call(watched, "/"))
        await asked.wait()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(story())
    assert counted(watched) == {("(unmatched)", "GET", "499"): 1}


def test_other_protocols_pass_through() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(monitor(app)({"type": "websocket", "path": "/health"}, None, None))  # type: ignore[arg-type]
    assert seen == ["websocket"]


def test_a_request_id_goes_in_and_out_and_is_known_meanwhile() -> None:
    from xswarm_monitoring.correlation import current

    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(current())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    reply = get(monitor(app), "/", headers={"x-request-id": "r-1"})
    assert reply.headers["x-request-id"] == seen[0].request_id == "r-1"
    assert len(get(monitor(app), "/").headers["x-request-id"]) == 32
    assert current() is None


def test_a_response_that_is_used_again_does_not_gather_headers() -> None:
    response = PlainTextResponse("same")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await response(scope, receive, send)

    watched = monitor(app)
    for _ in range(3):
        get(watched, "/")
    assert [name for name, _ in response.raw_headers].count(b"x-request-id") == 0


def test_a_line_is_logged_for_each_request_without_its_ids() -> None:
    lines: list[str] = []
    watched = monitor(log=Log("boss-ai", write=lines.append))
    get(watched, "/users/12345", headers={"x-request-id": "r-1"})
    with pytest.raises(RuntimeError):
        get(watched, "/crash")
    first, error, last = map(json.loads, lines)
    assert (first["path"], first["status"], first["request_id"]) == ("/users/:num", 200, "r-1")
    assert (error["level"], error["error"]) == ("error", "RuntimeError")
    assert (last["path"], last["status"]) == ("/crash", 500)
    assert "abcdefgh12345" not in "".join(lines)


def test_the_routes_are_those_of_the_applications_router() -> None:
    watched = monitor()
    assert get(watched, "/api/metrics/routes").status == 401
    told = get(watched, "/api/metrics/routes", headers=ADMIN).json
    assert {(one["method"], one["path"]) for one in told["routes"]} == {
        ("GET", "/users/{id}"),
        ("POST", "/users/{id}"),
        ("GET", "/crash"),
        ("GET", "/stream"),
        ("GET", "/shops/{shop}/items/{item}"),
    }
    assert {"method": "GET", "path": "/health"} in told["monitor"]
    given = monitor(lambda *_: None, routes=lambda: [("PUT", "/mine")])
    told = get(given, "/api/metrics/routes", headers=ADMIN).json
    assert told["routes"] == [{"method": "PUT", "path": "/mine"}]
    assert get(monitor(lambda *_: None), "/api/metrics/routes", headers=ADMIN).json["routes"] == []


def test_a_guess_at_the_admin_token_is_counted() -> None:
    watched = monitor()
    for path in ("/api/metrics", "/health/detailed"):
        get(watched, path)
        get(watched, path, headers={"authorization": "Bearer guess"})
    assert get(watched, "/api/metrics", headers=ADMIN).json["abuse"]["forged_tokens"] == 2


def test_metrics_are_told_as_json_to_administrators() -> None:
    watched = monitor()
    assert get(watched, "/api/metrics").status == 401
    for _ in range(4):
        get(watched, "/users/1")
    told = get(watched, "/api/metrics?window=5m&points=10", headers=ADMIN).json
    assert told["requests"]["total"] == 4
    assert told["requests"]["success_rate"] == 1.0
    assert set(told["requests"]["duration_ms"]) == {"avg", "min", "max", "p50", "p95", "p99"}
    assert told["requests"]["routes"][0]["route"] == "/users/{id}"
    assert (told["window_seconds"], told["scope"], told["incomplete"]) == (300, "isolate", "")
    assert [point["requests"] for point in told["timeline"]] == [None] * 9 + [4]


@pytest.mark.parametrize(
    ("path", "accept", "media_type"),
    [
        ("/api/metrics", "*/*", "application/json"),
        ("/api/metrics?format=prometheus", "*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("/api/metrics", "text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "/api/metrics",
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
def test_metrics_come_in_the_format_asked_for(path: str, accept: str, media_type: str) -> None:
    watched = monitor()
    get(watched, "/users/1")
    reply = get(watched, path, headers=ADMIN | {"accept": accept})
    assert (reply.status, reply.headers["content-type"]) == (200, media_type)


@pytest.mark.parametrize(
    "query", ["window=soon", "window=0", "window=91d", "points=501", "format=xml"]
)
def test_a_parameter_that_is_not_understood_is_named(query: str) -> None:
    reply = get(monitor(), f"/api/metrics?{query}", headers=ADMIN)
    assert reply.status == 400
    assert query.split("=")[0] in reply.json["error"]


def test_isolates_meet_in_the_database(hands: Hands, sqlite: SQLite) -> None:
    later = Later()
    isolates = [
        monitor(execute=lambda env: sqlite.execute, clock=hands.clock, defer=later)
        for _ in range(3)
    ]

    async def story() -> tuple[Reply, Reply]:
        for watched in isolates:
            await call(watched, "/users/1")
            hands.turn(31)
            await call(watched, "/users/2")  # its flush is due, and runs on after the answer
        await later.finish()
        await isolates[0].maintain()
        told = await call(isolates[0], "/api/metrics?points=5", headers=ADMIN)
        text = await call(isolates[1], "/api/metrics?format=prometheus", headers=ADMIN)
        return told, text

    told, text = asyncio.run(story())
    assert (told.json["scope"], told.json["requests"]["total"]) == ("all", 6)
    assert [each["version"] for each in told.json["releases"]] == ["v7"]
    assert 'count{route="/users/{id}",method="GET",status="200"} 6' in text.body.decode()


def test_without_its_database_an_isolate_tells_its_own_and_says_so(hands: Hands) -> None:
    async def refuses(sql: str, parameters: Any) -> Any:
        raise ConnectionError("the database is down")

    lines: list[str] = []
    later = Later()
    watched = monitor(
        execute=lambda env: refuses,
        clock=hands.clock,
        log=Log("boss-ai", write=lines.append),
        defer=later,
    )

    async def story() -> tuple[Reply, Reply]:
        await call(watched, "/users/1")
        hands.turn(31)
        assert (await call(watched, "/users/1")).status == 200
        await later.finish()
        told = await call(watched, "/api/metrics", headers=ADMIN)
        return told, await call(watched, "/api/metrics?format=prometheus", headers=ADMIN)

    told, text = asyncio.run(story())
    assert (told.status, told.json["scope"], told.json["requests"]["total"]) == (200, "isolate", 2)
    assert "the database is down" in told.json["incomplete"]
    assert text.status == 503
    assert any("not flushed" in line for line in lines)
    assert watched.metrics.total().counts["metrics_flush_failures"]


def tail_event(path: str, *, outcome: str = "ok", status: int | None = 200) -> dict[str, Any]:
    event: dict[str, Any] = {"request": {"url": f"https://x.test{path}", "method": "GET"}}
    if status is not None:
        event["response"] = {"status": status}
    return {"event": event, "outcome": outcome, "wallTime": 250, "cpuTime": 2, "scriptName": "js"}


def test_another_worker_is_measured_by_its_tail() -> None:
    watched = monitor()
    events = [
        tail_event("/users/12345?token=abc"),
        tail_event("/users/67890", status=503),
        tail_event("/users/1", outcome="exception", status=None),
        tail_event("/users/1", outcome="exceededCpu", status=200),
        tail_event("/users/1", outcome="canceled", status=None),
        {"event": {"cron": "* * * * *"}, "outcome": "ok", "wallTime": 1},
        {"event": {"queue": "mail", "batchSize": 3}, "outcome": "exception"},
        {"event": None, "outcome": "ok"},
        tail_event("/blog/how-we-made-it"),
        {
            key: value
            for key, value in tail_event("/blog/a-second-one").items()
            if key != "wallTime"
        },
        {"no": "event"},
    ]
    body = json.dumps(events).encode()
    reply = get(watched, "/api/metrics/tail", method="POST", headers=ADMIN, body=body)
    assert (reply.status, reply.json) == (200, {"counted": 10, "passed_over": 1})
    assert counted(watched) == {
        ("/users/:num", "GET", "200"): 1,
        ("/users/:num", "GET", "503"): 1,
        ("/users/:num", "GET", "500"): 2,
        ("/users/:num", "GET", "499"): 1,
        ("(cron)", "(other)", "200"): 1,
        ("(queue)", "(other)", "500"): 1,
        ("(other event)", "(other)", "200"): 1,
        ("/blog/:slug", "GET", "200"): 2,
    }


def test_a_plain_app_is_measured_by_the_shape_of_its_paths() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        status = 404 if scope["path"].startswith("/no") else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    watched = monitor(app)
    for path in ("/users/1", "/users/2", "/posts/my-first-post", "/no/such", "/no/other"):
        get(watched, path)
    assert counted(watched) == {
        ("/users/:num", "GET", "200"): 2,
        ("/posts/:slug", "GET", "200"): 1,
        ("(unmatched)", "GET", "404"): 2,
    }


def test_a_request_id_of_the_apps_own_is_not_there_twice() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"X-Request-Id", b"of-the-app")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/", "method": "GET", "headers": []}
    asyncio.run(monitor(app)(scope, receive_nothing, send))
    assert sent[0]["headers"] == [(b"X-Request-Id", b"of-the-app")]


async def receive_nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"[]", 401),
        (ADMIN, b"", 400),
        (ADMIN, b"[1]", 400),
        (ADMIN, b"{", 400),
        (ADMIN, b" " * ((1 << 20) + 1), 413),
    ],
)
def test_a_tail_that_is_none_is_refused(headers: dict[str, str], body: bytes, status: int) -> None:
    reply = get(monitor(), "/api/metrics/tail", method="POST", headers=headers, body=body)
    assert reply.status == status


def test_a_tail_is_not_read() -> None:
    reply = get(monitor(), "/api/metrics/tail", headers=ADMIN)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_a_path_is_masked_only_where_its_line_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("xswarm_monitoring.asgi.mask_path", asked.append)
    get(monitor(log=Log("boss-ai", level="warning", write=lambda _line: None)), "/hello/ada")
    assert not asked


def test_the_path_that_stopped_a_worker_is_answered_and_cut() -> None:
    lines: list[str] = []
    get(monitor(log=Log("boss-ai", write=lines.append)), "/x?" + "a-" * 60_000)
    assert len(lines[0]) < 2_500
