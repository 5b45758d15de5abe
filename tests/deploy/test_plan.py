"""The whole release before it starts: what it says, and that it changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.deploy.world import observe
from tests.support.house import House

pytestmark = pytest.mark.slow


def calls(house: House) -> list[dict[str, Any]]:
    lines = (house.root / ".sandbox/calls.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_plan_reads_only_and_says_what_it_would_do(deployed: House) -> None:
    before, seen = observe(deployed.root), len(calls(deployed))
    releases = deployed.releases()
    shown = deployed.json("local", "deploy.plan")
    text = deployed.inv("local", "deploy.plan").stdout
    assert {call["method"] for call in calls(deployed)[seen:]} == {"GET"}
    assert observe(deployed.root) == before
    assert deployed.releases() == releases
    actions = [(change["step"], change["action"]) for change in shown["changes"]]
    assert ("worker", "upload") in actions
    assert actions.count(("worker", "shift")) == 2
    assert set(shown["already_so"]) >= {"migrate", "secrets", "pages", "webhooks"}
    assert shown["estimated_seconds"]["release"] > 0
    assert shown["estimated_seconds"]["worker"] > 0
    assert "(new version) 100 %" in text
    assert "unchanged: migrate" in text
    assert "takes about" in text


def test_what_cannot_be_undone_is_named_first(deployed: House) -> None:
    file = deployed.root / "migrations/one_way.sql"
    file.write_text(
        "-- name: One way\n-- depends: teams\n-- irreversible: the old letters are gone for good\n"
        "-- migrate:up\nCREATE TABLE one_way (id TEXT PRIMARY KEY) STRICT;\n"
    )
    try:
        shown = deployed.json("local", "deploy.plan")
        text = deployed.inv("local", "deploy.plan").stdout
    finally:
        file.unlink()
    assert "the old letters are gone for good" in json.dumps(shown["irreversible"])
    assert "cannot be undone" in text


def test_if_changed_makes_no_second_version_of_the_same(deployed: House) -> None:
    before, version, releases = observe(deployed.root), deployed.version(), deployed.releases()
    ended = deployed.inv("deploy.local", "--if-changed", check=False)
    assert ended.returncode == 7, ended.stdout + ended.stderr
    assert "nothing to do" in ended.stderr
    assert deployed.version() == version
    assert deployed.releases() == releases
    assert observe(deployed.root) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("worker/src/boss/status.py", '"health": "/health"', '"health": "/health", "v": 2'),
        ("site/index.html", "</body>", "<p>more</p></body>"),
        ("deployment/config/local.env", "RATE_LIMIT_ENABLED=false", "RATE_LIMIT_ENABLED=true"),
        ("invoke.yaml", "invoice.payment_succeeded, ", ""),
    ],
    ids=["code", "site", "variable", "webhook"],
)
def test_if_changed_sees_each_change(deployed: House, file: str, old: str, new: str) -> None:
    path = deployed.root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        ended = deployed.inv("--dry", "deploy.local", "--if-changed")
        plan = deployed.json("local", "deploy.plan")
        again = deployed.inv("deploy.local", "--if-changed", "--skip-backup", check=False)
    finally:
        path.write_text(text)
    assert "upload" in ended.stdout
    assert plan["changes"]
    assert again.returncode == 0, again.stdout + again.stderr
    deployed.inv("deploy.local", "--skip-backup")


def test_a_deploy_without_the_flag_makes_a_new_version(deployed: House) -> None:
    version = deployed.version()
    deployed.inv("deploy.local", "--skip-backup")
    assert deployed.version() != version
