"""Resources without an id: made by a release, taken back while they are empty, else kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import resources, worker
from xswarm_twin.edge.simulators import Answer

KV = {"kv_namespaces": [{"binding": "SESSION_CACHE"}]}
D1 = {"d1_databases": [{"binding": "DB", "database_name": "shop-orders"}]}
R2 = {"r2_buckets": [{"binding": "EU_FILES", "jurisdiction": "eu"}]}
QUEUE = {"queues": {"producers": [{"binding": "ORDERS", "queue": "orders"}]}}
TENANTS = {"dispatch_namespaces": [{"binding": "TENANTS", "namespace": "customers"}]}
Made = Callable[..., Site]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    running = Api(tmp_path / "account")
    running.edge.databases = tmp_path
    try:
        yield running
    finally:
        running.session.close()
        running.stop()


@pytest.fixture
def bound_to(api: Api, settings: Callable[..., Settings], tmp_path: Path) -> Made:
    """Return a Worker with these bindings in an account that has none of them."""

    def make(content: dict[str, Any], **more: str) -> Site:
        folder = tmp_path / "worker"
        folder.mkdir(exist_ok=True)
        for old in folder.glob("wrangler.*"):
            old.unlink()
        (folder / "wrangler.json").write_text(json.dumps({"name": "shop", **content}))
        project = {"worker": {"name": "shop", "config": "worker/wrangler.json"}}
        values = {
            "CLOUDFLARE_API_BASE_URL": api.base,
            "CLOUDFLARE_API_TOKEN": ACCOUNT.token,
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT.id,
            **more,
        }
        return Site(settings(project, **values), ReleaseState({"release": "r1"}))

    return make


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (KV, "KV namespace shop-session-cache"),
        (D1, "D1 database shop-orders"),
        (R2, "R2 bucket shop-eu-files"),
        (QUEUE, "queue orders"),
        (TENANTS, "dispatch namespace customers"),
    ],
)
def test_what_is_missing_is_made_once(bound_to: Made, content: dict[str, Any], told: str) -> None:
    site = bound_to(content)
    (change,) = resources.changes(site)
    assert change.resource == told
    worker.apply(site, change)
    worker.apply(site, change)  # as after a lost reply
    assert resources.changes(site) == []
    assert resources.is_there(site, resources.needed(site)[0])


@pytest.mark.parametrize("content", [KV, D1, R2])
def test_what_is_empty_is_taken_back(bound_to: Made, api: Api, content: dict[str, Any]) -> None:
    site = bound_to(content)
    (change,) = resources.changes(site)
    worker.apply(site, change)
    api.edge.answers.append(Answer(200, "OK", {}, b'{"keys": [], "list_complete": true}'))
    assert worker.undo(site, change, {}) == ""
    assert worker.undo(site, change, {}) == ""
    assert len(resources.changes(site)) == 1


def test_what_somebody_wrote_into_stays_and_that_is_said(bound_to: Made, api: Api) -> None:
    site = bound_to({**KV, **D1, **QUEUE, **TENANTS})
    changes = {change.resource: change for change in resources.changes(site)}
    for change in changes.values():
        worker.apply(site, change)
    database = site.cloudflare.d1_database("shop-orders")
    sql = {"sql": "CREATE TABLE orders (id)"}
    api.result("POST", f"A/d1/database/{database}/query", json=sql)
    api.edge.answers.append(Answer(200, "OK", {}, b'{"keys": [{"name": "a"}]}'))
    for name, change in changes.items():
        assert worker.undo(site, change, {}) == f"{name} stays: it may hold data"
    assert resources.changes(site) == []


def test_a_database_with_migrations_is_not_made(bound_to: Made, tmp_path: Path) -> None:
    site = bound_to(D1)
    assert len(resources.needed(site)) == 1
    file = tmp_path / "worker/migrations/0001_orders.sql"
    file.parent.mkdir()
    file.write_text("CREATE TABLE orders (id);")
    assert resources.needed(site) == []


def test_the_database_of_the_release_is_not_made(bound_to: Made) -> None:
    site = bound_to(D1, TURSO_DATABASE_URL="d1:DB")
    assert resources.needed(site) == []


def test_what_an_unnamed_namespace_asks_beside_its_name_is_not_dropped(bound_to: Made) -> None:
    listed = [{"binding": "TENANTS", "outbound": {"service": "gate"}}]
    assert resources.needed(bound_to({"dispatch_namespaces": listed})) == []
