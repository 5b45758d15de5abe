"""Workers that nobody here wrote: Cloudflare's own templates, by a minimal invoke.yaml.

They come from the npm package create-cloudflare; nothing of them is kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.house import House, build

pytestmark = pytest.mark.slow

PACKAGE = "create-cloudflare@2.67.4"
NPM = Path(sys.executable).with_name("npm")
MINIMAL = """\
deploy:
  worker: {{name: {name}, config: {name}/wrangler.jsonc}}
"""
WORKERS = {
    "hello-js": ("hello-world/js", "/", "Hello World!"),
    "assets-ts": ("hello-world-with-assets/ts", "/message", "Hello, World!"),
    "openapi-ts": ("openapi/ts", "/api/tasks", "Clean my room"),
}
"""Worker → its template, a path, and what is answered there."""
ROUTES_UNASKED = {"assets-ts", "openapi-ts"}
"""The code of these has routes, and invoke.yaml names none: the check warns."""
FILES_AT_ITS_ROOT = {"assets-ts"}
"""Nothing that is asked of it runs its code: the verification warns, too."""


def npm(*words: str, folder: Path) -> None:
    command = [str(NPM), *words, "--no-audit", "--no-fund", "--silent"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=240)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("templates")
    npm("pack", PACKAGE, folder=folder)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from 3.11.4 on
        archive.extractall(folder)
    return folder / "package/templates"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[House]:
    made = build(tmp_path_factory.mktemp("house") / "project", forking=True)
    for name, (template, _, _) in WORKERS.items():
        _place(templates / template, made.root / name)
    yield made
    made.inv("sandbox.down")


def _place(template: Path, folder: Path) -> None:
    """Lay a template out as create-cloudflare does: two marks of its configuration are filled."""
    template.rename(folder)
    file = folder / "wrangler.jsonc"
    text = file.read_text().replace("<WORKER_NAME>", folder.name)
    file.write_text(text.replace("<COMPATIBILITY_DATE>", "2026-11-01"))
    named = json.loads((folder / "package.json").read_text())
    if named.get("dependencies"):
        npm("install", "--omit=dev", "--legacy-peer-deps", folder=folder)


@pytest.mark.parametrize("name", WORKERS)
def test_a_foreign_worker_is_checked_deployed_and_verified(house: House, name: str) -> None:
    (house.root / "invoke.yaml").write_text(MINIMAL.format(name=name))
    house.inv("sandbox.up")
    checked = json.loads(house.inv("check", "--json").stdout)
    told = {f["name"] for f in checked["findings"] if f["status"] in ("fail", "warn")}
    told.discard("live version")  # of all but the first: another Worker is live on this database
    assert told == {"git"} | ({"all routes"} if name in ROUTES_UNASKED else set())
    house.inv("deploy.local")
    _, path, text = WORKERS[name]
    reply = requests.get(f"{house.status['worker_url']}{path}", timeout=60)
    assert text in reply.text
    verified = json.loads(house.inv("verify", "--json").stdout)
    found = {finding["name"]: finding["status"] for finding in verified["findings"]}
    assert found.pop("performance") in ("pass", "warn"), "the machine may be busy"
    version = "warn" if name in FILES_AT_ITS_ROOT else "pass"
    assert found == {"GET /": "pass", "version": version}


def test_a_foreign_worker_gets_its_own_secret_and_is_rolled_back(house: House) -> None:
    config = house.root / "invoke.yaml"
    config.write_text(MINIMAL.format(name="hello-js"))
    house.inv("deploy.local")
    first = next(release["version"] for release in house.releases() if release["live"])
    config.write_text(config.read_text().replace("{name", "{secrets: MAPS_KEY, name"))
    assert "without a value here: MAPS_KEY" in house.inv("check").stdout
    house.inv("deploy.local")
    assert "MAPS_KEY" not in house.json("secrets.list")
    with (house.root / "deployment/config/local.env").open("a") as file:
        file.write("\nMAPS_KEY=canary-maps-key\n")
    ended = house.inv("deploy.local")
    assert "canary-maps-key" not in ended.stdout + ended.stderr
    assert "MAPS_KEY" in house.json("secrets.list")
    house.inv("rollback", "--version", first, "--yes")
    live = next(release["version"] for release in house.releases() if release["live"])
    assert live == first


def test_one_that_breaks_at_its_root_never_gets_the_traffic(house: House) -> None:
    name = "hello-js"
    (house.root / "invoke.yaml").write_text(MINIMAL.format(name=name))
    source = house.root / name / "src/index.js"
    sound = source.read_text()
    source.write_text(
        sound.replace("return new Response", 'throw new Error("broken"); new Response')
    )
    try:
        ended = house.inv("deploy.local", check=False)
    finally:
        source.write_text(sound)
    assert ended.returncode == 3
    assert "GET /: 500 instead of 200 to 499" in ended.stderr
    assert "Hello World!" in requests.get(house.status["worker_url"], timeout=60).text
