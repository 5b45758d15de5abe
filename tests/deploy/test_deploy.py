"""The main job, end to end, as a person runs it: deploy, break, roll back."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.deploy.conftest import House
from tests.deploy.load import load

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
    reply = requests.get(f"{deployed.url}/health", timeout=10)
    assert reply.status_code == 200
    assert set(reply.json()) >= {"status", "timestamp", "service", "version"}
    (release,) = deployed.releases()
    assert release["live"] is True
    assert release["status"] == "succeeded"
    assert release["message"] == "first"
    assert release["version"] == reply.json()["version"]


def test_the_site_is_served_with_its_headers(deployed: House) -> None:
    reply = requests.get(deployed.status["pages_url"], timeout=10)
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


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (
            "worker/src/main.py",
            lambda text: text + "\nraise RuntimeError('broken at import')\n",
            "broken at import",
        ),
        ("worker/src/main.py", lambda text: text + "\nimport no_such_module\n", "no_such_module"),
    ],
)
def test_a_worker_that_does_not_start_never_serves(
    deployed: House, file: str, change: Callable[[str], str], said: str
) -> None:
    before = deployed.version()
    with edited(deployed.root / file, change), load(f"{deployed.url}/health") as users:
        ended = deployed.inv("deploy.local", check=False)
    assert ended.returncode == 3
    assert said in ended.stdout + ended.stderr
    assert users.failed == {}
    assert users.versions == {before}
    assert deployed.releases()[0]["status"] == "rolled back"


def test_ctrl_c_leaves_it_as_it_was(deployed: House) -> None:
    before = deployed.version()
    running = deployed.start("deploy.local")
    time.sleep(2.5)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=60)
    assert running.returncode in (130, 0), output
    if running.returncode == 130:
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


def test_without_a_terminal_and_yes_nothing_happens(deployed: House) -> None:
    first = deployed.releases()[-1]["version"]
    before = deployed.version()
    ended = deployed.inv("rollback", "--version", first, check=False)
    assert ended.returncode == 2
    assert "--yes" in ended.stderr
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
