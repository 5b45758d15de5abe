from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from invoke.context import Context

from tests.support.releases import change
from tests.tasks.conftest import Steps, make_context
from xswarm_deploy.errors import Refused
from xswarm_deploy.site import Site
from xswarm_deploy.steps import rotation
from xswarm_deploy.steps import secrets as step
from xswarm_deploy.tasks import secrets


def of_secrets(*_given: object) -> list[object]:
    return [change("a")._replace(step="secrets")]


def test_secrets_are_sent_alone(c: Context, faked: Steps) -> None:
    secrets.secrets(c)
    assert (faked.named[0], faked.applied) == ("secrets", ["apply a"])


def test_the_difference_is_shown_by_name(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = SimpleNamespace(as_json=lambda: {"added": ["JWT_SECRET"], "changed": []})
    monkeypatch.setattr(step, "difference", lambda _site: found)
    secrets.diff(c, json=True)
    assert json.loads(capsys.readouterr().out)["added"] == ["JWT_SECRET"]
    secrets.diff(c)
    assert "JWT_SECRET  added" in capsys.readouterr().out


def test_the_names_are_listed(c: Context, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.cloudflare.__dict__["names"] = ["JWT_SECRET"]
    secrets.list_(c)
    assert capsys.readouterr().out == "  JWT_SECRET\n"
    secrets.list_(c, json=True)
    assert json.loads(capsys.readouterr().out) == ["JWT_SECRET"]


def test_what_is_superfluous_is_removed_once_agreed(
    c: Context, faked: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "plan_prune", of_secrets)
    with pytest.raises(Refused, match="not confirmed: Remove: a"):
        secrets.prune(make_context(environment="staging"))
    assert faked.applied == []
    secrets.prune(c)
    assert faked.applied == ["apply a"]


def test_a_rotation_says_what_is_left_to_do(
    c: Context, faked: Steps, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(step, "plan_rotation", of_secrets)
    monkeypatch.setattr(step, "plan_finish", of_secrets)
    secrets.rotate(c, "JWT_SECRET")
    assert "./inv secrets.rotate JWT_SECRET --finish" in capsys.readouterr().out
    monkeypatch.setattr(rotation, "remove_replaced", lambda _site: 2)
    secrets.rotate(c, "STRIPE_WEBHOOK_SECRET")
    assert "2 replaced endpoint(s) deleted" in capsys.readouterr().out
    secrets.rotate(c, "JWT_SECRET", finish=True)
    assert "to forget" not in capsys.readouterr().out
    assert len(faked.applied) == 3
