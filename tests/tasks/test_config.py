from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from invoke.context import Context

from xswarm_deploy.cli import context
from xswarm_deploy.settings.settings import Settings
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
