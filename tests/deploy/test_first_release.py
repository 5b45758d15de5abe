"""The first release anywhere: workers.dev, a custom domain, a route, no address, no account name.

Each address appears some time after it was opened, as on Cloudflare.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.support.house import House
from tests.support.twin_api import TwinApi

pytestmark = pytest.mark.slow

LATE = 3  # seconds after which an address appears
SOUND = "export default { fetch() { return new Response('sound') } }\n"
FAILING_THERE = """\
export default { fetch(request) {
  if (new URL(request.url).hostname === "127.0.0.1") throw new Error("not at this host");
  return new Response("sound");
} }
"""
OFF: dict[str, Any] = {"workers_dev": False, "preview_urls": False}
DOMAIN: dict[str, Any] = {
    "workers_dev": False,
    "routes": [{"pattern": "shop.example", "custom_domain": True}],
}
MINIMAL = "deploy:\n  worker: {{name: {name}, config: {name}/wrangler.json}}\n{more}"
UNPROVEN = "  verify: {unproven: allow}\n"


def place(house: House, name: str, code: str, more: str = "", **keys: Any) -> None:
    folder = house.root / name
    folder.mkdir(exist_ok=True)
    config = {"name": name, "main": "index.js", "compatibility_date": "2026-01-01", **keys}
    (folder / "wrangler.json").write_text(json.dumps(config))
    (folder / "index.js").write_text(code)
    (house.root / "invoke.yaml").write_text(MINIMAL.format(name=name, more=more))


@contextmanager
def late(house: House, method: str, path: str) -> Iterator[None]:
    """Let an address appear a while after the call that opens it."""
    house.inv("sandbox.up")
    words = ("--method", method, "--path", path, "--times", "9")
    house.inv("sandbox.fault", "cloudflare", f"spread:{LATE}", *words)
    try:
        yield
    finally:
        house.inv("sandbox.fault", "cloudflare", "off")


@pytest.mark.parametrize(
    ("name", "keys", "opening"),
    [
        ("first", {}, ("POST", "/first/subdomain$")),
        ("domain", DOMAIN, ("PUT", "/workers/domains$")),
        ("route", {"workers_dev": False, "route": "route.example/*"}, ("POST", "/routes$")),
    ],
)
def test_an_address_that_appears_later_is_waited_for(
    house: House, name: str, keys: dict[str, Any], opening: tuple[str, str]
) -> None:
    place(house, name, SOUND, **keys)
    with late(house, *opening):
        house.inv("deploy.local")
    assert requests.get(house.status["worker_url"], timeout=60).text == "sound"
    assert TwinApi(house.root).addresses(name)["workers.dev"] is (name == "first")


def test_a_worker_that_fails_at_its_domain_is_undone_with_nothing_left(house: House) -> None:
    domain = {**DOMAIN, "routes": [{"pattern": "broken.example", "custom_domain": True}]}
    consumer = {"consumers": [{"queue": "orders"}]}
    code = FAILING_THERE.replace("} }\n", "}, queue() {} }\n")
    place(house, "broken", code, **domain, queues=consumer, triggers={"crons": ["0 * * * *"]})
    ended = house.inv("deploy.local", check=False)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "everything was brought back to before" in ended.stderr
    assert "GET /: 500" in ended.stderr
    api = TwinApi(house.root)
    assert api.addresses("broken") == {"workers.dev": None, "domains": [], "routes": []}
    assert api.consumers("orders") == []


def test_one_without_any_address_is_verified_at_its_preview_host(house: House) -> None:
    place(house, "silent", SOUND, **OFF)
    house.inv("deploy.local")
    api, first = TwinApi(house.root), house.json("worker.status")["split"]
    assert api.addresses("silent") == {"workers.dev": False, "domains": [], "routes": []}
    assert "the Worker has no address" in house.inv("verify", check=False).stderr

    place(house, "silent", f"{SOUND}// changed\n", **OFF)
    refused = house.inv("worker", check=False)
    assert (refused.returncode, house.json("worker.status")["split"]) == (2, first)
    assert "preview URLs are off" in refused.stderr
    place(house, "silent", f"{SOUND}// changed\n", UNPROVEN, **OFF)
    assert "verify.unproven allows that" in house.inv("deploy.plan").stdout
    house.inv("worker")
    assert house.json("worker.status")["split"] != first


def test_an_account_without_a_name_under_workers_dev_is_told_so(house: House) -> None:
    place(house, "unnamed", SOUND, **DOMAIN)
    house.inv("sandbox.up")
    api = TwinApi(house.root)
    api.call("DELETE", "A/workers/subdomain")
    try:
        blocked = house.inv("deploy.local", check=False)
    finally:
        api.call("PUT", "A/workers/subdomain", {"subdomain": "sandbox"})
    assert blocked.returncode == 1
    assert "the account has no name under workers.dev" in blocked.stdout
    assert api.addresses("unnamed")["workers.dev"] is None
