"""Windows of any length, what little traffic leaves behind, and what keeping it costs."""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import monitoring_cost
from tests.monitoring.isolates import Isolate, counted
from tests.monitoring.measured.figure import Figure
from tests.monitoring.steady import DAY, HOUR, MINUTE, POINTS, Service, steady
from tests.support.monitoring import Hands, SQLite
from tests.support.sqld import serve
from tests.support.ssh import free_port
from xswarm_monitoring import instruments

STOPPED = """
import sqlite3
import sys

import uvicorn

from tests.support.monitoring import SQLite
from xswarm_monitoring.asgi import Monitor

database = SQLite()
database.connection = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

monitor = Monitor(
    app, service="s", execute=lambda _env: database.execute, flush_every=3600,
    defer=lambda coroutine: coroutine.close(),  # nothing but the end may write
)
uvicorn.run(monitor, port=int(sys.argv[2]), log_level="warning")
"""


def figures() -> Iterator[Figure]:
    """Measure each, by a clock that is turned."""
    yield long_window()
    yield from charts()
    yield idle()
    yield low_traffic()
    yield stopped()
    yield from cost()


def started(hour: float = 7 * HOUR) -> tuple[Hands, SQLite, Service]:
    """Return a service that begins at an hour of the day."""
    hands, sqlite = Hands(), SQLite()
    hands.now -= hands.now % DAY - hour
    return hands, sqlite, Service(hands, sqlite)


def long_window() -> Figure:
    """Ask for 31 days after a request an hour for 400."""
    _, sqlite, service = started()
    steady(service, HOUR, 400 * DAY, DAY)
    told, true, real, _ = service.window(31 * DAY)
    sqlite.connection.close()
    return Figure(
        "31 days, of 400 with a request an hour (744)",
        "9,600 requests: all there ever were",
        f"{told} requests in {real / DAY:.2f} days, as the answer says",
        told == true and abs(told - 744) <= 24,
    )


def charts() -> Iterator[Figure]:
    """Draw long charts over constant traffic, and add up long windows."""
    _, sqlite, service = started()
    steady(service, 60, 8.2 * DAY, 10 * MINUTE)
    flat, wrong, spans = [], [], []
    for seconds in (6 * HOUR, DAY, 7 * DAY):
        _, _, _, rates = service.window(seconds)
        inside = [rate or 0.0 for rate in rates[1:-1]]
        flat.append(max(abs(rate * 60 - 1) for rate in inside))
    yield Figure(
        "constant traffic, charts of 6 h, 1 d, 7 d",
        f"35 of {POINTS} points zero, peaks of 10 ×",
        f"no point zero, none more than {max(flat):.1%} beside the truth",
        max(flat) <= 0.01,
    )
    for days in (3, 7):
        told, true, real, _ = service.window(days * DAY)
        wrong.append(abs(told - true) / true)
        spans.append(f"{real / DAY:.2f}")
    sqlite.connection.close()
    yield Figure(
        "totals of 3 and 7 days",
        "+15 %, +7 %, of an unknown stretch",
        f"{max(wrong):.1%} off, of the stretch that is told ({' and '.join(spans)} d)",
        max(wrong) == 0,
    )


def idle() -> Figure:
    """Let 90 s go by without a request, with rounds, scrapes and health checks."""
    hands, sqlite = Hands(), SQLite()
    isolate = Isolate(hands, sqlite)
    measured = isolate.monitor.metrics
    keeper = isolate.monitor.keeper
    plain = keeper._connect(None)
    assert plain

    async def timed(sql: str, parameters: object) -> object:
        return await measured.database.timed(sql, plain(sql, parameters))  # type: ignore[arg-type]

    keeper._connect = lambda _env: timed  # type: ignore[assignment, return-value]

    async def live() -> None:
        for _ in range(6):
            hands.turn(15)
            await keeper.total(None, "v")
        await isolate.monitor.maintain()

    asyncio.run(live())
    whole = measured.total()
    own = sum(s.count for s in whole.sketches[instruments.MONITOR_QUERIES.name].values())
    theirs = sum(s.count for s in whole.sketches.get(instruments.QUERIES.name, {}).values())
    rows = sum(whole.counts.get(instruments.ROWS.name, {}).values())
    sqlite.connection.close()
    return Figure(
        "90 s without a request, scraped six times",
        "34 queries, 474 rows as the service's",
        f"{theirs} queries, {rows:g} rows; {own} apart, as the monitor's own",
        theirs == rows == 0 < own,
    )


def low_traffic() -> Figure:
    """Ask once a minute, over isolates that live for two minutes."""
    hands, sqlite, chance, sent = Hands(), SQLite(), random.Random(1), 0
    for _ in range(100):
        isolate, left = Isolate(hands, sqlite), 120.0
        while (wait := chance.expovariate(1 / 60)) < left:
            hands.turn(wait)
            left -= wait
            asyncio.run(isolate.call())
            sent += 1
        hands.turn(left)
    lost = 1 - counted(sqlite) / sent
    sqlite.connection.close()
    return Figure(
        "a request a minute, isolates of two minutes", "71 % lost", f"{lost:.0%} lost", lost < 0.02
    )


def stopped() -> Figure:
    """Stop a real uvicorn by SIGTERM after ten requests that nothing has flushed."""
    with tempfile.TemporaryDirectory() as folder:
        file, port = Path(folder) / "metrics.db", free_port()
        command = [sys.executable, "-c", STOPPED, str(file), str(port)]
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
        try:
            for _ in range(10):
                _asked(port)
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        finally:
            process.kill()
            process.wait()
        database = SQLite()
        database.connection.close()
        database.connection = sqlite3.connect(file, isolation_level=None)
        kept = counted(database)
        database.connection.close()
    return Figure("uvicorn, SIGTERM after 10 requests", "none kept", f"{kept} kept", kept == 10)


def _asked(port: int) -> None:
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
        except ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("uvicorn does not answer")


def cost() -> Iterator[Figure]:
    """Let 40 isolates answer 100 requests a second, over a real libSQL server."""
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as (url, _):
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        service = monitoring_cost.Service(monitoring_cost.Sqld(connection), 40, 100)
        found = asyncio.run(monitoring_cost.measured(service, 300))
        connection.close()
    named = {each.name: each for each in found}
    written = named["rows written a month"]
    rows, took = named["rows read, the most of 8"], named["CPU time, the median of 8"]
    yield Figure(
        "40 isolates, 100 requests a second: rows written",
        "1.35 million a day",
        f"{written.value / 30:.2f} million a day",
        written.good,
    )
    yield Figure(
        "a scrape of theirs",
        "840 rows, 0.62 s of CPU",
        f"{rows.value:.0f} rows, {took.value / 1000:.3f} s of CPU",
        rows.good and took.good,
    )
