from __future__ import annotations

import json

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from tests.tasks.conftest import Steps, report
from xswarm_deploy.errors import CheckFailed, ExitCode
from xswarm_deploy.model.report import Report
from xswarm_deploy.site import Site
from xswarm_deploy.steps import webhooks as step
from xswarm_deploy.tasks import webhooks
from xswarm_deploy.webhooks.hook import Hook


def test_webhooks_are_set_alone(c: Context, faked: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Site] = []
    monkeypatch.setattr(step, "require_minted", asked.append)
    webhooks.webhooks(c)
    assert (len(asked), faked.named[0], faked.applied) == (1, "webhooks", ["apply a"])


def test_what_differs_is_remarked(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = Hook(
        "stripe", "endpoint", "differs", {"url": "https://new.test"}, {"url": "https://old.test"}
    )
    monkeypatch.setattr(step, "listed", lambda _site: [hook])
    webhooks.list_(c)
    assert "stripe endpoint: url should be https://new.test" in capsys.readouterr().out
    webhooks.list_(c, json=True)
    assert json.loads(capsys.readouterr().out)[0]["provider"] == "stripe"


def test_probes_that_fail_name_what_to_look_at(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(step, "probe", lambda _site: report(ok=True))
    webhooks.test(c, json=True)
    assert json.loads(capsys.readouterr().out) == {"ok": True}
    monkeypatch.setattr(step, "probe", lambda _site: report(ok=False))
    with pytest.raises(CheckFailed, match="it answered 500") as caught:
        webhooks.test(c)
    assert caught.value.remedy == "inv webhooks.list"


def test_where_there_is_nothing_to_test_it_does_not_pass(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "probe", lambda _site: Report("webhooks", ()))
    with pytest.raises(Exit, match="nothing to test") as caught:
        webhooks.test(c)
    assert caught.value.code == ExitCode.NOTHING_TO_DO
