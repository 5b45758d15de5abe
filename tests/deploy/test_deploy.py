"""The main job, end to end, as a person runs it: deploy, break, roll back."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.deploy.load import load
from tests.deploy.world import differences, observe, site_of
from tests.support.house import House

pytestmark = pytest.mark.slow


@contextmanager
def edited(file: Path, change: Callable[[str], str]) -> Iterator[None]:
    """Edit a file for a while."""
    before = file.read_text()
    after = change(before)
    assert after != before, "the edit did nothing"
    file.write_text(after)
    try:
        yield
    finally:
        file.write_text(before)


def test_the_first_deployment_answers(deployed: House) -> None:
    reply = requests.get(f"{deployed.url}/health", timeout=60)
    assert reply.status_code == 200
    assert set(reply.json()) >= {"status", "timestamp", "service", "version"}
    (release,) = deployed.releases()
    assert release["live"] is True
    assert release["status"] == "succeeded"
    assert release["message"] == "first"
    assert release["version"] == reply.json()["version"]
    said = deployed.inv("sandbox.logs", "--name", "worker-boss-ai", "--lines", "10000").stdout
    assert "/api/suggestions" in said
    assert '"level":"error"' not in said, "each request of a good release wrote a failure"


def test_the_site_is_served_with_its_headers(deployed: House) -> None:
    reply = requests.get(deployed.status["pages_url"], timeout=60)
    assert reply.status_code == 200
    assert "<html" in reply.text.lower()
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_a_second_run_makes_a_second_version_and_rollback_brings_the_first_back(
    deployed: House,
) -> None:
    first = deployed.version()
    with load(f"{deployed.url}/health") as users:
        deployed.inv("deploy.local", "--message", "second")
        second = deployed.version()
        deployed.inv("rollback", "--version", first, "--yes")
    assert second != first
    assert deployed.version() == first
    assert users.failed == {}
    assert users.versions == {first, second}
    assert users.total > 100
    live = [release for release in deployed.releases() if release["live"]]
    assert [release["version"] for release in live] == [first]


MAIN = "worker/src/main.py"
FAILING_HEALTH = """
good = app
async def app(scope, receive, send):
    if scope["path"] != "/health":
        return await good(scope, receive, send)
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"broken health"})
Default = asgi.entrypoint(app)
"""


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (MAIN, lambda text: text + "raise RuntimeError('broken at import')\n", "broken at import"),
        (MAIN, lambda text: text + "import no_such_module\n", "no_such_module"),
        (MAIN, lambda text: text + FAILING_HEALTH, "broken health"),
        (
            "worker/src/boss/app.py",
            lambda text: text.replace('"/api/suggestions"', '"/api/gone"'),
            "GET /api/suggestions: 404",
        ),
    ],
    ids=["exception at import", "module missing", "500 on /health", "route gone"],
)
def test_a_broken_worker_never_serves(
    deployed: House, file: str, change: Callable[[str], str], said: str
) -> None:
    before = deployed.version()
    with edited(deployed.root / file, change), load(f"{deployed.url}/health") as users:
        ended = deployed.inv("deploy.local", check=False)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert said in ended.stdout + ended.stderr
    assert users.failed == {}
    assert users.versions == {before}
    assert deployed.releases()[0]["status"] == "rolled back"
    assert deployed.json("worker.status")["split"] == {before: 100.0}


def test_a_broken_migration_leaves_nothing(deployed: House) -> None:
    before = deployed.version()
    texts = {
        "zz_one": "CREATE TABLE zz_one (id INTEGER PRIMARY KEY);",
        "zz_two": "CREATE TABLE zz_two (id INTEGER PRIMARY KEY); INSERT INTO no_such VALUES (1);",
        "zz_three": "CREATE TABLE zz_three (id INTEGER PRIMARY KEY);",
    }
    files = [deployed.root / f"migrations/{name}.sql" for name in texts]
    for file, (name, sql) in zip(files, texts.items(), strict=True):
        depends = {"zz_two": "-- depends: zz_one\n", "zz_three": "-- depends: zz_two\n"}
        file.write_text(
            f"{depends.get(name, '')}-- migrate:up\n{sql}\n-- migrate:down\nDROP TABLE {name};\n"
        )
    try:
        ended = deployed.inv("deploy.local", check=False)
    finally:
        for file in files:
            file.unlink()
    assert ended.returncode == 3
    assert "no_such" in ended.stderr
    assert deployed.version() == before
    shown = deployed.json("migrate.status")
    assert "zz_one" not in json.dumps(shown)
    deployed.inv("migrate.verify")


def test_a_migration_without_a_way_down_is_undone_by_the_backup(deployed: House) -> None:
    """Where nobody but the release wrote: the Worker's own measurements do not count."""
    with site_of(deployed.root).database as database:
        database.execute("INSERT INTO users (id, email) VALUES ('u1', 'a@b.test')")
        database.execute("INSERT INTO teams (id, name, owner_id) VALUES ('t1', 'bees', 'u1')")
    before = observe(deployed.root)
    file = deployed.root / "migrations/zz_merged.sql"
    file.write_text(
        "-- depends: teams\n-- irreversible: names are merged\n-- migrate:up\n"
        "UPDATE teams SET name = upper(name);\nCREATE TABLE zz_merged (v);\n"
    )
    broken = edited(
        deployed.root / "worker/src/boss/app.py",
        lambda text: text.replace('"/api/suggestions"', '"/api/gone"'),
    )
    try:
        with broken, load(f"{deployed.url}/health") as users:
            ended = deployed.inv("deploy.local", check=False)
    finally:
        file.unlink()
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "was put back" in ended.stdout
    assert users.failed == {}
    assert differences(observe(deployed.root), before) == []


def test_a_javascript_worker_deploys_by_the_same_tool(deployed: House) -> None:
    python = deployed.version()
    chosen: dict[str, Any] = {
        "INVOKE_DEPLOY_WORKER_NAME": "hello-javascript",
        "INVOKE_DEPLOY_WORKER_CONFIG": "tests/fixtures/javascript/wrangler.jsonc",
    }
    deployed.inv("deploy.local", **chosen)
    deployed.inv("deploy.local", **chosen)
    status = json.loads(deployed.inv("sandbox.status", "--json", **chosen).stdout)
    reply = requests.get(f"{status['worker_url']}/health", timeout=60)
    releases = json.loads(deployed.inv("deploy.list", "--json", **chosen).stdout)
    assert reply.json()["version"] == next(r["version"] for r in releases if r["live"])
    assert reply.json()["version"] != python
    deployed.inv("sandbox.up")
    assert deployed.version() == python


def test_ctrl_c_leaves_it_as_it_was(deployed: House) -> None:
    before = deployed.version()
    running = deployed.start("deploy.local")
    assert running.stdout is not None
    while "secrets" not in running.stdout.readline():  # the worker's step is the next
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=240)
    assert running.returncode == 130, output
    assert deployed.version() == before
    status = deployed.json("deploy.status")
    assert status["lock"] == "free"


def test_a_dry_run_changes_nothing(deployed: House) -> None:
    calls = deployed.root / ".sandbox/calls.jsonl"
    seen = len(calls.read_text().splitlines())
    before = deployed.releases()
    ended = deployed.inv("deploy.local", "--dry")
    assert "version of boss-ai" in ended.stdout
    made = [json.loads(line) for line in calls.read_text().splitlines()[seen:]]
    assert {call["method"] for call in made} <= {"GET"}
    assert deployed.releases() == before


def test_an_unknown_version_changes_nothing(deployed: House) -> None:
    before = deployed.version()
    ended = deployed.inv("rollback", "--version", "00000000-dead", "--yes", check=False)
    assert ended.returncode == 2
    assert "deploy.list" in ended.stderr
    assert deployed.version() == before


def test_no_secret_is_anywhere(deployed: House) -> None:
    text = (deployed.root / ".sandbox/endpoints.env").read_text()
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    names = (
        "CLOUDFLARE_API_TOKEN",
        "TURSO_AUTH_TOKEN",
        "ANTHROPIC_API_KEY",
        "S3_SECRET_ACCESS_KEY",
    )
    secrets = [values[name].strip("\"'") for name in names]
    written = [p for p in (deployed.root / ".deployments").rglob("*") if p.is_file()]
    assert written
    for file in written:
        content = file.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], file


@pytest.mark.parametrize(
    ("environment", "edit", "said"),
    [
        ("staging", lambda text: None, "no environment file"),
        ("staging", lambda text: text, "placeholder"),
        (
            "staging",
            lambda text: text.replace("sk_test_xxxxx", "sk_live_0123456789"),
            "a live key in staging",
        ),
        (
            "production",
            lambda text: text.replace("sk_live_xxxxx", "sk_test_0123456789"),
            "a test key in production",
        ),
    ],
    ids=["no file", "placeholders", "live key in staging", "test key in production"],
)
def test_a_wrong_environment_file_is_refused_by_name(
    deployed: House, environment: str, edit: Callable[[str], str | None], said: str
) -> None:
    config = deployed.root / "deployment/config"
    text = edit((config / f"{environment}.env.example").read_text())
    file = config / f"{environment}.env"
    if text is not None:
        file.write_text(text)
    try:
        task = {"staging": "deploy.staging", "production": "deploy.prod"}[environment]
        ended = deployed.inv(task, "--yes", check=False)
    finally:
        file.unlink(missing_ok=True)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
