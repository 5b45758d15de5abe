"""A service that is called at known times, with a database and a cron trigger."""

from __future__ import annotations

import asyncio

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import report
from xswarm_monitoring.aggregator import Aggregator
from xswarm_monitoring.metrics import Metrics

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
POINTS = 60


class Service:
    """A service that was called at known times, with a database and a cron trigger."""

    def __init__(self, hands: Hands, sqlite: SQLite) -> None:
        self.hands, self.times = hands, list[float]()
        self.metrics = Metrics(clock=hands.clock)
        self.keeper = Aggregator(self.metrics, lambda _env: sqlite.execute)

    def call(self, seconds: float = 0.1) -> None:
        self.metrics.tick(self.hands.now)
        self.metrics.requests.observe("/", "GET", 200, seconds)
        self.times.append(self.hands.now)

    def maintain(self) -> None:
        asyncio.run(self.keeper.maintain(None, "v"))

    def window(self, seconds: float) -> tuple[int, int, float, list[float | None]]:
        """Return the requests told, the true ones, the seconds told, and the points a second."""
        now = self.hands.now
        found = asyncio.run(self.keeper.gather(None, "v", now - seconds, step=seconds / POINTS))
        assert found.incomplete == ""
        told = report.report(found.frames, now - found.since, now)
        true = sum(1 for time in self.times if time >= found.since)
        points = report.timeline(found.frames, found.since, now, POINTS)
        rates = [point["per_second"] for point in points]
        return told["requests"]["total"], true, told["window_seconds"], rates


def steady(service: Service, every: float, lasting: float, maintained: float) -> None:
    """Call a service steadily, and let its cron trigger run now and then."""
    due = maintained
    for number in range(int(lasting / every)):
        service.call()
        if every >= MINUTE:
            asyncio.run(service.keeper.flush(None, "v"))
        service.hands.turn(every)
        if (number + 1) * every >= due:
            service.maintain()
            due += maintained
