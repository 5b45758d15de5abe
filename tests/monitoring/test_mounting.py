"""The page on mounting the monitor elsewhere: what it shows runs, and does what it says."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.monitoring import IN_A_WORKER

pytestmark = pytest.mark.skipif(IN_A_WORKER, reason="a Worker has no documents")

PAGE = Path(__file__).resolve().parents[2] / "deployment/docs/guide/monitoring-an-application.md"
TOKEN = [(b"authorization", b"Bearer a-long-token")]


def shown(framework: str) -> str:
    """Return the code under a heading of the page."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"\*\*{framework}\*\*\n\n```python\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


async def ask(app: Any, path: str, query: bytes = b"") -> tuple[int, list[bytes], bytes]:
    """Return an answer's status, its request ids, and its body."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode()}
    scope |= {"query_string": query, "headers": TOKEN, "root_path": "", "scheme": "http"}
    await app(scope, receive, send)
    ids = [value for name, value in sent[0]["headers"] if name.lower() == b"x-request-id"]
    return sent[0]["status"], ids, b"".join(each.get("body", b"") for each in sent[1:])


@pytest.mark.parametrize(
    ("framework", "route"), [("Starlette", "/users/{number}"), ("Plain ASGI", "/users/:num")]
)
def test_what_the_page_shows_measures_by_route(framework: str, route: str) -> None:
    code, names = shown(framework), dict[str, Any]()
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    exec(compile(code, str(PAGE), "exec"), names)

    async def story() -> bytes:
        for number in range(3):
            status, ids, _ = await ask(names["app"], f"/users/{number}")
            assert (status, len(ids)) == (200, 1)
        assert (await ask(names["app"], "/health/ready"))[0] == 200
        return (await ask(names["app"], "/api/metrics", b"format=prometheus"))[2]

    measured = asyncio.run(story()).decode()
    series = f'http_request_duration_seconds_count{{route="{route}",method="GET",status="200"}}'
    assert f"{series} 3\n" in measured
    assert 'http_requests_total{outcome="error"} 0\n' in measured
