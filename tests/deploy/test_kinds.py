"""Workers of several kinds, each through deploy, verify and rollback, on one twin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.templates import Shop
from tests.support.house import temporary_house

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KINDS: dict[str, dict[str, Any]] = {
    "what keeps its state": {
        "kv_namespaces": [{"binding": "KV", "id": "0123"}],
        "d1_databases": [{"binding": "DB", "database_id": "4567", "database_name": "shop"}],
        "durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Room"]}],
        "queues": {"producers": [{"binding": "JOBS", "queue": "jobs"}]},
        "workflows": [{"binding": "ORDERS", "name": "orders", "class_name": "Order"}],
    },
    "what others have": {
        "services": [
            {"binding": "SELF", "service": "kind"},
            {"binding": "OTHER", "service": "other"},
        ],
        "hyperdrive": [{"binding": "PG", "id": "89ab"}],
        "ai": {"binding": "AI"},
        "assets": {"binding": "ASSETS"},
    },
}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with temporary_house(forking=True) as house:
        yield Shop(house)


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_is_deployed_verified_and_rolled_back(
    shop: Shop, kind: str, tmp_path: Path
) -> None:
    configuration = {"name": "kind", "main": "index.ts", "compatibility_date": "2026-01-01"}
    (tmp_path / "wrangler.json").write_text(json.dumps(configuration | KINDS[kind]))
    (tmp_path / "package.json").write_text("{}")  # its code is a stub with the same classes
    assert shop.through(tmp_path) == ""
