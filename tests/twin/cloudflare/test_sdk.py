"""Cloudflare's own Python SDK pages through every list of the stand-in, and its pages end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from cloudflare import Cloudflare

from tests.twin.cloudflare.stand_in import ACCOUNT, Api

pytestmark = pytest.mark.slow

ID = ACCOUNT.id
LISTS: dict[str, Callable[[Cloudflare], Iterable[Any]]] = {
    "accounts": lambda client: client.accounts.list(),
    "memberships": lambda client: client.memberships.list(),
    "zones": lambda client: client.zones.list(),
    "scripts": lambda client: client.workers.scripts.list(account_id=ID),
    "kv namespaces": lambda client: client.kv.namespaces.list(account_id=ID),
    "d1 databases": lambda client: client.d1.database.list(account_id=ID),
    "queues": lambda client: client.queues.list(account_id=ID),
    "workflows": lambda client: client.workflows.list(account_id=ID),
    "hyperdrive": lambda client: client.hyperdrive.configs.list(account_id=ID),
    "dispatch namespaces": lambda client: client.workers_for_platforms.dispatch.namespaces.list(
        account_id=ID
    ),
    "objects": lambda client: client.durable_objects.namespaces.list(account_id=ID),
    "secret stores": lambda client: client.secrets_store.stores.list(account_id=ID),
    "pages": lambda client: client.pages.projects.list(account_id=ID),
}
MOST = 100


@pytest.fixture
def client(settled: Api) -> Cloudflare:
    return Cloudflare(api_token=ACCOUNT.token, base_url=settled.base, max_retries=0)


def test_every_list_ends(client: Cloudflare) -> None:
    for name, listed in LISTS.items():
        for count, _ in enumerate(listed(client)):
            assert count < MOST, f"the pages of {name} have no end"


def test_a_long_list_comes_in_pages(api: Api) -> None:
    for n in range(45):
        api.result("POST", "A/queues", json={"queue_name": f"q{n}"})
    for n in range(45):
        api.result("POST", "A/storage/kv/namespaces", json={"title": f"n{n}"})
    client = Cloudflare(api_token=ACCOUNT.token, base_url=api.base, max_retries=0)
    names = [queue.queue_name for queue in client.queues.list(account_id=ID)]
    assert sorted(map(str, names)) == sorted(f"q{n}" for n in range(45))
    titles = [one.title for one in client.kv.namespaces.list(per_page=20, account_id=ID)]
    assert sorted(titles) == sorted(f"n{n}" for n in range(45))
