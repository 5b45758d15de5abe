"""What belongs to no version, by whole releases on the twin: set, undone, brought back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.house import House
from tests.support.twin_api import TwinApi

pytestmark = pytest.mark.slow

NAME = "shop"
CODE = """\
export class Room {}
export default { fetch() { return new Response("hello", { status: STATUS }); }, queue() {} };
"""
FIRST: dict[str, Any] = {
    "name": NAME,
    "main": "index.js",
    "compatibility_date": "2026-01-01",
    "workers_dev": False,
    "routes": ["shop.example/*"],
    "observability": {"enabled": True},
    "queues": {"consumers": [{"queue": "orders", "max_batch_size": 5}]},
}
SECOND: dict[str, Any] = {
    **FIRST,
    "workers_dev": True,
    "routes": ["shop.example/new/*"],
    "logpush": True,
    "queues": {},
}


def write(house: House, keys: dict[str, Any], status: int = 200) -> None:
    folder = house.root / NAME
    folder.mkdir(exist_ok=True)
    (folder / "index.js").write_text(CODE.replace("STATUS", str(status)))
    (folder / "wrangler.json").write_text(json.dumps(keys))
    minimal = f"deploy:\n  worker: {{name: {NAME}, config: {NAME}/wrangler.json}}\n"
    (house.root / "invoke.yaml").write_text(minimal)


def state(house: House) -> dict[str, Any]:
    """Ask the twin's API for what it holds of the Worker."""
    api, script = TwinApi(house.root), f"A/workers/scripts/{NAME}"
    return {
        "settings": api.call("GET", f"{script}/script-settings"),
        "subdomain": api.call("GET", f"{script}/subdomain"),
        "routes": api.addresses(NAME)["routes"],
        "consumed": [one["queue_name"] for one in api.call("GET", "A/queues") if one["consumers"]],
    }


def live(house: House) -> str:
    return str(next(one["version"] for one in house.releases() if one["live"]))


def test_a_worker_without_workers_dev_is_released_undone_and_brought_back(house: House) -> None:
    write(house, FIRST)
    house.inv("deploy.local")
    first, version = state(house), live(house)
    assert first["settings"]["observability"] == {"enabled": True}
    assert first["subdomain"] == {"enabled": False, "previews_enabled": False}
    assert (first["routes"], first["consumed"]) == (["shop.example/*"], ["orders"])

    write(house, SECOND, status=500)  # never good: nothing beside it is touched
    assert house.inv("deploy.local", check=False).returncode == 3
    assert state(house) == first

    write(house, SECOND)
    planned = house.json("deploy.plan")["changes"]
    named = [change["action"] for change in planned if change["step"] == "worker"]
    assert named[-4:] == ["settings", "consumers", "routes", "subdomain"]
    house.inv("deploy.local")
    second = state(house)
    assert second["settings"]["logpush"] is True
    assert second["subdomain"] == {"enabled": True, "previews_enabled": True}
    assert (second["routes"], second["consumed"]) == (["shop.example/new/*"], [])

    house.inv("rollback", "--version", version, "--yes")
    back = state(house)
    assert (back["subdomain"], back["routes"]) == (first["subdomain"], first["routes"])
    assert back["consumed"] == first["consumed"]


def test_a_durable_object_migration_is_told_applied_and_not_gone_back_across(
    house: House,
) -> None:
    write(house, SECOND)
    house.inv("deploy.local")
    before = live(house)
    write(house, {**SECOND, "migrations": [{"tag": "v1", "new_sqlite_classes": ["Room"]}]})
    planned = house.json("deploy.plan")
    assert "Durable Object migration (none) → v1" in planned["irreversible"][0]["resource"]
    house.inv("deploy.local")
    assert live(house) != before
    refused = house.inv("rollback", "--version", before, "--yes", check=False)
    assert refused.returncode == 2
    assert "Durable Object migration 'v1' was applied since" in refused.stderr
    actions = [change["action"] for change in house.json("deploy.plan")["changes"]]
    assert "replace" not in actions
    assert "shift" in actions
