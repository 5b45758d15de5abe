"""What Prometheus makes of scrapes: promtool evaluates them, 15 simulated seconds apart."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

from tests.monitoring.measured.figure import Figure
from tests.support import promql
from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring.answer import Request
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.health import Probe, Prober
from xswarm_monitoring.metrics import Metrics

SCRAPE = 15
_P95 = "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[2m])))"


class Scraped:
    """Two isolates over one database, which an edge asks by turns; one may lose it."""

    def __init__(self) -> None:
        self.hands, self.sqlite = Hands(), SQLite()
        self.revoked = self.away = False
        self.scrapes: list[promql.Samples] = []
        self.isolates = [self._isolate() for _ in range(2)]

    def _isolate(self) -> Monitor:
        async def app(_scope: object, _receive: object, _send: object) -> None:
            raise AssertionError

        async def stripe() -> None:
            if self.revoked:
                raise PermissionError("HTTP 401")

        async def execute(sql: str, parameters: object) -> object:
            if self.away:
                raise ConnectionError("no answer")
            return await self.sqlite.execute(sql, parameters)  # type: ignore[arg-type]

        return Monitor(
            app,
            service="s",
            admin_token=lambda _env: "t",
            # As the reference Worker asks a provider: its answer is kept for a minute.
            probes=lambda _env: [Probe("stripe", stripe, critical=False, fresh=60.0)],
            execute=lambda _env: execute,  # type: ignore[arg-type, return-value]
            metrics=Metrics(clock=self.hands.clock),
            prober=Prober(clock=self.hands.clock),
            clock=self.hands.clock,
        )

    @property
    def metrics(self) -> Metrics:
        """What the first isolate measures by."""
        return self.isolates[0].metrics

    def scrape(self, times: int = 1) -> None:
        """Let Prometheus scrape, each time another isolate."""
        for _ in range(times):
            self.hands.turn(SCRAPE)
            endpoints = self.isolates[len(self.scrapes) % 2].endpoints
            asked = Request(None, {b"authorization": b"Bearer t"}, b"format=prometheus")
            answer = asyncio.run(endpoints.measured(asked))
            text = answer.body.decode() if answer.status == 200 else ""
            self.scrapes.append(promql.samples(text))

    def flush(self, isolate: int = 0) -> None:
        """Let an isolate write what it measured, where it can."""
        asyncio.run(self.isolates[isolate]._flush(None))

    def query(self, expression: str) -> float:
        """Return the one value of an expression at the last scrape."""
        values = list(promql.query(self.scrapes, expression, SCRAPE).values())
        return values[0] if values else 0.0


def figures() -> Iterator[Figure]:
    """Measure each."""
    yield first_burst()
    yield quantile()
    yield revoked_key()
    yield failed_flushes()


def first_burst() -> Figure:
    """Let the first payments fail, and the first requests, between two scrapes."""
    scraped = Scraped()
    scraped.scrape(3)
    for number in range(45):
        scraped.metrics.business.payment(29.0, "eur", succeeded=number >= 14)
    for _ in range(30):
        scraped.isolates[1].metrics.requests.observe("/", "GET", 503, 0.1)
    scraped.flush(1)
    scraped.scrape(2)
    failed = scraped.query('increase(business_payments_total{outcome="failed"}[1m])')
    errors = scraped.query(
        'sum(increase(http_requests_total{outcome="error"}[1m]))'
        " / sum(increase(http_requests_total[1m]))"
    )
    return Figure(
        "a first burst: 14 of 45 payments fail, 30 × 503",
        "`increase` 0, error ratio 0",
        f"`increase` {failed:.0f}, error ratio {errors:g}",
        round(failed) >= 14 and errors == 1,
    )


def quantile() -> Figure:
    """Compare Prometheus' p95 with that of the times themselves."""
    worst = 0.0
    for median in (0.02, 0.3, 1.1):
        scraped, chance = Scraped(), random.Random(3)
        times = [median * chance.lognormvariate(0, 0.5) for _ in range(5000)]
        scraped.metrics.requests.observe("/", "GET", 200, times[0])
        scraped.scrape(2)
        for seconds in times:
            scraped.metrics.requests.observe("/", "GET", 200, seconds)
        scraped.flush()
        scraped.scrape(2)
        true = sorted(times)[int(0.95 * len(times))]
        worst = max(worst, abs(scraped.query(_P95) / true - 1))
    return Figure("Prometheus' p95", "18 % high", f"{worst:.1%} off at worst", worst <= 0.05)


def revoked_key() -> Figure:
    """Revoke a provider's key, and wait for the gauge, with two isolates and no cron."""
    scraped, gauge = Scraped(), 'health_check_up{component="stripe"}'
    scraped.scrape(10)
    scraped.revoked = True
    scraped.scrape(30)
    values = [each.get(gauge) for each in scraped.scrapes]
    down = next((n for n, value in enumerate(values) if n >= 10 and value == 0.0), 0)
    stays = all(value == 0.0 for value in values[down + 5 :])
    lacking = values.count(None)
    return Figure(
        "a revoked key, two isolates, no cron",
        "gauge 1 for ever; 20 of 40 scrapes lack it",
        f"gauge 0 after {(down - 9) * SCRAPE} s; {lacking} of 40 lack it",
        10 <= down < 15 and stays and lacking == 0,
    )


def failed_flushes() -> Figure:
    """Let flushes fail for a minute, and ask the rule's expression then and later."""
    scraped, rule = Scraped(), "increase(metrics_flush_failures_total[5m]) > 0"
    scraped.scrape(2)
    scraped.away = True
    for _ in range(4):
        scraped.metrics.requests.observe("/", "GET", 200, 0.1)
        scraped.flush()
        scraped.hands.turn(SCRAPE)
    scraped.away = False
    scraped.scrape(2)
    due = scraped.query(rule)
    scraped.scrape(22)
    later = scraped.query(rule)
    return Figure(
        "flushes fail for a minute",
        "`metrics-not-flushed` never clears",
        f"due ({due:.0f} failures), cleared six minutes later",
        due > 0 and later == 0,
    )
