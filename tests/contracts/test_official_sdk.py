"""Cloudflare's official SDK reads the twin's answers, and validates each by its own types."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_twin.edge.tails import Invocation
from xswarm_twin.edge.traces import Trace
from xswarm_twin.model import WorkerVersion

if TYPE_CHECKING:
    from cloudflare import Cloudflare

pytestmark = pytest.mark.slow

W = {"account_id": ACCOUNT.id, "script_name": "shop"}
A = {"account_id": ACCOUNT.id}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Return a stand-in with a Worker, and one of each that a Worker may use."""
    folder: Path = tmp_path_factory.mktemp("twin")
    made = Api(folder)
    made.worker()
    made.version()
    zone = made.result("POST", "/zones", json={"name": "example.com"})["id"]
    record = {"type": "A", "name": "www.example.com", "content": "192.0.2.1"}
    made.result("POST", f"/zones/{zone}/dns_records", json=record)
    route = {"pattern": "example.com/*", "script": "shop"}
    made.result("POST", f"/zones/{zone}/workers/routes", json=route)
    domain = {"hostname": "shop.example.com", "service": "shop", "zone_id": zone}
    made.result("PUT", "A/workers/domains", json=domain)
    queue = made.result("POST", "A/queues", json={"queue_name": "orders"})["queue_id"]
    consumer = {"type": "worker", "script_name": "shop"}
    made.result("POST", f"A/queues/{queue}/consumers", json=consumer)
    workflow = {"script_name": "shop", "class_name": "Billing"}
    made.result("PUT", "A/workflows/billing", json=workflow)
    made.result("POST", "A/r2/buckets", json={"name": "files"})
    index = {"name": "docs", "config": {"dimensions": 3, "metric": "cosine"}}
    made.result("POST", "A/vectorize/v2/indexes", json=index)
    certificate = {"name": "origin", "certificates": "-----BEGIN", "private_key": "k", "ca": False}
    made.result("POST", "A/mtls_certificates", json=certificate)
    made.result("POST", "A/pages/projects", json={"name": "site", "production_branch": "main"})
    on = {"observability": {"enabled": True}}
    made.result("PATCH", "A/workers/scripts/shop/script-settings", json=on)
    asked = WorkerVersion("v-1", "shop", 1, "", Path(), None, (), (), "2026-01-01")
    done = Invocation(asked, "GET", "http://shop/a", {}, "10.0.0.1", 500, "ok")
    said = Trace(({"level": "log", "message": ["hello"], "timestamp": time.time() * 1000},))
    made._loop.call_soon_threadsafe(made.twin.tails.publish, done, said)
    yield made
    made.session.close()
    made.stop()


@pytest.fixture(scope="module")
def sdk(api: Api) -> Iterator[Cloudflare]:
    from cloudflare import Cloudflare

    with Cloudflare(
        api_token=ACCOUNT.token,
        base_url=api.base,
        max_retries=0,
        timeout=60,
        _strict_response_validation=True,
    ) as client:
        yield client


def zone_of(sdk: Cloudflare) -> str:
    return next(iter(sdk.zones.list(name="example.com"))).id


def logged(sdk: Cloudflare) -> bool:
    """Ask what was logged, as the SDK builds the query; it reads lines and invocations alike."""
    now = int(time.time() * 1000)
    found = sdk.workers.observability.telemetry.query(
        account_id=ACCOUNT.id,
        query_id="x",
        timeframe={"from": now - 60_000, "to": now + 60_000},
        view="events",
        limit=10,
        parameters={
            "datasets": ["cloudflare-workers"],
            "filters": [
                {"key": "$metadata.service", "operation": "eq", "type": "string", "value": "shop"}
            ],
            # No needle: of one that is told back, the SDK's type takes no text (5.9).
        },
    )
    events = found.events.events if found and found.events else None
    return bool(events) and [each.metadata.message for each in events or ()] == [
        "GET http://shop/a",
        "hello",
    ]


READ: dict[str, Callable[[Any], Any]] = {
    "token": lambda sdk: sdk.user.tokens.verify().status == "active",
    "accounts": lambda sdk: list(sdk.accounts.list()),
    "scripts": lambda sdk: list(sdk.workers.scripts.list(**A)),
    "versions": lambda sdk: list(sdk.workers.scripts.versions.list(**W, deployable=True)),
    "script settings": lambda sdk: sdk.workers.scripts.settings.get(**W) is not None,
    "subdomain": lambda sdk: sdk.workers.scripts.subdomain.get(**W) is not None,
    "schedules": lambda sdk: sdk.workers.scripts.schedules.get(**W) is not None,
    "account subdomain": lambda sdk: sdk.workers.subdomains.get(**A).subdomain,
    "domains": lambda sdk: list(sdk.workers.domains.list(**A)),
    "routes": lambda sdk: list(sdk.workers.routes.list(zone_id=zone_of(sdk))),
    "records": lambda sdk: list(sdk.dns.records.list(zone_id=zone_of(sdk))),
    "logs": logged,
    "queues": lambda sdk: list(sdk.queues.list(**A)),
    "indexes": lambda sdk: sdk.vectorize.indexes.get("docs", **A).name,
    "all indexes": lambda sdk: list(sdk.vectorize.indexes.list(**A)),
    "certificates": lambda sdk: [
        sdk.mtls_certificates.get(one.id, **A).expires_on for one in sdk.mtls_certificates.list(**A)
    ],
    "workflows": lambda sdk: sdk.workflows.get("billing", **A).class_name,
    "projects": lambda sdk: list(sdk.pages.projects.list(**A)),
    "project": lambda sdk: sdk.pages.projects.get("site", **A).name,
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.timeout(30)  # a list whose pages do not end
def test_it_reads_what_the_twin_answers(sdk: Cloudflare, name: str) -> None:
    assert READ[name](sdk)
