"""A static site with Functions, released to the twin: wrangler bundles them, and they answer."""

from __future__ import annotations

import json

import pytest
import requests

from tests.support.house import House

pytestmark = pytest.mark.slow

HELLO = """
export const onRequest = async ({ env, request }) => {
  const page = await env.ASSETS.fetch(new URL("/", request.url));
  return Response.json({ word: await env.WORDS.get("word") ?? "%s", page: page.status });
};
"""


def test_functions_of_the_site_are_released_and_go_back(house: House) -> None:
    project = house.root / "functions"
    project.mkdir()
    (project / "hello.js").write_text(HELLO % "first")
    bound = {
        "name": "xswarm-boss",
        "pages_build_output_dir": "site",
        "compatibility_date": "2026-01-01",
        "kv_namespaces": [{"binding": "WORDS", "id": "0123456789abcdef0123456789abcdef"}],
    }
    (house.root / "wrangler.json").write_text(json.dumps(bound))
    house.inv("deploy.local")
    site = str(house.status["pages_url"])
    assert requests.get(f"{site}/hello", timeout=60).json() == {"word": "first", "page": 200}
    assert "<html" in requests.get(site, timeout=60).text
    (project / "hello.js").write_text(HELLO % "second")
    house.inv("deploy.local")
    assert requests.get(f"{site}/hello", timeout=60).json()["word"] == "second"
    before = house.version()
    (project / "hello.js").write_text(f"throw new Error('not today');{HELLO % 'third'}")
    failed = house.inv("deploy.local", check=False)
    assert failed.returncode != 0
    assert "not today" in failed.stdout + failed.stderr
    assert requests.get(f"{site}/hello", timeout=60).json()["word"] == "second"
    assert house.version() == before, "what failed is undone"
