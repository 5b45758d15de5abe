"""One isolate of the Worker for tests: the application, asked through ASGI, and its bindings."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

SECRETS = {
    "JWT_SECRET": "a-secret-of-the-tests-with-more-than-32-characters",
    "ADMIN_TOKEN": "an-admin-token-of-the-tests-with-32-characters",
    "STRIPE_WEBHOOK_SECRET": "whsec_tests",
    "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
    "TURSO_AUTH_TOKEN": "none",
}
VARIABLES = {
    "ENVIRONMENT": "local",
    "WORKER_URL": "https://boss.example",
    "BASE_URL": "https://example",
    "API_URL": "https://api.example",
    "CORS_ALLOWED_ORIGINS": "https://example, https://other.example",
    "RATE_LIMIT_ENABLED": "false",
    "TURSO_DATABASE_URL": "http://127.0.0.1:9",
}


@dataclass
class Answer:
    """What the service answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def error(self) -> str:
        return str(self.json()["error"]["type"])


class Bucket:
    """An R2 binding in memory, with the shapes the Workers SDK gives."""

    def __init__(self) -> None:
        self.objects: dict[str, SimpleNamespace] = {}

    async def put(self, key: str, value: bytes, *, httpMetadata: Mapping[str, str]) -> None:  # noqa: N803
        async def content() -> memoryview:
            return memoryview(value)

        metadata = SimpleNamespace(**httpMetadata)
        self.objects[key] = SimpleNamespace(httpMetadata=metadata, arrayBuffer=content)

    async def get(self, key: str) -> SimpleNamespace | None:
        return self.objects.get(key)

    async def head(self, key: str) -> SimpleNamespace | None:
        return self.objects.get(key)

    async def delete(self, key: str) -> None:
        self.objects.pop(key, None)


class Deferred:
    """What runs on after an answer: awaited before the next request."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Future[None]] = []

    def __call__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.ensure_future(coroutine))

    async def finish(self) -> None:
        tasks, self.tasks = self.tasks, []
        await asyncio.gather(*tasks)


@dataclass
class Isolate:
    """One isolate of the Worker: its application and its environment."""

    environment: dict[str, Any]
    application: Any
    deferred: Deferred = field(default_factory=Deferred)
    done: Callable[[], None] = lambda: None  # before asyncio.run waits for the fetches' threads
    bucket: Bucket = field(default_factory=Bucket)

    @property
    def bindings(self) -> SimpleNamespace:
        """What the Worker gets as its environment."""
        return SimpleNamespace(**self.environment, R2_BUCKET=self.bucket)

    def go_round(self, now: float) -> None:
        """Let the cron trigger fire."""
        asyncio.run(self._round(now))

    async def _round(self, now: float) -> None:
        await self.application.go_round(self.bindings, now)
        self.done()

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        chunk: int = 0,
        scheme: str = "https",
    ) -> Answer:
        """Send one request through the ASGI interface."""
        content = json.dumps(body).encode() if isinstance(body, dict) else body or b""
        sent = {"host": "boss.example", "content-length": str(len(content)), **(headers or {})}
        if isinstance(body, dict):
            sent.setdefault("content-type", "application/json")
        if chunk:
            del sent["content-length"]
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), text.encode()) for name, text in sent.items()],
            "env": self.bindings,
        }
        return asyncio.run(self._whole(scope, _parts(content, chunk)))

    async def _whole(self, scope: dict[str, Any], parts: list[bytes]) -> Answer:
        answer = await _exchange(self.application, scope, parts)
        await self.deferred.finish()
        self.done()
        return answer


def _parts(content: bytes, chunk: int) -> list[bytes]:
    if not chunk:
        return [content]
    return [content[start : start + chunk] for start in range(0, len(content), chunk)]


async def _exchange(application: Any, scope: dict[str, Any], parts: list[bytes]) -> Answer:
    messages: list[dict[str, Any]] = []
    waiting = list(parts)

    async def receive() -> dict[str, Any]:
        if not waiting:
            return {"type": "http.disconnect"}
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await application(scope, receive, send)
    start, *bodies = messages
    assert start["type"] == "http.response.start"
    assert not bodies[-1].get("more_body")
    headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
    return Answer(start["status"], headers, b"".join(part["body"] for part in bodies))


async def fetch(
    url: str, *, method: str, headers: Mapping[str, str], body: str | bytes = ""
) -> Any:
    """Fetch as the hosts do: an HTTP status is an answer, no connection is an OSError."""

    def call() -> SimpleNamespace:
        content = (body.encode() if isinstance(body, str) else body) or None
        request = urllib.request.Request(url, content, dict(headers), method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                status, told, text = reply.status, reply.headers, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, told, text = error.code, error.headers, error.read().decode()

        async def read() -> str:
            return str(text)

        return SimpleNamespace(status=status, headers=told, text=read)

    return await asyncio.to_thread(call)
