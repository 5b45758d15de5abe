from __future__ import annotations

import pytest
from invoke.context import Context

from deployment.cli import context
from deployment.errors import Refused
from deployment.release import ledger
from deployment.release import rollback as going_back_module
from deployment.release.rollback import Wish
from deployment.steps.record import Record
from deployment.steps.site import Site
from tasks import rollback
from tests.tasks.conftest import Steps, one_change

TARGET = Record("20260101-1", "local", "", "", "2026-01-01T00:00:00", "", "", "", "v1")


@pytest.fixture
def going_back(monkeypatch: pytest.MonkeyPatch) -> list[Wish]:
    wishes: list[Wish] = []

    def find(_site: Site, wish: Wish) -> Record:
        wishes.append(wish)
        return TARGET

    monkeypatch.setattr(going_back_module, "find", find)
    monkeypatch.setattr(going_back_module, "planned", lambda *_: (one_change(), []))
    monkeypatch.setattr(going_back_module, "risks", lambda *_: [])
    monkeypatch.setattr(going_back_module, "choose", lambda _site: "20260101-1")
    return wishes


def test_it_goes_back_in_a_release(
    c: Context, site: Site, faked: Steps, going_back: list[Wish]
) -> None:
    rollback.rollback(c, version="v1", migrations=True)
    assert going_back == [Wish("v1", "", True)]
    assert faked.applied == ["apply a"]
    record = ledger.records(site.database, "local")[0]
    assert (record.kind, record.message, record.version) == (
        "rollback",
        "back to 20260101-1",
        "v1",
    )


def test_dry_changes_nothing_and_a_person_chooses(
    c: Context, faked: Steps, going_back: list[Wish], capsys: pytest.CaptureFixture[str]
) -> None:
    rollback.rollback(c, dry=True)
    assert going_back == [Wish("20260101-1")]
    assert (faked.applied, "update" in capsys.readouterr().out) == ([], True)


def test_an_environment_is_named_by_a_flag_and_asked_for(
    c: Context, faked: Steps, going_back: list[Wish]
) -> None:
    with pytest.raises(Refused, match="not confirmed"):
        rollback.rollback(c, version="v1", env="production")
    assert (context.environment(c), faked.applied) == ("production", [])
