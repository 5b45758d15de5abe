from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import instruments, window
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.incident import Impact, Incident, Incidents, Update
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.storage import Storage
from xswarm_monitoring.tables import Execute
from xswarm_monitoring.uptime import Uptime
from xswarm_monitoring.window import SlowQuery, Window


class Lost(Exception):
    """A reply that did not come."""


def unreliable(execute: Execute, chance: random.Random, share: float) -> Execute:
    """Lose some statements before they are run, and as many replies after."""

    async def run(sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        if chance.random() < share:
            raise Lost
        answer = await execute(sql, parameters)
        if chance.random() < share:
            raise Lost
        return answer

    return run


def storage(sqlite: SQLite, instance: str = "a") -> Storage:
    made = Storage(sqlite.execute, instance=instance)
    asyncio.run(made.prepare())
    return made


def durations(total: Window) -> dict[tuple[str, ...], int]:
    series = total.sketches.get(instruments.REQUESTS.name, {})
    return {labels: sketch.count for labels, sketch in series.items()}


def observe(measured: Metrics, times: int = 1, route: str = "/", seconds: float = 0.1) -> None:
    measured.tick(measured.clock.timer())
    for _ in range(times):
        measured.requests.observe(route, "GET", 200, seconds)


def test_what_was_flushed_is_read_back(hands: Hands, sqlite: SQLite) -> None:
    kept, measured = storage(sqlite), Metrics(clock=hands.clock)
    observe(measured, 3)
    hands.turn(5)
    assert asyncio.run(kept.flush(measured, "v1")) == 1
    assert asyncio.run(kept.flush(measured, "v1")) == 0
    (read,) = asyncio.run(kept.read(hands.now - 60, hands.now))
    assert durations(read) == {("/", "GET", "200"): 3}
    assert asyncio.run(kept.read(hands.now + 1, hands.now + 60)) == []


def test_a_flush_whose_reply_was_lost_is_repeated_and_counts_once(
    hands: Hands, sqlite: SQLite
) -> None:
    storage(sqlite)
    chance = random.Random(3)
    kept = Storage(unreliable(sqlite.execute, chance, 0.3), instance="a")
    measured = Metrics(clock=hands.clock)
    observed = lost = 0
    for _ in range(200):
        observe(measured, 5)
        observed += 5
        hands.turn(10)
        try:
            asyncio.run(kept.flush(measured, "v1"))
        except Lost:
            lost += 1
    asyncio.run(Storage(sqlite.execute, instance="a").flush(measured, "v1"))
    assert lost > 50
    total = asyncio.run(storage(sqlite).total())
    assert durations(total) == {("/", "GET", "200"): observed}


def test_a_late_repetition_after_compaction_counts_once(hands: Hands, sqlite: SQLite) -> None:
    kept, measured = storage(sqlite), Metrics(clock=hands.clock)
    observe(measured, 7)
    repeated = measured.unflushed()
    asyncio.run(kept.flush(measured, "v1"))
    asyncio.run(kept.compact(hands.now + 10_000))
    measured._unflushed.extend(repeated)
    asyncio.run(kept.flush(measured, "v1"))
    assert durations(asyncio.run(kept.total())) == {("/", "GET", "200"): 7}


def test_two_flushes_at_once_count_once(hands: Hands, sqlite: SQLite) -> None:
    kept, measured = storage(sqlite), Metrics(clock=hands.clock)
    observe(measured, 7)

    async def both() -> None:
        await asyncio.gather(kept.flush(measured, "v1"), kept.flush(measured, "v1"))

    asyncio.run(both())
    assert durations(asyncio.run(kept.total())) == {("/", "GET", "200"): 7}


@pytest.mark.slow
def test_compaction_makes_few_rows_of_many_and_keeps_every_count(
    hands: Hands, sqlite: SQLite
) -> None:
    isolates = [(storage(sqlite, str(n)), Metrics(clock=hands.clock)) for n in range(4)]
    observed = 0
    for minute in range(3 * 60):
        for kept, measured in isolates:
            observe(measured, 2, f"/{minute % 3}")
            observed += 2
            asyncio.run(kept.flush(measured, "v1"))
        hands.turn(60)
        asyncio.run(isolates[0][0].compact(hands.now))
    assert sqlite.connection.execute("SELECT COUNT(*) FROM monitoring_frames").fetchone() == (0,)
    counted = "SELECT width, COUNT(*) FROM monitoring_windows WHERE merged = 0 GROUP BY 1"
    counts = dict(sqlite.connection.execute(counted).fetchall())
    assert counts[0] <= 4
    assert counts[60] <= 10
    assert counts[3600] in (2, 3)
    total = asyncio.run(isolates[0][0].total())
    assert sum(durations(total).values()) == observed
    hands.turn(500 * 86400)
    for _ in range(2):
        asyncio.run(isolates[0][0].compact(hands.now))
    assert sqlite.connection.execute("SELECT * FROM monitoring_windows").fetchall() == []
    assert durations(asyncio.run(isolates[0][0].total())) == durations(total)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_compactions_at_once_that_fail_anywhere_neither_lose_nor_double(
    hands: Hands, sqlite: SQLite, seed: int
) -> None:
    chance = random.Random(seed)
    storage(sqlite)

    async def pausing(sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        return await unreliable(sqlite.execute, chance, 0.1)(sql, parameters)

    isolates = [(Storage(pausing, instance=str(n)), Metrics(clock=hands.clock)) for n in range(3)]

    async def attempt(kept: Storage, measured: Metrics) -> None:
        for action in (kept.flush(measured, "v"), kept.compact(hands.now)):
            try:
                await action
            except Lost:
                continue

    async def story() -> int:
        observed = 0
        for _ in range(40):
            for _, measured in isolates:
                observe(measured, 3)
                observed += 3
            await asyncio.gather(*(attempt(kept, measured) for kept, measured in isolates))
            hands.turn(chance.choice([5, 40, 200]))
        for kept, measured in isolates:
            await Storage(sqlite.execute, instance=kept.instance).flush(measured, "v")
        return observed

    observed = asyncio.run(story())
    total = asyncio.run(Storage(sqlite.execute, instance="reader").total())
    assert durations(total) == {("/", "GET", "200"): observed}


class Evictable:
    """An isolate behind the monitor, and when its requests came that were not flushed yet."""

    def __init__(self, hands: Hands, sqlite: SQLite) -> None:
        self.hands, self.unflushed = hands, list[float]()
        self.flushing: list[Coroutine[Any, Any, None]] = []
        self.monitor = Monitor(
            self.answered,
            service="s",
            clock=hands.clock,
            execute=lambda _env: sqlite.execute,
            defer=self.flushing.append,
        )

    @property
    def span(self) -> float:
        return self.unflushed[-1] - self.unflushed[0]

    async def answered(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def answer(self) -> None:
        async def ignore(_message: Any = None) -> Any:
            return None

        scope = {"type": "http", "path": "/", "method": "GET", "headers": []}
        await self.monitor(scope, ignore, ignore)
        self.unflushed.append(self.hands.now)
        while self.flushing:
            await self.flushing.pop()
            self.unflushed.clear()


@pytest.mark.slow
def test_forty_isolates_of_which_some_are_evicted_agree_with_the_raw_data(
    hands: Hands, sqlite: SQLite
) -> None:
    chance = random.Random(11)
    storage(sqlite)
    flushed: list[float] = []
    waiting: dict[str, list[float]] = {}
    isolates: dict[str, Metrics] = {}
    evicted_before_flush = born = 0
    for _ in range(60):
        while len(isolates) < 40:
            born += 1
            isolates[f"i{born}"], waiting[f"i{born}"] = Metrics(clock=hands.clock), []
        for name, measured in list(isolates.items()):
            for _ in range(chance.randrange(6)):
                seconds = chance.lognormvariate(-3, 1)
                measured.tick(hands.now)
                measured.requests.observe("/", "GET", 200, seconds)
                waiting[name].append(seconds)
            if chance.random() < 0.05:  # evicted with all that it had not flushed
                evicted_before_flush += len(waiting.pop(name))
                del isolates[name]
            elif chance.random() < 0.5:
                asyncio.run(Storage(sqlite.execute, instance=name).flush(measured, "v"))
                flushed += waiting[name]
                waiting[name] = []
        hands.turn(15)
        asyncio.run(Storage(sqlite.execute, instance="cron").compact(hands.now))
    merged = asyncio.run(Storage(sqlite.execute, instance="reader").total())
    sketch = merged.sketches[instruments.REQUESTS.name]["/", "GET", "200"]
    assert evicted_before_flush > 0
    assert sketch.count == len(flushed)
    assert sketch.maximum == max(flushed)
    for q in (0.5, 0.95, 0.99):
        truth = sorted(flushed)[int(q * (len(flushed) - 1))]
        assert sketch.quantile(q) == pytest.approx(truth, rel=0.01)


@pytest.mark.slow
def test_an_eviction_loses_less_than_half_a_minute_of_its_own_traffic(
    hands: Hands, sqlite: SQLite
) -> None:
    chance = random.Random(5)
    sent, lost, spans = 0, 0, list[float]()

    async def story() -> None:
        nonlocal sent, lost
        isolates = [Evictable(hands, sqlite) for _ in range(40)]
        for _ in range(300):
            hands.turn(1)
            for place, isolate in enumerate(isolates):
                if chance.random() < 0.5:
                    await isolate.answer()
                    sent += 1
                if chance.random() < 0.005:
                    lost += len(isolate.unflushed)
                    spans.extend([isolate.span] if isolate.unflushed else [])
                    isolates[place] = Evictable(hands, sqlite)
        for isolate in isolates:
            await isolate.monitor.maintain()

    asyncio.run(story())
    merged = asyncio.run(Storage(sqlite.execute, instance="reader").total())
    counted = sum(sketch.count for sketch in merged.sketches[instruments.REQUESTS.name].values())
    assert counted == sent - lost
    assert len(spans) > 40
    assert max(spans) < 30
    assert 0 < lost / sent < 0.1


def test_versions_are_told_apart_and_their_first_sight_marks_a_release(
    hands: Hands, sqlite: SQLite
) -> None:
    kept, measured = storage(sqlite), Metrics(clock=hands.clock)
    before = hands.now - 1
    for version in ("v1", "v2"):
        observe(measured, 2 if version == "v1" else 5)
        asyncio.run(kept.flush(measured, version))
        hands.turn(100)
    found = asyncio.run(kept.read(before, hands.now, "v2"))
    assert durations(window.merge(found, 0, 0)) == {("/", "GET", "200"): 5}
    assert [each.version for each in asyncio.run(kept.releases(before))] == ["v1", "v2"]
    assert [each.version for each in asyncio.run(kept.releases(before + 50))] == ["v2"]


def test_instances_that_are_long_gone_are_forgotten(hands: Hands, sqlite: SQLite) -> None:
    kept, measured = storage(sqlite), Metrics(clock=hands.clock)
    observe(measured)
    asyncio.run(kept.flush(measured, "v1"))
    asyncio.run(kept.compact(hands.now + 2 * 86400))
    assert sqlite.connection.execute("SELECT * FROM monitoring_flushed").fetchall() == []


def test_a_flush_writes_one_row_and_a_few_flushes_are_counted_at_once(
    hands: Hands, sqlite: SQLite
) -> None:
    kept, measured = storage(sqlite), Metrics(clock=hands.clock)
    for number in range(1, 20):
        for _ in range(3):  # thirty seconds that begin in one minute and end in another
            hands.turn(11)
            observe(measured)
        before = sqlite.connection.total_changes
        assert asyncio.run(kept.flush(measured, "v1")) == 1
        assert sqlite.connection.total_changes - before == 2  # its row, and its number
        assert (
            len(sqlite.connection.execute("SELECT 1 FROM monitoring_frames").fetchall()) == number
        )
    hands.turn(11)
    observe(measured)
    asyncio.run(kept.flush(measured, "v1"))
    assert not sqlite.connection.execute("SELECT 1 FROM monitoring_frames").fetchall()
    sqlite.statements.clear()
    assert durations(asyncio.run(kept.total())) == {("/", "GET", "200"): 58}
    assert len(sqlite.statements) == 1


def test_what_a_later_version_keeps_more_of_is_read(sqlite: SQLite, hands: Hands) -> None:
    """A rollback of the Worker leaves its rows, which are read for days."""
    slow = [SlowQuery("SELECT 1", 1.5, 7, 9.0, "r-1")]
    body = json.loads(Window(1.0, 2.0, slow=slow).dump())
    body["slow"] = [[*query, "a plan", {}] for query in body["slow"]]
    assert window.load(json.dumps(body | {"later": 1})).slow == slow

    uptime = Uptime(sqlite.execute)
    assert asyncio.run(uptime.record({"database": "pass"}, hands.now, "w"))
    before = asyncio.run(uptime.read(hands.now, 1))
    sqlite.connection.execute(
        "UPDATE monitoring_uptime SET data ="
        " json_insert(data, '$.database[3].w[#]', 5, '$.database[#]', 'x')"
    )
    assert asyncio.run(uptime.read(hands.now, 1)) == before

    incidents, said = Incidents(sqlite.execute), (Update(1.0, "investigating", "We look."),)
    asyncio.run(incidents.prepare())
    asyncio.run(incidents.add(Incident("Slow", Impact.MINOR, ("worker",), 1.0, said)))
    sqlite.connection.execute(
        "UPDATE monitoring_incidents SET data = json_insert(data, '$.updates[0][#]', 'Ann')"
    )
    (found,) = asyncio.run(incidents.recent(0))
    assert found.updates == said
