from __future__ import annotations

import json
from pathlib import Path

import pytest
from invoke.context import Context

from tests.tasks.conftest import report
from xswarm_deploy.adoption import doctor as examination
from xswarm_deploy.errors import CheckFailed
from xswarm_deploy.tasks import doctor


def test_a_sound_machine_is_a_report(
    c: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(examination, "examine", lambda root: report(ok=True))
    doctor.doctor(c)
    assert "a line, verbose: True" in capsys.readouterr().out
    doctor.doctor(c, json=True)
    assert json.loads(capsys.readouterr().out) == {"ok": True}


def test_one_that_is_not_ready_ends_with_1(c: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def examine(root: Path) -> object:
        return report(ok=False)

    monkeypatch.setattr(examination, "examine", examine)
    with pytest.raises(CheckFailed, match="not ready"):
        doctor.doctor(c)
