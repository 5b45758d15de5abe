"""An isolate that pushes, and those it pushes to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import push
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.logs import Log
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.push import Push

OTLP = {"kind": "otlp", "endpoint": "https://otlp.test", "secret": "KEY", "header": "api-key"}
WRITE = {"kind": "remote_write_2", "endpoint": "https://prometheus.test/w", "secret": "KEY"}
DATADOG = {"kind": "datadog", "endpoint": "https://dd.test", "secret": "KEY"}


class Outside:
    """Those who are sent to, and how they answer."""

    def __init__(self) -> None:
        self.came: list[Outgoing] = []
        self.answer = Response(200)
        self.raised: Exception | None = None

    async def send(self, request: Outgoing) -> Response:
        self.came.append(request)
        if self.raised:
            raise self.raised
        return self.answer

    def items(self, signal: str) -> list[dict[str, Any]]:
        """Return the items of a signal that came, of all requests."""
        bodies = [json.loads(each.body) for each in self.came if each.url.endswith(signal)]
        return [
            item
            for body in bodies
            for (outer,) in body.values()
            for (scope,) in (value for key, value in outer.items() if key.startswith("scope"))
            for key, value in scope.items()
            if key != "scope"
            for item in value
        ]


class Isolate:
    """An isolate whose application asks a database and another service."""

    def __init__(
        self, outside: Outside, *targets: dict[str, Any], hands: Hands, sqlite: SQLite | None = None
    ) -> None:
        self.metrics = Metrics(clock=hands.clock)
        self.lines: list[str] = []
        self.status = 200
        wanted = Push(
            push.read(list(targets)),
            outside.send,
            lambda name: {"KEY": "the-key"}.get(name, ""),
            environment="staging",
            address="https://shop.example",
        )
        self.monitor = Monitor(
            self.app,
            service="shop",
            version=lambda _env: "v1",
            execute=(lambda _env: sqlite.runs) if sqlite else None,
            metrics=self.metrics,
            log=Log("shop", write=self.lines.append, clock=hands.clock),
            push=lambda _env: wanted,
            clock=hands.clock,
        )
        self.called: list[dict[str, str]] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = "/orders/{id}"
        self.metrics.database.observe("SELECT * FROM orders WHERE id = 'secret'", 0.01)
        with self.metrics.outbound.call("POST", "https://api.stripe.test/v1/x?key=a") as call:
            self.called.append(call.headers)
            call.status = 402
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def ask(self, *headers: tuple[bytes, bytes], times: int = 1) -> None:
        async def asked() -> None:
            for _ in range(times):
                scope = {"type": "http", "method": "GET", "path": "/orders/7", "scheme": "https"}
                await self.monitor({**scope, "headers": list(headers)}, _nothing, _to_nobody)
                await asyncio.gather(*self.monitor.defer._tasks)  # type: ignore[attr-defined]

        asyncio.run(asked())

    def dropped(self) -> dict[str, float]:
        counts = self.metrics.total().counts.get("monitor_push_dropped", {})
        return {labels[0]: count for labels, count in counts.items()}

    def failures(self) -> float:
        return sum(self.metrics.total().counts.get("monitor_push_failures", {}).values())


async def _nothing() -> Any:
    return {"type": "http.disconnect"}


async def _to_nobody(_message: Any) -> None: ...
