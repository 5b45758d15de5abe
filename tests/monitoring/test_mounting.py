"""The page on mounting the monitor elsewhere: what it shows runs, and does what it says."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.monitoring import IN_A_WORKER
from xswarm_monitoring.asgi import Monitor

pytestmark = pytest.mark.skipif(IN_A_WORKER, reason="a Worker has no documents")

PAGE = Path(__file__).resolve().parents[2] / "deployment/docs/guide/monitoring-an-application.md"
TOKEN = [(b"authorization", b"Bearer a-long-token")]


def shown(framework: str) -> str:
    """Return the code under a heading of the page."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"\*\*{framework}\*\*\n\n```python\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


async def ask(
    app: Any, path: str, query: bytes = b"", root: str = ""
) -> tuple[int, list[bytes], bytes]:
    """Return an answer's status, its request ids, and its body."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": root + path, "raw_path": path.encode()}
    scope |= {"query_string": query, "headers": TOKEN, "root_path": root, "scheme": "http"}
    scope |= {"http_version": "1.1", "server": ("shop.test", 80), "client": ("127.0.0.1", 1)}
    await app(scope, receive, send)
    ids = [value for name, value in sent[0]["headers"] if name.lower() == b"x-request-id"]
    return sent[0]["status"], ids, b"".join(each.get("body", b"") for each in sent[1:])


@pytest.mark.parametrize("root", ["", "/shop"])
@pytest.mark.parametrize(
    ("framework", "route"),
    [
        ("FastAPI", "/users/{number}"),
        ("Starlette", "/users/{number}"),
        ("Plain ASGI", "/users/:num"),
    ],
)
def test_what_the_page_shows_measures_by_route(framework: str, route: str, root: str) -> None:
    code, names = shown(framework), dict[str, Any]()
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    exec(compile(code, str(PAGE), "exec"), names)

    async def story() -> bytes:
        for number in range(3):
            status, ids, _ = await ask(names["app"], f"/users/{number}", root=root)
            assert (status, len(ids)) == (200, 1)
        assert (await ask(names["app"], "/health/ready", root=root))[0] == 200
        return (await ask(names["app"], "/api/metrics", b"format=prometheus", root))[2]

    measured = asyncio.run(story()).decode()
    series = f'http_request_duration_seconds_count{{route="{route}",method="GET",status="200"}}'
    assert f"{series} 3\n" in measured
    assert 'http_requests_total{outcome="error"} 0\n' in measured


def test_it_is_one_middleware_among_others_of_fastapi() -> None:
    """As many teams would mount it: by add_middleware, below and above others, with routers."""
    names = dict[str, Any]()
    exec(compile(shown("FastAPI"), str(PAGE), "exec"), names)
    exec(compile(shown("FastAPI, among other middleware"), str(PAGE), "exec"), names)
    api = names["api"]

    async def story() -> tuple[Any, Any]:
        assert (await ask(api, "/users/7"))[0] == 200
        assert (await ask(api, "/users/alice"))[0] == 422
        assert (await ask(api, "/.env"))[0] == 404
        routes = json.loads((await ask(api, "/api/metrics/routes"))[2])["routes"]
        return json.loads((await ask(api, "/api/metrics"))[2])["requests"]["routes"], routes

    measured, routes = asyncio.run(story())
    assert {each["route"]: each["total"] for each in measured} == {
        "/users/{number}": 2,
        "(unmatched)": 1,
    }
    assert {"method": "GET", "path": "/users/{number}"} in routes


def test_a_template_that_litestar_tells_is_the_label() -> None:
    """Its router leaves it in the scope (litestar 2.25, asgi_types.py)."""

    async def api(scope: Any, _receive: Any, send: Any) -> None:
        scope["path_template"] = "/users/{number}"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = Monitor(api, service="shop", admin_token=lambda _env: "a-long-token")
    asyncio.run(ask(app, "/users/7"))
    told = json.loads(asyncio.run(ask(app, "/api/metrics"))[2])
    assert [each["route"] for each in told["requests"]["routes"]] == ["/users/{number}"]
