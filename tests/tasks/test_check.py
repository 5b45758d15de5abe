from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

import pytest
from invoke.context import Context

from xswarm_deploy.errors import CheckFailed, Refused
from xswarm_deploy.model.report import Finding, Report
from xswarm_deploy.preflight import check as step
from xswarm_deploy.release.transaction import transaction
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import check

GOOD = Report("check", (Finding("database", "database", "pass", True, "answers"),))
BAD = Report("check", (Finding("database", "database", "fail", True, "no answer"),))


def test_a_check_that_fails_blocks(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(step, "run", lambda *_, **__: BAD)
    with pytest.raises(CheckFailed, match="DEPLOYMENT BLOCKED") as caught:
        check.check(c)
    assert caught.value.remedy == "fix them, then: inv local check"
    assert "database: no answer" in capsys.readouterr().out


def test_groups_are_handed_on_and_the_report_is_json_and_junit(
    c: Context,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    run = Mock(return_value=GOOD)
    monkeypatch.setattr(step, "run", run)
    file = tmp_path / "report.xml"
    check.check(c, only="database, domains", skip="machine", json=True, junit=str(file))
    run.assert_called_once_with(site, only=("database", "domains"), skip=("machine",))
    assert json.loads(capsys.readouterr().out)["passed"] == 1
    assert "<testsuite" in file.read_text()
    with pytest.raises(Refused, match="cannot be written"):
        check.check(c, junit=str(tmp_path))


def test_in_a_release_it_is_left_out_where_a_person_said_so(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(step, "run", lambda *_, **__: BAD)
    with transaction(site, "deploy") as running:
        running.skipped = frozenset({"check"})
        check.check(c)
    assert "left out (--skip-checks)" in capsys.readouterr().out
