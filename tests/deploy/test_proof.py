"""No version goes live that only seemed to answer: the edge is late, the name no valid key.

``PROOF_RUNS`` says how often each is tried; the suite takes one.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.house import SKIPPED, House, build

pytestmark = pytest.mark.slow

RUNS = int(os.environ.get("PROOF_RUNS", "1"))
LATE = 3  # seconds by which the edge follows a deployment
MINIMAL = "deploy:\n  worker: {{name: {name}, config: {name}/wrangler.jsonc}}\n"
SOUND = "export default { fetch() { return new Response('sound') } }\n"
BROKEN = "export default { fetch() { throw new Error('broken %d') } }\n"
NAMES = ("viewer", "3d-viewer")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = build(tmp_path_factory.mktemp("house") / "project", forking=True, skips=SKIPPED)
    for name in NAMES:
        place(made.root / name)
    yield made
    made.inv("sandbox.down")


def place(folder: Path) -> None:
    folder.mkdir()
    config = {"name": folder.name, "main": "index.js", "compatibility_date": "2026-11-01"}
    (folder / "wrangler.jsonc").write_text(json.dumps(config))
    (folder / "index.js").write_text(SOUND)


def deploy_late(house: House, name: str, code: str) -> subprocess.CompletedProcess[str]:
    """Deploy a Worker's code while the edge is late."""
    (house.root / "invoke.yaml").write_text(MINIMAL.format(name=name))
    (house.root / name / "index.js").write_text(code)
    words = ("--method", "POST", "--path", "/deployments$", "--times", "20")
    house.inv("sandbox.fault", "cloudflare", f"spread:{LATE}", *words)
    try:
        return house.inv("deploy.local", check=False)
    finally:
        house.inv("sandbox.fault", "cloudflare", "off")


@pytest.mark.parametrize(("name", "run"), [(name, run) for name in NAMES for run in range(RUNS)])
def test_a_worker_that_throws_never_goes_live_however_late_the_edge_is(
    house: House, name: str, run: int
) -> None:
    (house.root / "invoke.yaml").write_text(MINIMAL.format(name=name))
    if run == 0:
        house.inv("deploy.local")
    ended = deploy_late(house, name, BROKEN % run)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "GET /: 500" in ended.stderr
    assert requests.get(house.status["worker_url"], timeout=60).text == "sound"


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_one_is_waited_for(house: House, name: str) -> None:
    ended = deploy_late(house, name, f"{SOUND}// changed\n")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    verified = {f["name"]: f for f in json.loads(house.inv("verify", "--json").stdout)["findings"]}
    assert verified["version"]["status"] == "pass"
    assert "as a tail shows" in verified["version"]["evidence"]


ROUTED = """\
deploy:
  worker:
    name: viewer
    config: viewer/wrangler.jsonc
    variables: TURSO_DATABASE_URL
    secrets: TURSO_AUTH_TOKEN
  migrations: {directory: viewer/migrations}
  verify: {routes: [{path: /, text: sound}]}
"""
READING = """\
export default { async fetch(_, { TURSO_DATABASE_URL, TURSO_AUTH_TOKEN }) {
  const url = TURSO_DATABASE_URL.replace(/^libsql:/, "https:") + "/v2/pipeline"
  const stmt = { sql: "SELECT %s FROM guests" }
  const body = JSON.stringify({ requests: [{ type: "execute", stmt }, { type: "close" }] })
  const headers = { authorization: `Bearer ${TURSO_AUTH_TOKEN}` }
  const { results } = await (await fetch(url, { method: "POST", headers, body })).json()
  if (results[0].type !== "ok") throw new Error(JSON.stringify(results[0]))
  return new Response(`sound: ${results[0].response.result.rows.length}`)
} }
"""
FIRST = "CREATE TABLE guests (name TEXT);\nINSERT INTO guests VALUES ('Ada'), ('Kurt');\n"
RENAMING = """\
-- depends: first
-- migrate:up
ALTER TABLE guests RENAME COLUMN name TO title;
-- migrate:down
ALTER TABLE guests RENAME COLUMN title TO name;
"""


def test_a_schema_that_the_live_version_does_not_work_on_goes_back_at_once(house: House) -> None:
    folder, migrations = house.root / "viewer", house.root / "viewer/migrations"
    (house.root / "invoke.yaml").write_text(ROUTED)
    migrations.mkdir()
    up, down = "-- migrate:up\n", "-- migrate:down\nDROP TABLE guests;\n"
    (migrations / "first.sql").write_text(f"{up}{FIRST}{down}")
    (folder / "index.js").write_text(READING % "name")
    house.inv("deploy.local")
    (folder / "index.js").write_text(READING % "title")
    (migrations / "second.sql").write_text(RENAMING)
    assert "then the live version is asked; if it fails" in house.inv("deploy.plan").stdout
    ended = house.inv("deploy.local", check=False)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "the live version does not work on the new schema" in ended.stderr
    assert "GET /: 500" in ended.stderr
    assert requests.get(house.status["worker_url"], timeout=60).text == "sound: 2"
    (migrations / "second.sql").write_text(f"-- compatible: no\n{RENAMING}")
    house.inv("deploy.local")
    assert requests.get(house.status["worker_url"], timeout=60).text == "sound: 2"


def test_a_worker_that_does_not_start_is_found_before_the_schema_changes(house: House) -> None:
    code, migrations = house.root / "viewer/index.js", house.root / "viewer/migrations"
    (house.root / "invoke.yaml").write_text(ROUTED)
    migrations.mkdir(exist_ok=True)
    code.write_text("export default { fetch: () => new Response('sound') }\n")
    house.inv("deploy.local")
    (migrations / "rooms.sql").write_text(
        "-- migrate:up\nCREATE TABLE rooms (n);\n-- migrate:down\nDROP TABLE rooms;\n"
    )
    code.write_text(f"throw new Error('no such setting')\n{code.read_text()}")
    ended = house.inv("deploy.local", check=False)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "the Worker does not start" in ended.stderr
    assert "no such setting" in ended.stderr
    release = str(house.releases()[0]["release"])
    made = [change["phase"] for change in house.json("deploy.show", release)["changes"]]
    assert made == ["backup"], "the schema was never touched"
