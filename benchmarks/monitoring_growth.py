"""Measure how the monitor's answers grow with the routes: python benchmarks/monitoring_growth.py.

A hundred requests a second are spread over N routes for an hour, in 60 windows of a minute; the
exponent fitted through the times says how a scrape and the dashboard's answers grow: 1 is linear.
It ends with 1 where a goal is missed.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import installed

installed.require()

from benchmarks.growth import FACTORS, exponent  # noqa: E402 - the path first
from benchmarks.monitoring import Figure, table  # noqa: E402
from tests.support.monitoring import Hands, SQLite  # noqa: E402
from xswarm_monitoring.asgi import Monitor  # noqa: E402

LEAST, WINDOWS, A_MINUTE, TIMES = 62, 60, 6_000, 5
TOKEN = "t" * 32
ASKED = {
    "a scrape": ("/api/metrics", b"format=prometheus", 100),
    "the dashboard: an hour's figures and charts": ("/api/metrics", b"window=1h&points=60", 200),
    "the same with all routes, as the page asks": (
        "/api/metrics",
        b"window=1h&points=60&routes=1000",
        None,
    ),
    "one route's figures and charts": (
        "/api/metrics/route",
        b"route=/r1/{id}&method=GET&window=1h&points=60",
        100,
    ),
}


async def _app(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError


async def lived(routes: int) -> Monitor:
    """Return a monitor after an hour of requests to so many routes."""
    hands, sqlite, chance = Hands(1_760_000_400.0), SQLite(), random.Random(1)
    monitor = Monitor(
        _app,
        service="benchmark",
        admin_token=lambda _env: TOKEN,
        execute=lambda _env: sqlite.execute,
        clock=hands.clock,
    )
    observe = monitor.metrics.requests.observe
    for _ in range(WINDOWS):
        monitor.metrics.tick(hands.now)
        for number in range(A_MINUTE):
            status = 200 if chance.random() < 0.98 else 500
            observe(f"/r{number % routes}/{{id}}", "GET", status, chance.lognormvariate(-4, 1))
        hands.turn(60)
        await monitor.maintain()
    return monitor


async def ask(monitor: Monitor, path: str, query: bytes) -> None:
    """Ask the monitor as an administrator."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message.get("status", 200) != 200:
            raise RuntimeError(f"{path} answers {message['status']}")

    headers = [(b"authorization", b"Bearer " + TOKEN.encode())]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
    await monitor({**scope, "headers": headers}, receive, send)


def seconds(monitor: Monitor, path: str, query: bytes) -> float:
    """Return the best CPU time of an answer."""
    best = float("inf")
    for _ in range(TIMES):
        began = time.process_time()
        asyncio.run(ask(monitor, path, query))
        best = min(best, time.process_time() - began)
    return best


def measure() -> list[Figure]:
    """Return the CPU time at 496 routes, and how it grew up to there."""
    monitors = [asyncio.run(lived(LEAST * factor)) for factor in FACTORS]
    figures = []
    for name, (path, query, most) in ASKED.items():
        times = [seconds(monitor, path, query) for monitor in monitors]
        group = f"{name}, {LEAST} to {LEAST * FACTORS[-1]} routes, {WINDOWS} windows"
        figures.append(Figure(group, "CPU time, of the most", times[-1] * 1e3, "ms", most))
        figures.append(Figure(group, "exponent of its growth", exponent(times), "", 1.1))
    return figures


def main() -> int:
    """Measure, and print; return the exit code."""
    figures = measure()
    print(table(figures))
    return 0 if all(figure.good for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
