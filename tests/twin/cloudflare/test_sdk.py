"""Cloudflare's own Python SDK pages through every list of the stand-in, and its pages end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import pytest
from cloudflare import Cloudflare

from tests.twin.cloudflare.stand_in import ACCOUNT, Api

pytestmark = pytest.mark.slow

ID = ACCOUNT.id
MANY = 45
"""More than two pages of the usual twenty."""
ONE: dict[str, Callable[[Cloudflare], Iterable[Any]]] = {
    "accounts": lambda client: client.accounts.list(),
    "memberships": lambda client: client.memberships.list(),
    "deployments": lambda client: client.workers.scripts.deployments.list("shop", account_id=ID),
    "secrets": lambda client: client.workers.scripts.secrets.list("shop", account_id=ID),
    "workflows": lambda client: client.workflows.list(account_id=ID),
    "objects": lambda client: client.durable_objects.namespaces.list(account_id=ID),
    "secret stores": lambda client: client.secrets_store.stores.list(account_id=ID),
    "pages": lambda client: client.pages.projects.list(account_id=ID),
    "pages deployments": lambda client: client.pages.projects.deployments.list(
        "site", account_id=ID
    ),
}
"""Lists of few entries or none: their pages end."""


@pytest.fixture
def client(settled: Api) -> Cloudflare:
    return Cloudflare(api_token=ACCOUNT.token, base_url=settled.base, max_retries=0)


def test_every_list_ends(client: Cloudflare) -> None:
    for name, listed in ONE.items():
        for count, _ in enumerate(listed(client)):
            assert count < MANY, f"the pages of {name} have no end"


def test_every_long_list_comes_whole(api: Api) -> None:
    client = cast(Any, Cloudflare(api_token=ACCOUNT.token, base_url=api.base, max_retries=0))
    for name, wanted, listed in _long_lists(api, client):
        found = [one for _, one in zip(range(3 * MANY), listed, strict=False)]
        assert len(found) == wanted, name


def _long_lists(api: Api, client: Any) -> Iterator[tuple[str, int, Iterable[Any]]]:
    """Make many of each kind; yield its name, how many there are, and the SDK's list."""
    zone = api.result("POST", "/zones", json={"name": "shop.test"})["id"]
    for n in range(MANY):
        api.worker(f"shop{n}")
        api.result("POST", "A/queues", json={"queue_name": f"q{n}"})
        api.result("POST", "A/storage/kv/namespaces", json={"title": f"n{n}"})
        api.result("POST", "A/d1/database", json={"name": f"d{n}"})
        api.result("POST", "A/workers/dispatch/namespaces", json={"name": f"w{n}"})
        api.result("PUT", f"A/workflows/flow{n}", json={"script_name": "shop0", "class_name": "F"})
        route = {"pattern": f"shop.test/{n}/*", "script": f"shop{n}"}
        api.result("POST", f"/zones/{zone}/workers/routes", json=route)
        host = {"hostname": f"h{n}.shop.test", "service": "shop0", "zone_id": zone}
        api.result("PUT", "A/workers/domains", json=host)
        record = {"type": "A", "name": f"a{n}.shop.test", "content": "192.0.2.1"}
        api.result("POST", f"/zones/{zone}/dns_records", json=record)
    scripts = client.workers.scripts
    yield "scripts", MANY, scripts.list(account_id=ID)
    yield "workers", MANY, client.workers.beta.workers.list(account_id=ID)
    yield "queues", MANY, client.queues.list(account_id=ID)
    yield "kv namespaces", MANY, client.kv.namespaces.list(account_id=ID)
    yield "d1 databases", MANY, client.d1.database.list(account_id=ID)
    dispatch = client.workers_for_platforms.dispatch
    yield "dispatch namespaces", MANY, dispatch.namespaces.list(account_id=ID)
    yield "workflows", MANY, client.workflows.list(account_id=ID)
    yield "routes", MANY, client.workers.routes.list(zone_id=zone)
    yield "domains", MANY, client.workers.domains.list(account_id=ID)
    yield "dns records", MANY, client.dns.records.list(zone_id=zone)
    yield "zones", 1, client.zones.list()
    yield from _of_a_bucket_and_a_worker(api, client)


def _of_a_bucket_and_a_worker(api: Api, client: Any) -> Iterator[tuple[str, int, Iterable[Any]]]:
    api.result("POST", "A/r2/buckets", json={"name": "files"})
    api.result("POST", "A/secrets_store/stores", json={"name": "kept"})
    (store,) = api.result("GET", "A/secrets_store/stores")
    for n in range(MANY):
        api.result("PUT", f"A/r2/buckets/files/objects/k{n}", data=b"x")
        secret = [{"name": f"S{n}", "value": "x", "scopes": ["workers"]}]
        api.result("POST", f"A/secrets_store/stores/{store['id']}/secrets", json=secret)
        api.version("shop0")
        origin = {"scheme": "postgres", "host": "h", "database": "d", "user": "u", "password": "p"}
        api.result("POST", "A/hyperdrive/configs", json={"name": f"h{n}", "origin": origin})
    yield "objects of a bucket", MANY, client.r2.buckets.objects.list("files", account_id=ID)
    kept = client.secrets_store.stores.secrets.list(store["id"], account_id=ID)
    yield "secrets of a store", MANY, kept
    versions = client.workers.scripts.versions.list("shop0", account_id=ID)
    yield "versions", MANY + 1, versions
    yield "hyperdrive", MANY, client.hyperdrive.configs.list(account_id=ID)
    yield "versions of a workflow", MANY + 1, client.workflows.versions.list("flow0", account_id=ID)
