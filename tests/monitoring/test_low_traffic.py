"""What little there is must not go with the process that measured it."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from tests.monitoring.isolates import Isolate, answered, counted, living, unaware
from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import asgi, instruments
from xswarm_monitoring.aggregator import Aggregator
from xswarm_monitoring.asgi import App
from xswarm_monitoring.evaluation import DatabaseAlertStore


def test_one_request_a_minute_over_isolates_of_two_minutes_is_kept(
    hands: Hands, sqlite: SQLite
) -> None:
    chance, sent = random.Random(1), 0
    for _ in range(100):
        isolate, left = Isolate(hands, sqlite), 120.0
        while (wait := chance.expovariate(1 / 60)) < left:
            hands.turn(wait)
            left -= wait
            asyncio.run(isolate.call())
            sent += 1
        hands.turn(left)
    assert sent > 150
    assert counted(sqlite) >= 0.98 * sent


def test_a_server_that_stops_writes_what_it_measured(
    hands: Hands, sqlite: SQLite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "in_a_worker", lambda: False)

    def never(coroutine: Coroutine[Any, Any, None]) -> None:
        coroutine.close()

    async def story(app: App) -> list[str]:
        isolate, sent = Isolate(hands, sqlite, app, defer=never), list[str]()
        await isolate.call()
        messages = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> Any:
            return {"type": next(messages)}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await isolate.monitor({"type": "lifespan"}, receive, send)
        return sent

    for number, app in enumerate((answered, living, unaware), 1):
        told = asyncio.run(story(app))
        assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert counted(sqlite) == number


def test_the_workers_sdk_begins_a_lifespan_with_each_request(
    hands: Hands, sqlite: SQLite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is no time to flush: it brings no environment, so no database could be asked."""
    monkeypatch.setitem(sys.modules, "workers", SimpleNamespace(WorkerEntrypoint=object))
    isolate, seen = Isolate(hands, sqlite, living), list[str]()
    asyncio.run(isolate.call())
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Any:
        return {"type": next(messages)}

    async def send(message: Any) -> None:
        seen.append(message["type"])

    monkeypatch.setattr(isolate.monitor, "_flush", None)
    asyncio.run(isolate.monitor({"type": "lifespan"}, receive, send))
    assert seen == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_the_queries_of_flush_scrape_and_round_are_the_monitors_own(
    hands: Hands, sqlite: SQLite
) -> None:
    isolate = Isolate(hands, sqlite)
    measured = isolate.monitor.metrics

    async def execute(sql: str, parameters: Any) -> Any:
        measured.database.observe(sql, 2.0)  # as a Worker does, whose database is measured
        return await sqlite.execute(sql, parameters)

    keeper = Aggregator(measured, lambda _env: execute)

    async def all_of_it() -> None:
        measured.requests.observe("/", "GET", 200, 0.1)
        await keeper.flush(None, "v1")
        await keeper.maintain(None, "v1")
        await keeper.total(None, "v1")
        await keeper.gather(None, "v1", hands.now - 60)
        await DatabaseAlertStore(keeper.execute(None) or execute).load()

    asyncio.run(all_of_it())
    whole = measured.total()
    own = whole.sketches[instruments.MONITOR_QUERIES.name]
    assert sum(sketch.count for sketch in own.values()) > 20
    assert instruments.QUERIES.name not in whole.sketches
    assert not whole.slow
