"""OpenNext's incremental cache: which entries a build left, and under which keys they are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.adoption.repositories import file, wrangler
from xswarm_deploy.bundling import next_cache
from xswarm_deploy.settings.settings import Settings

KEYS = {
    "__fetch/B1/0f3a": "66ca8e69210af39b3eb9d8225badf980c2fe3f6854794ac5c7ee3154e8f0b344.fetch",
    "B1/index.cache": "3f750c643c261e6a46c3c1472f69cf02af572051b67c43ee4fd6309d45001c0e.cache",
    "B1/blog/a.cache": "f3c419e6c8f7d10c36feb81ee4052bf73bf67afeb6e2ecec951ae8c817fa8bce.cache",
}
"""File → the end of its key, as ``computeCacheKey`` of @opennextjs/cloudflare 1.20.17 says."""


@pytest.fixture
def built(settings: Callable[..., Settings], tmp_path: Path) -> Callable[[str], Settings]:
    """Return a Worker that was built into a folder, with its cache."""

    def make(main: str) -> Settings:
        file(tmp_path, "worker/wrangler.jsonc", wrangler(main=main))
        for name in (*KEYS, "B1/no-entry.txt"):
            file(tmp_path, f"worker/{Path(main).parent}/cache/{name}", "{}")
        worker: dict[str, Any] = {"name": "shop", "config": "worker/wrangler.jsonc"}
        return settings({"worker": worker})

    return make


@pytest.mark.parametrize(("prefix", "begin"), [("", "incremental-cache"), ("shop//x/", "shop/x")])
def test_keys_are_those_that_open_next_reads(
    built: Callable[[str], Settings], prefix: str, begin: str
) -> None:
    found = next_cache.entries(built(".open-next/worker.js"))
    keys = {next_cache.key(entry, prefix) for entry in found}
    assert keys == {f"{begin}/B1/{end}" for end in KEYS.values()}


def test_another_build_has_no_such_cache(built: Callable[[str], Settings]) -> None:
    assert next_cache.entries(built("dist/worker.js")) == []
