"""No version goes live that only seemed to answer: the edge is late, the name no valid key.

``PROOF_RUNS`` says how often each is tried; the suite takes one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.deploy.conftest import House, build

pytestmark = pytest.mark.slow

RUNS = int(os.environ.get("PROOF_RUNS", "1"))
LATE = 3  # seconds by which the edge follows a deployment
MINIMAL = "deploy:\n  worker: {{name: {name}, config: {name}/wrangler.jsonc}}\n"
SOUND = "export default { fetch() { return new Response('sound') } }\n"
BROKEN = "export default { fetch() { throw new Error('broken %d') } }\n"
NAMES = ("viewer", "3d-viewer")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = build(tmp_path_factory.mktemp("house") / "project")
    for name in NAMES:
        place(made.root / name)
    yield made
    made.inv("sandbox.down")


def place(folder: Path) -> None:
    folder.mkdir()
    config = {"name": folder.name, "main": "index.js", "compatibility_date": "2026-11-01"}
    (folder / "wrangler.jsonc").write_text(json.dumps(config))
    (folder / "index.js").write_text(SOUND)


def make_late(house: House) -> None:
    """Let the edge serve every deployment some seconds after it was made."""
    words = ("--method", "POST", "--path", "/deployments$", "--times", "20")
    house.inv("sandbox.fault", "cloudflare", f"spread:{LATE}", *words)


@pytest.mark.parametrize("name", NAMES)
def test_a_worker_that_throws_never_goes_live_however_late_the_edge_is(
    house: House, name: str
) -> None:
    (house.root / "invoke.yaml").write_text(MINIMAL.format(name=name))
    house.inv("deploy.local")
    url = house.status["worker_url"]
    assert requests.get(url, timeout=10).text == "sound"
    for run in range(RUNS):
        (house.root / name / "index.js").write_text(BROKEN % run)
        make_late(house)
        ended = house.inv("deploy.local", check=False)
        house.inv("sandbox.fault", "cloudflare", "off")
        assert ended.returncode == 3, ended.stdout + ended.stderr
        assert "GET /: 500" in ended.stderr
        assert requests.get(url, timeout=10).text == "sound"
    (house.root / name / "index.js").write_text(SOUND + "// changed\n")
    make_late(house)
    house.inv("deploy.local")
    house.inv("sandbox.fault", "cloudflare", "off")
    verified = {f["name"]: f for f in json.loads(house.inv("verify", "--json").stdout)["findings"]}
    assert verified["version"]["status"] == "pass"
    assert "as a tail shows" in verified["version"]["evidence"]
