"""Cloudflare blocks all calls for a while, as it does to who made too many: wholly old, or new.

``BLOCK_SECONDS`` says for how long; the suite takes a short block, Cloudflare's own is 300.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.support.house import House

SECONDS = int(os.environ.get("BLOCK_SECONDS", "4"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 3 * SECONDS)]

CONFIGURATION = {"name": "shop", "main": "index.js", "compatibility_date": "2026-01-01"}
MINIMAL = "deploy:\n  worker: {name: shop, config: shop/wrangler.json}\n"
CODE = "export default { fetch() { return new Response('%s') } }\n"
THROWING = "export default { fetch() { throw new Error('broken') } }\n"


@pytest.fixture(scope="module")
def shop(house: House) -> House:
    """Return a house with a Worker that was deployed once."""
    (house.root / "shop").mkdir()
    (house.root / "shop/wrangler.json").write_text(json.dumps(CONFIGURATION))
    (house.root / "invoke.yaml").write_text(MINIMAL)
    write(house, CODE % "first")
    house.inv("deploy.local")
    return house


def write(house: House, code: str) -> None:
    (house.root / "shop/index.js").write_text(code)


def calls(house: House) -> list[dict[str, Any]]:
    lines = (house.root / ".sandbox/calls.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@contextmanager
def blocked(house: House, method: str, path: str) -> Iterator[None]:
    """Let all calls be blocked from the second one of a kind on, and at least for that time."""
    words = ("--method", method, "--path", path, "--after", "1")
    house.inv("sandbox.fault", "cloudflare", f"block:{SECONDS}", *words)
    began = time.monotonic()
    try:
        yield
        assert time.monotonic() - began > SECONDS
    finally:
        house.inv("sandbox.fault", "cloudflare", "off")


def live(house: House) -> str:
    return requests.get(house.status["worker_url"], timeout=60).text


def run(house: House, *words: str) -> Any:
    """Run a command that may wait for a block to end."""
    ended = house.start(*words)
    out, _ = ended.communicate(timeout=200 + 2 * SECONDS)
    return ended.returncode, out


def test_a_release_is_blocked_from_its_second_call_on_and_waits(shop: House) -> None:
    write(shop, CODE % "second")
    with blocked(shop, "ANY", "."):
        status, out = run(shop, "worker")
    assert (status, live(shop)) == (0, "second"), out
    assert "Cloudflare limits the rate of calls" in out
    assert {call["status"] for call in calls(shop)} >= {200, 429}


def test_an_undoing_is_blocked_and_waits(shop: House) -> None:
    before = shop.json("worker.status")["split"]
    write(shop, THROWING)
    with blocked(shop, "POST", "/deployments$"):  # the first moves 0 %, the second undoes that
        status, out = run(shop, "worker")
    assert (status, shop.json("worker.status")["split"]) == (3, before), out
    assert live(shop) == "second"


def test_all_calls_are_counted_told_and_signed_by_name(shop: House) -> None:
    before = len(calls(shop))
    write(shop, CODE % "third")
    shop.inv("deploy.local")
    made = calls(shop)[before:]
    assert {call["agent"].partition("/")[0] for call in made} == {"xswarm-boss"}
    foreseen = shop.json("deploy.plan")["estimated_calls"]["Cloudflare"]
    assert foreseen == pytest.approx(len(made), rel=0.2)
