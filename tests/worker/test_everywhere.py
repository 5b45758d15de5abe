"""The monitor over HTTP, the same on both hosts: uvicorn here, and Pyodide with the real SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from tests.support.signatures import stripe_header
from tests.worker.isolate import SECRETS
from tests.worker.runtime import SCHEDULED, Worker, on_uvicorn, wait_for
from tests.worker.world import PROVIDERS, World, forget_measures
from xswarm_deploy.database.client import Database

pytestmark = pytest.mark.slow

ADMIN = {"authorization": f"Bearer {SECRETS['ADMIN_TOKEN']}"}
COMPONENTS = {"database", "storage", "configuration", *PROVIDERS.values()}


@pytest.fixture(scope="module", params=["uvicorn", "pyodide"])
def host(
    request: pytest.FixtureRequest, everything: dict[str, str], home: Database
) -> Iterator[Worker]:
    """The Worker on one of its hosts."""
    forget_measures(home)
    if request.param == "pyodide":
        yield request.getfixturevalue("worker")
        return
    with on_uvicorn(everything) as served:
        yield served


def fire(host: Worker, at: float) -> None:
    """Let the cron trigger fire."""
    answer = host.ask("GET", f"{SCHEDULED}?cron=*+*+*+*+*&time={int(at * 1000)}")
    assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health/detailed"])
def test_health(host: Worker, path: str) -> None:
    # Pyodide has the Worker's own time limits: what a busy machine was late for is asked again.
    wait_for(lambda: host.ask("GET", path).json()["status"] == "pass", 120)
    answer = host.ask("GET", path)
    assert (answer.status, answer.header("content-type")) == (200, "application/health+json")
    told = answer.json()
    assert {"timestamp", "service", "version"} <= told.keys()
    assert "checks" not in told
    assert host.ask("POST", path).status == 405


def test_details_are_for_administrators(host: Worker) -> None:
    told = host.ask("GET", "/health/detailed", headers=ADMIN).json()
    assert {name.partition(":")[0] for name in told["checks"]} == COMPONENTS
    assert told["system"]["runtime"].startswith("cpython 3.")
    assert not [secret for secret in SECRETS.values() if secret in json.dumps(told)]
    assert host.ask("GET", "/api/metrics").status == 401
    assert host.ask("POST", "/api/metrics/tail", b"[]").status == 401


def measured(host: Worker) -> tuple[int, int, int]:
    """Return how many asked for an attachment, for what there is not, and the queries of all."""
    told = host.ask("GET", "/api/metrics?window=5m&points=5", headers=ADMIN).json()
    assert (told["scope"], told["incomplete"], len(told["timeline"])) == ("all", "", 5)
    attachments, unmatched = "/api/suggestions/{id}/attachment", "(unmatched)"
    routes = told["requests"]["routes"]  # one for each method
    return (
        sum(one["total"] for one in routes if one["route"] == attachments),
        sum(one["client_errors"] for one in routes if one["route"] == unmatched),
        told["database"]["queries"],
    )


def test_requests_are_measured_by_route(host: Worker) -> None:
    attachments, unmatched, queries = measured(host)
    assert host.ask("GET", "/api/buzz").status == 200
    for number in range(3):
        host.ask("GET", f"/api/suggestions/{number}/attachment")
        host.ask("GET", f"/no/such/{number}")
    # A query each for the listing and the attachments; the monitor's own are none of them.
    assert measured(host) == (attachments + 3, unmatched + 3, queries + 4)


def test_prometheus_reads_both_formats(host: Worker) -> None:
    host.ask("GET", "/")
    for kind, read in (("prometheus", prometheus), ("openmetrics", openmetrics)):
        text = host.ask("GET", f"/api/metrics?format={kind}", headers=ADMIN).body.decode()
        names = {family.name for family in read(text)}
        assert any(name.startswith("http_request") for name in names), names
        up = [line for line in text.splitlines() if line.startswith("health_check_up{")]
        assert len(up) == len(COMPONENTS)


def test_a_request_is_found_by_its_id(host: Worker) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    told = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "x-request-id": "mine-1"}
    assert host.ask("GET", "/api/health", headers=told).header("x-request-id") == "mine-1"
    assert host.ask("GET", "/api/health").header("x-request-id")


def test_a_cron_trigger_tells_people_of_what_is_wrong(
    host: Worker, outside: World, home: Database
) -> None:
    forget_measures(home)
    outside.told.clear()
    event = {
        "outcome": "exception",
        "wallTime": 12,
        "event": {"request": {"url": "https://js.example/api/pay/7", "method": "POST"}},
    }
    sent = host.ask("POST", "/api/metrics/tail", json.dumps([event] * 40).encode(), ADMIN)
    assert sent.json() == {"counted": 40, "passed_over": 0}
    now = time.time()
    fire(host, now)
    assert outside.told == []
    fire(host, now + 60)
    assert outside.heard("of requests fail (threshold 5%)") == ["email", "slack"]
    fire(host, now + 120)
    assert len(outside.told) == 2
    rows = home.query("SELECT data FROM monitoring_windows")
    assert any("/api/pay/:num" in row.text("data") for row in rows)


def test_an_event_is_told_after_its_answer(host: Worker, outside: World) -> None:
    outside.told.clear()
    body = json.dumps(
        {
            "id": f"evt_{time.time_ns()}",
            "type": "invoice.payment_failed",
            "created": 1_700_000_000,
            "data": {"object": {"amount_due": 4200, "currency": "eur", "customer": "cus_1"}},
        }
    ).encode()
    signature = stripe_header(body, SECRETS["STRIPE_WEBHOOK_SECRET"], int(time.time()))
    answer = host.ask("POST", "/stripe/webhook", body, {"stripe-signature": signature})
    assert answer.status == 200
    wait_for(lambda: outside.heard("A payment of 42.00 EUR failed") == ["email", "slack"])
