from __future__ import annotations

import json
from unittest.mock import Mock

import pytest
from invoke.context import Context

from tests.tasks.conftest import Steps, one_change
from xswarm_deploy.errors import Refused
from xswarm_deploy.release import records
from xswarm_deploy.site import Site
from xswarm_deploy.steps import traffic
from xswarm_deploy.steps import worker as step
from xswarm_deploy.tasks import worker


def test_the_worker_is_released_alone(c: Context, site: Site, faked: Steps) -> None:
    worker.worker(c)
    assert (faked.named[0], faked.applied) == ("worker", ["apply a"])
    assert records.read(site.database, "local")[0].kind == "worker"


def test_the_split_is_shown(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(traffic, "live_split", lambda _site: {"v1": 90.0, "v2": 10.0})
    worker.status(c, json=True)
    assert json.loads(capsys.readouterr().out)["split"] == {"v1": 90.0, "v2": 10.0}
    worker.status(c)
    assert "v2       10 %" in capsys.readouterr().out


def test_a_canary_is_made_with_its_share(
    c: Context, site: Site, faked: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Mock(side_effect=one_change)
    monkeypatch.setattr(step, "plan_canary", plan)
    worker.canary(c, percent=5.0, soak=1.0, message="careful")
    plan.assert_called_once_with(site, 5.0, 1.0)
    assert faked.applied == ["apply a"]
    record = records.read(site.database, "local")[0]
    assert (record.kind, record.message) == ("worker.canary", "careful")


def test_without_a_canary_there_is_nothing_to_promote_or_abort(c: Context, site: Site) -> None:
    with pytest.raises(Refused, match="no canary"):
        worker.promote(c)
    with pytest.raises(Refused, match="no canary"):
        worker.abort(c)


def test_dry_prints_the_plan_only(
    dry: Context, faked: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "plan_promotion", one_change)
    worker.promote(dry)
    assert faked.applied == []
