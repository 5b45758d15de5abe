"""Processes that run the monitor over one database, until they are evicted without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import instruments
from xswarm_monitoring.asgi import App, Monitor
from xswarm_monitoring.storage import Storage


async def answered(scope: Any, _receive: Any, send: Any) -> None:
    """Answer as an app that knows no lifespan."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def unaware(scope: Any, _receive: Any, send: Any) -> None:
    """Answer whatever comes as a request, as small apps do that never look at its type."""
    await answered({**scope, "type": "http"}, _receive, send)


async def living(scope: Any, receive: Any, send: Any) -> None:
    """Answer as an app that knows lifespans."""
    if scope["type"] == "http":
        await answered(scope, receive, send)
        return
    for part in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{part}"
        await send({"type": f"lifespan.{part}.complete"})


class Isolate:
    """A process that runs the monitor, until it is evicted without a word."""

    def __init__(self, hands: Hands, sqlite: SQLite, app: App = answered, **rest: Any) -> None:
        self.deferred: list[Coroutine[Any, Any, None]] = []
        self.monitor = Monitor(
            app,
            service="s",
            clock=hands.clock,
            execute=lambda _env: sqlite.execute,
            defer=rest.get("defer", self.deferred.append),
        )

    async def call(self) -> None:
        async def ignore(_message: Any = None) -> Any:
            return None

        scope = {"type": "http", "path": "/", "method": "GET", "headers": []}
        await self.monitor(scope, ignore, ignore)
        while self.deferred:
            await self.deferred.pop()


def counted(sqlite: SQLite) -> int:
    whole = asyncio.run(Storage(sqlite.execute, instance="reader").total())
    series = whole.sketches.get(instruments.REQUESTS.name, {})
    return sum(sketch.count for sketch in series.values())
