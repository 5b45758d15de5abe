from __future__ import annotations

import pytest
from invoke.context import Context

from tests.tasks.conftest import Steps, one_change
from xswarm_deploy.cli import context
from xswarm_deploy.errors import Refused
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.rollback_request import RollbackRequest
from xswarm_deploy.release import records
from xswarm_deploy.release import rollback as going_back_module
from xswarm_deploy.release.rollback import Found, Planned
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import rollback

TARGET = Record("20260101-1", "local", "", "", "2026-01-01T00:00:00", "", "", "", "v1")
RISKS = ["brings back the keys at that release"]


@pytest.fixture
def going_back(monkeypatch: pytest.MonkeyPatch) -> list[RollbackRequest]:
    wishes: list[RollbackRequest] = []

    def find(_site: Site, wish: RollbackRequest) -> Found:
        wishes.append(wish)
        return Found(TARGET, TARGET)

    monkeypatch.setattr(going_back_module, "find", find)
    monkeypatch.setattr(going_back_module, "planned", lambda *_: Planned(one_change(), [], RISKS))
    monkeypatch.setattr(going_back_module, "risks", lambda *_: RISKS)
    monkeypatch.setattr(going_back_module, "choose", lambda _site: "20260101-1")
    return wishes


def test_it_goes_back_in_a_release(
    c: Context,
    site: Site,
    faked: Steps,
    going_back: list[RollbackRequest],
    capsys: pytest.CaptureFixture[str],
) -> None:
    rollback.rollback(c, version="v1", migrations=True)
    assert "".join(capsys.readouterr()).count(RISKS[0]) == 1  # who is not asked is told, too
    assert going_back == [RollbackRequest("v1", "", True)]
    assert faked.applied == ["apply a"]
    record = records.read(site.database, "local")[0]
    assert (record.kind, record.message, record.version) == (
        "rollback",
        "back to 20260101-1",
        "v1",
    )


def test_dry_changes_nothing_and_a_person_chooses(
    c: Context, faked: Steps, going_back: list[RollbackRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    rollback.rollback(c, dry=True)
    assert going_back == [RollbackRequest("20260101-1")]
    assert (faked.applied, "update" in capsys.readouterr().out) == ([], True)


def test_an_environment_is_named_by_a_flag_and_asked_for(
    c: Context, faked: Steps, going_back: list[RollbackRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Refused, match="not confirmed"):
        rollback.rollback(c, version="v1", env="production")
    assert RISKS[0] in "".join(capsys.readouterr())
    assert (context.environment(c), faked.applied) == ("production", [])
