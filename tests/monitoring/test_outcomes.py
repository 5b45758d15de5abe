from __future__ import annotations

import asyncio

import pytest

from tests.support.monitoring import Hands
from xswarm_monitoring import instruments
from xswarm_monitoring.answer import Request
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.health import Probe, Prober
from xswarm_monitoring.metrics import Metrics


def scraped(monitor: Monitor) -> dict[str, float]:
    """Return the samples of a scrape by their names and labels."""
    request = Request(None, {b"authorization": b"Bearer t"}, b"format=prometheus")
    answer = asyncio.run(monitor.endpoints.measured(request))
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def monitored(hands: Hands, metrics: Metrics, *probes: Probe) -> Monitor:
    async def app(_scope: object, _receive: object, _send: object) -> None:
        raise AssertionError

    return Monitor(
        app,
        service="s",
        admin_token=lambda _env: "t",
        probes=lambda _env: probes,
        metrics=metrics,
        prober=Prober(clock=hands.clock),
        clock=hands.clock,
    )


def test_counters_are_there_before_anything_is_counted(hands: Hands) -> None:
    metrics = Metrics(clock=hands.clock)
    metrics.declare(instruments.SIGNUPS, "web")
    metrics.declare(instruments.PAYMENTS, "EUR", "failed")
    found = scraped(monitored(hands, metrics))
    for series in (
        'http_requests_total{outcome="ok"}',
        'http_requests_total{outcome="client_error"}',
        'http_requests_total{outcome="error"}',
        'database_queries_total{outcome="error"}',
        'business_payments_total{outcome="failed"}',
        "metrics_flush_failures_total",
        'abuse_signs_total{sign="failed_logins"}',
        'abuse_signs_total{sign="rate_limited"}',
        'abuse_signs_total{sign="scans"}',
        'business_signups_total{source="web"}',
        'business_payment_amount_count{currency="EUR",outcome="failed"}',
    ):
        assert found[series] == 0
    with pytest.raises(ValueError, match="labels"):
        metrics.declare(instruments.SIGNUPS)


def test_outcomes_are_the_sums_of_what_was_measured(hands: Hands) -> None:
    metrics = Metrics(clock=hands.clock)
    for status in (200, 204, 302, 404, 429, 499, 500, 503, 503):
        metrics.requests.observe("/", "GET", status, 0.1)
    metrics.database.observe("SELECT 1", 0.1, failed=True)
    metrics.business.payment(1, "eur", succeeded=False)
    metrics.business.payment(1, "usd", succeeded=False)
    found = scraped(monitored(hands, metrics))
    by_outcome = [
        found[f'http_requests_total{{outcome="{outcome}"}}']
        for outcome in ("ok", "client_error", "error")
    ]
    assert by_outcome == [3, 3, 3]
    assert found['database_queries_total{outcome="error"}'] == 1
    assert found['business_payments_total{outcome="failed"}'] == 2


def test_a_scrape_asks_the_probes_and_waits_for_none_for_long(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xswarm_monitoring.endpoints._SCRAPE_PATIENCE", 0.05)
    works = True

    async def ask() -> None:
        if not works:
            raise PermissionError("HTTP 401")

    async def hang() -> None:
        await asyncio.sleep(60)

    probes = Probe("stripe", ask), Probe("mail", hang, critical=False, timeout=30.0)
    monitor = monitored(hands, Metrics(clock=hands.clock), *probes)
    assert scraped(monitor)['health_check_up{component="stripe"}'] == 1
    works = False
    hands.turn(11)
    found = scraped(monitor)
    assert found['health_check_up{component="stripe"}'] == 0
    assert found['health_check_up{component="mail"}'] == 0
    assert found['health_check_critical{component="stripe"}'] == 1
    assert found['health_check_critical{component="mail"}'] == 0


def test_signs_of_abuse_are_counted_by_their_thresholds_and_never_fewer(hands: Hands) -> None:
    """A counter that goes back is a restart to Prometheus, which adds what is left of it again."""
    metrics = Metrics(clock=hands.clock)
    for _ in range(3):
        metrics.abuse.failed_login()
        metrics.requests.observe("/login", "POST", 429, 0.1)
        metrics.requests.observe(instruments.NO_ROUTE, "GET", 404, 0.1)
        metrics.requests.observe(instruments.NO_ROUTE, "POST", 404, 0.1)
    metrics.seal()
    hands.turn(2 * instruments.STALE_AFTER)
    for number in range(2 * instruments.REQUESTS.limit):  # all others' places are taken
        metrics.requests.observe(f"/{number}", "GET", 200, 0.1)
        metrics.tick(hands.now)
        hands.turn(60)
    found = scraped(monitored(hands, metrics))
    signs = {"failed_logins": 3, "rate_limited": 3, "scans": 6, "forged_tokens": 0}
    for sign, number in signs.items():
        assert found[f'abuse_signs_total{{sign="{sign}"}}'] == number
