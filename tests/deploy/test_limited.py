"""A Worker of somebody else's that limits its callers, and knows nothing of signed probes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house import House, temporary_house

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CONFIGURATION = {
    "name": "limited",
    "main": "index.js",
    "compatibility_date": "2026-11-01",
    "workers_dev": True,
    "preview_urls": True,
}
PROJECT = """\
deploy:
  worker: {name: limited, config: limited/wrangler.jsonc, canary: [{percent: 10}]}
  verify: {routes: [{path: /}], performance_requests: 5}
"""
SOURCE = """\
const ALLOWED = %d, WINDOW = %d;
let used = 0, began = 0, asked = 0;

export default {
  async fetch() {
    const now = Date.now() / 1000;
    if (now >= began + WINDOW) [began, used] = [now, 0];
    const reset = String(Math.ceil(began + WINDOW - now));
    used += 1;
    const headers = { "X-RateLimit-Remaining": String(Math.max(ALLOWED - used, 0)) };
    headers["X-RateLimit-Limit"] = String(ALLOWED);
    headers["X-RateLimit-Reset"] = reset;
    if (used > ALLOWED) {
      headers["Retry-After"] = reset;
      return new Response("slow down", { status: 429, headers });
    }
    asked += 1;
    if (asked %% %d === 0) return new Response("boom", { status: 500, headers });
    return new Response("hello", { headers });
  },
};
"""
NEVER = 1_000_000_000
ALLOWED = (60, 1)
"""Requests in each window, and its seconds: fewer than a canary would ask."""


def write(house: House, allowed: int, window: int, failing: int = NEVER) -> None:
    """Write a Worker that allows so many requests in each window, and fails once in so many."""
    (house.root / "limited/index.js").write_text(SOURCE % (allowed, window, failing))


@pytest.fixture(scope="module")
def limited() -> Iterator[House]:
    """Return a house with such a Worker, deployed once."""
    with temporary_house(forking=True) as house:
        folder: Path = house.root / "limited"
        folder.mkdir()
        (folder / "wrangler.jsonc").write_text(json.dumps(CONFIGURATION))
        (house.root / "invoke.yaml").write_text(PROJECT)
        write(house, *ALLOWED)
        house.inv("deploy.local")
        yield house


def test_it_is_asked_as_fast_as_it_allows_and_released_again(limited: House) -> None:
    limited.inv("deploy.local")
    limited.inv("verify")


def test_one_that_fails_in_five_percent_is_stopped_all_the_same(limited: House) -> None:
    write(limited, *ALLOWED, failing=20)
    try:
        ended = limited.inv("deploy.local", check=False)
    finally:
        write(limited, *ALLOWED)
    assert ended.returncode == 3
    assert "429" not in ended.stderr
    assert "500" in ended.stderr or "failed, before" in ended.stderr


def test_a_limit_that_leaves_too_little_is_named_and_is_no_bad_deployment(limited: House) -> None:
    before = limited.json("worker.status")["split"]
    write(limited, 40, 3600)
    try:
        ended = limited.inv("deploy.local", check=False)
    finally:
        write(limited, *ALLOWED)
    assert ended.returncode == 3
    assert "the Worker limits its callers (429)" in ended.stderr
    assert "not as good" not in ended.stderr
    assert "is not good" not in ended.stderr
    assert limited.json("worker.status")["split"] == before
