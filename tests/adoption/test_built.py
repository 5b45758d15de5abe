"""A repository without a wrangler configuration: its framework's build makes one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.adoption.repositories import file
from xswarm_deploy.adoption import answers, built, found, invoke_file, writing
from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused

NUXT: dict[str, Any] = {
    "name": "shop",
    "scripts": {"build": "nuxt build"},
    "dependencies": {"nuxt": "4"},
}
MADE = {
    "name": "shop",
    "main": "index.mjs",
    "assets": {"binding": "ASSETS", "directory": "../public"},
    "d1_databases": [{"binding": "DB", "database_name": "shop", "database_id": "1"}],
}


@pytest.fixture
def nuxt(tmp_path: Path) -> Path:
    file(tmp_path, "package.json", NUXT)
    (tmp_path / "node_modules/nuxt").mkdir(parents=True)
    return tmp_path


def write_build(folder: Path) -> None:
    """Write what Nitro's preset for Cloudflare's modules does."""
    file(folder, ".output/server/wrangler.json", MADE)
    named = {"configPath": "../../.output/server/wrangler.json"}
    file(folder, wrangler.REDIRECT, named)


def test_what_a_build_makes_is_what_the_repository_is_released_as(nuxt: Path) -> None:
    build = built.needed(nuxt)
    assert build == built.Build("npm run build", "Nuxt")
    assert built.found(nuxt) is None
    write_build(nuxt)
    looked = found.look(nuxt, built.required(nuxt, build))
    assert (looked.name, looked.build) == ("shop", "npm run build")
    answered = answers.answered(looked, answers.Flags())
    assert invoke_file.deploy(answered)["worker"] == {
        "name": "shop",
        "config": "wrangler.jsonc",
        "build": "npm run build",
    }
    assert answered.database == "d1:DB"
    written = {change.path.name for change in writing.files(answered)}
    assert "invoke.yaml" in written
    assert built.WRITTEN not in written


def test_a_build_that_makes_no_worker_is_told_with_the_way_on(tmp_path: Path) -> None:
    package = {"scripts": {"build": "vite build"}, "devDependencies": {"vite": "8"}}
    file(tmp_path, "package.json", package)
    (tmp_path / "node_modules/vite").mkdir(parents=True)
    file(tmp_path, "dist/index.html", "<h1>hello</h1>")
    build = built.needed(tmp_path)
    assert build
    with pytest.raises(Refused, match="npm run build made no Worker") as refused:
        built.required(tmp_path, build)
    assert '"assets": {"directory": "dist"}' in refused.value.remedy


def test_packages_that_are_not_installed_are_named(tmp_path: Path) -> None:
    file(tmp_path, "package.json", NUXT)
    file(tmp_path, "pnpm-lock.yaml", "")
    with pytest.raises(Refused, match="the build of Nuxt makes one") as refused:
        built.needed(tmp_path)
    assert refused.value.remedy.startswith("pnpm install, then: ")


def test_a_folder_without_a_framework_is_asked_for_its_file(tmp_path: Path) -> None:
    file(tmp_path, "package.json", {"scripts": {"build": "tsc"}})
    assert built.needed(tmp_path) is None
