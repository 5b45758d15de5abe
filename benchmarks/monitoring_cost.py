"""Measure what keeping the metrics costs: python benchmarks/monitoring_cost.py.

Forty isolates, or so many, answer a hundred requests a second. Time is turned by hand; the
database is a real sqld, whose own counts of rows are those that Turso bills. It ends with 1 where
a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import random
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import installed

installed.require()

from benchmarks.monitoring import Figure, table  # noqa: E402 - the path first
from tests.support.sqld import serve  # noqa: E402 - the path first
from xswarm_monitoring.asgi import Monitor  # noqa: E402 - the path first
from xswarm_monitoring.clock import Clock  # noqa: E402 - the path first

ROUTES = 30
SCRAPE, ROUND = 15, 60  # seconds between two
WARM_UP = 900  # seconds until rows of every narrow tier are merged
MONTH = 30 * 86400
TOKEN = "t" * 32


@dataclass
class Sqld:
    """Run statements over HTTP, and add up the rows that the server says it touched."""

    connection: http.client.HTTPConnection
    read: int = 0
    written: int = 0
    statements: int = 0
    received: int = 0

    async def execute(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one statement; return its rows."""
        statement = {"sql": sql, "args": [_argument(each) for each in parameters]}
        body = {"requests": [{"type": "execute", "stmt": statement}, {"type": "close"}]}
        self.connection.request("POST", "/v2/pipeline", json.dumps(body))
        text = self.connection.getresponse().read()
        (first, _) = json.loads(text)["results"]
        if first["type"] != "ok":
            raise RuntimeError(first["error"])
        found = first["response"]["result"]
        self.read += found["rows_read"]
        self.written += found["rows_written"]
        self.received += len(text)
        self.statements += 1
        return [tuple(_value(each) for each in row) for row in found["rows"]]


def _argument(value: Any) -> dict[str, Any]:
    if value is None:
        return {"type": "null"}
    if isinstance(value, float):
        return {"type": "float", "value": value}
    kind = "integer" if isinstance(value, int) else "text"
    return {"type": kind, "value": str(value)}


def _value(cell: dict[str, Any]) -> Any:
    kind = cell["type"]
    return int(cell["value"]) if kind == "integer" else cell.get("value")


@dataclass
class Service:
    """Isolates over one database, at one moment that is turned by hand."""

    sqld: Sqld
    isolated: int
    requests: int
    now: float = 1_760_000_000.0
    deferred: list[Coroutine[Any, Any, None]] = field(default_factory=list)
    isolates: list[Monitor] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = Clock(wall=lambda: self.now, timer=lambda: self.now)
        self.isolates = [
            Monitor(
                _app,
                service="benchmark",
                admin_token=lambda _env: TOKEN,
                execute=lambda _env: self.sqld.execute,
                defer=self.deferred.append,
                clock=clock,
            )
            for _ in range(self.isolated)
        ]

    async def call(self, isolate: Monitor, path: str, query: bytes = b"") -> bytes:
        """Answer one request, and what it left for later; return the body."""
        body = bytearray()

        async def send(message: Any) -> None:
            body.extend(message.get("body", b""))

        scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
        headers = [(b"authorization", b"Bearer " + TOKEN.encode())]
        await isolate({**scope, "headers": headers}, _nothing, send)
        while self.deferred:
            await self.deferred.pop()
        return bytes(body)

    async def run(self, seconds: int, chance: random.Random) -> None:
        """Answer requests, and go a round each minute."""
        for second in range(seconds):
            for _ in range(self.requests):
                isolate = chance.choice(self.isolates)
                await self.call(isolate, f"/r{chance.randrange(ROUTES)}")
                self.now += 1 / self.requests
            if second % ROUND == 0:
                await chance.choice(self.isolates).maintain()


async def _app(scope: Any, _receive: Any, send: Any) -> None:
    scope["route"] = scope["path"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def measured(service: Service, seconds: int) -> list[Figure]:
    """Return the figures of some seconds, once every tier is at work."""
    sqld, chance = service.sqld, random.Random(1)
    await service.run(WARM_UP, chance)
    before, read = sqld.written, sqld.read
    await service.run(seconds, chance)
    written = (sqld.written - before) / seconds * MONTH
    looked = (sqld.read - read) / seconds * MONTH
    took, rows, size = [], [], []
    for _ in range(8):
        await service.run(SCRAPE, chance)
        start, begun, received = time.process_time(), sqld.read, sqld.received
        body = await service.call(service.isolates[0], "/api/metrics", b"format=prometheus")
        took.append(time.process_time() - start)
        rows.append(sqld.read - begun)
        size.append(sqld.received - received)
    group = f"{service.isolated} isolates, {service.requests} requests a second, {ROUTES} routes"
    return [
        Figure(group, "rows written a month", written / 1e6, "million", 15),
        Figure(group, "rows read a month, without scrapes", looked / 1e6, "million"),
        Figure("a scrape", "rows read, the most of 8", max(rows), "rows", 50),
        Figure("a scrape", "CPU time, the median of 8", sorted(took)[4] * 1e3, "ms", 50),
        Figure("a scrape", "read from the database", sorted(size)[4] / 1024, "KiB"),
        Figure("a scrape", "answer", len(body) / 1024, "KiB"),
    ]


def main() -> int:
    """Measure, and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="how long is measured")
    parser.add_argument("--isolates", type=int, default=40)
    parser.add_argument("--requests", type=int, default=100, help="a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as (url, _):
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        service = Service(Sqld(connection), options.isolates, options.requests)
        figures = asyncio.run(measured(service, options.seconds))
    print(table(figures))
    return 0 if all(figure.good for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
