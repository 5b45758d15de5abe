from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock
from xml.etree import ElementTree

import pytest
from invoke.context import Context

from tests.tasks.conftest import report
from xswarm_deploy.errors import CheckFailed, Refused
from xswarm_deploy.model.report import Finding, Report
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import environment, verify
from xswarm_deploy.verification import verify as step
from xswarm_deploy.verification.suggest import Suggestion


def test_what_is_live_is_verified_and_reported(
    c: Context,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    site.facts["version"] = "v1"
    monkeypatch.setattr(step, "live", lambda _site, version: version)
    run = Mock(return_value=report(ok=True))
    monkeypatch.setattr(step, "run", run)
    file = tmp_path / "report.json"
    verify.verify(c, quick=True, json=True, report=str(file))
    run.assert_called_once_with(site, "v1", quick=True)
    assert json.loads(capsys.readouterr().out) == {"ok": True} == json.loads(file.read_text())
    with pytest.raises(Refused, match="cannot be written"):
        verify.verify(c, report=str(tmp_path))


def test_what_is_not_good_names_the_way_back_with_its_environment(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "live", lambda *_: None)
    monkeypatch.setattr(step, "run", lambda *_, **__: report(ok=False))
    environment.production(c)
    with pytest.raises(CheckFailed, match="GET /: it answered 500") as caught:
        verify.verify(c)
    assert "next: ./inv production rollback" in caught.value.render()


def test_a_release_that_is_undone_for_it_does_not_go_back_one_more(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "live", lambda *_: None)
    monkeypatch.setattr(step, "run", lambda *_, **__: report(ok=False))
    monkeypatch.setattr(verify, "current", Mock())
    site.facts["version"] = "435e8b9d-0001"
    with pytest.raises(CheckFailed) as caught:
        verify.verify(c)
    assert "rollback" not in caught.value.remedy
    assert "inv logs --since 10m --errors --version 435e8b9d" in caught.value.remedy


def test_what_nobody_asks_is_suggested_as_lines(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Suggestion("GET", "/new", ("src/index.ts:3",), 200)]
    monkeypatch.setattr(verify, "suggestions", lambda *_: found)
    verify.suggest(c)
    assert "      - {path: /new, status: [200]}  # src/index.ts:3" in capsys.readouterr().out
    verify.suggest(c, json=True)
    assert json.loads(capsys.readouterr().out)[0]["ready"] is True
    found.clear()
    verify.suggest(c)
    assert "all that was found is asked" in capsys.readouterr().out


def test_the_report_is_written_for_the_test_page_of_a_ci(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    findings = (Finding("GET /", "routes", "fail", True, "500 instead of 200"),)
    monkeypatch.setattr(step, "live", lambda *_: None)
    monkeypatch.setattr(step, "run", lambda *_, **__: Report("verify", findings))
    file = tmp_path / "verify.xml"
    with pytest.raises(CheckFailed):
        verify.verify(c, junit=str(file))
    suite = ElementTree.parse(file).getroot()
    assert (suite.get("name"), suite.get("failures")) == ("verify", "1")
