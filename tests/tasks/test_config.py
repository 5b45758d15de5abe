from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from invoke.context import Context

from xswarm_deploy.cli import context
from xswarm_deploy.settings.settings import Settings, load
from xswarm_deploy.tasks import config


def test_secrets_are_shown_by_name_only(
    c: Context,
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = settings(WORKER_URL="nonsense")
    monkeypatch.setattr(context, "settings", lambda _c: found)
    config.show(c, json=True)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["JWT_SECRET"]["value"] == "(set)"
    assert rows["WORKER_URL"]["problem"]
    assert rows["JWT_SECRET"]["goes_to"] == "a secret of the Worker"
    config.show(c)
    assert found.secret("JWT_SECRET").reveal() not in capsys.readouterr().out


def test_examples_are_written_from_the_table(
    c: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(context, "ROOT", tmp_path)
    (tmp_path / "deployment/config").mkdir(parents=True)
    config.examples(c)
    assert "JWT_SECRET" in (tmp_path / "deployment/config/production.env.example").read_text()
    assert "written: deployment/config/production.env.example" in capsys.readouterr().out


def test_reference_and_schema_are_written(
    c: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(context, "ROOT", tmp_path)
    (tmp_path / "deployment/config").mkdir(parents=True)
    config.reference(c)
    config.schema(c)
    assert "## deploy.prod" in (tmp_path / "deployment/docs/reference/tasks.md").read_text()
    assert (tmp_path / "deployment/config/invoke.schema.json").read_text().startswith("{")
    assert capsys.readouterr().out.count("written: ") == 5


def test_what_the_worker_never_gets_is_not_listed_as_its_own(
    c: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Worker of somebody's: it asks for one secret, and nothing of the reference's."""
    env = tmp_path / "production.env"
    env.write_text(
        "ENVIRONMENT=production\nMAPS=x\nWORKER_URL=https://a.example\nLOG_LEVEL=debug\n"
    )
    env.chmod(0o600)
    worker = {"worker": {"name": "shop", "secrets": ["MAPS"]}}
    shell = {"DEPLOY_ENV_FILE": str(env), "MAPS": "y", "TURSO_DATABASE_URL": "d1:a"}
    found = load("production", worker, tmp_path, shell)
    monkeypatch.setattr(context, "settings", lambda _c: found)
    config.show(c, json=True)
    shown = json.loads(capsys.readouterr().out)
    assert {row["name"]: row["from"] for row in shown if row["from"]} == {
        "MAPS": "the process environment, over the file",
        "TURSO_DATABASE_URL": "the process environment",
    }
    rows = {row["name"]: row["goes_to"] for row in shown}
    sent = {*found.worker_secrets(), *found.worker_variables()}
    assert {name for name, goes_to in rows.items() if goes_to != "read here only"} == sent
    assert rows["LOG_LEVEL"] == "read here only"  # it is set, and the Worker does not ask for it
    assert not {"VOICE_ENABLED", "TEAMS_ENABLED", "JWT_SECRET", "API_TIMEOUT_MS"} & {*rows}
