"""The tasks of releases: what they agree to, and what they show; the executor makes them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from tests.tasks.conftest import Steps, make_context
from xswarm_deploy import console
from xswarm_deploy.cli import context, pull_request
from xswarm_deploy.cli.graph import Agreed
from xswarm_deploy.console import Console
from xswarm_deploy.errors import DeployError, ExitCode, Locked, Refused
from xswarm_deploy.release import preview, records, rehearsal
from xswarm_deploy.release.transaction import begin, transaction
from xswarm_deploy.site import Site
from xswarm_deploy.steps import backup as backups
from xswarm_deploy.steps import traffic
from xswarm_deploy.tasks import deploy, sandbox

STEPS = ["backup", "migrate", "secrets", "worker", "pages", "webhooks"]


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note that the twin was started, in place of starting it."""
    started: list[str] = []

    @task
    def up(c: Context) -> None:
        started.append(context.environment(c))

    monkeypatch.setattr(sandbox, "up", up)
    return started


def test_local_starts_the_twin_and_asks_nobody(c: Context, site: Site, up: list[str]) -> None:
    agreed = deploy.local(c, message="first", skip_checks=True, skip_backup=True)
    assert agreed == Agreed(site, "first", frozenset({"check", "backup"}))
    assert up == ["local"]


def test_without_a_terminal_the_answer_is_no(c: Context, site: Site) -> None:
    for act in (deploy.staging, deploy.prod):
        with pytest.raises(Refused, match="not confirmed: Deploy boss-ai"):
            act(c)
    assert deploy.prod(c, yes=True) == Agreed(site)
    assert context.environment(c) == "production"
    assert deploy.staging(c, yes=True) == Agreed(site)
    assert context.environment(c) == "staging"


def test_in_production_the_workers_name_is_typed(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(site.settings, "environment", "production")
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(console, "confirm", lambda _question, **how: asked.append(how))
    deploy.prod(c)
    assert asked == [{"yes": False, "type_name": "boss-ai"}]


def test_dry_prints_the_graph_with_the_plan_and_agrees_to_nothing(
    dry: Context, faked: Steps, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.prod(dry) is None
    shown = capsys.readouterr().out
    graph = "check → backup → migrate → secrets → worker → pages → webhooks → verify"
    assert shown.splitlines()[0] == graph
    assert shown.count("update") == len(STEPS)
    assert (faked.named, faked.applied) == (STEPS, [])


def test_if_all_is_live_a_release_can_be_left(
    c: Context, faked: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "nothing_new", lambda *_: True)
    with pytest.raises(Exit) as caught:
        deploy.prod(c, yes=True, if_changed=True)
    assert caught.value.code == ExitCode.NOTHING_TO_DO
    monkeypatch.setattr(preview, "nothing_new", lambda *_: False)
    assert deploy.prod(c, yes=True, if_changed=True)


def test_a_plan_is_shown(c: Context, faked: Steps, capsys: pytest.CaptureFixture[str]) -> None:
    deploy.plan(c, json=True)
    assert len(json.loads(capsys.readouterr().out)["changes"]) == len(STEPS)
    deploy.plan(c)
    assert "resource" in capsys.readouterr().out


def test_a_plan_of_a_fast_release_has_no_soaks(faked: Steps) -> None:
    there = make_context(environment="production")
    deploy.plan(there, fast=True)
    assert there.config.deploy.fast is True


def test_a_rehearsal_is_of_production_with_its_last_backup(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = site.settings.path("a.db.zst")
    monkeypatch.setattr(backups, "chosen", lambda _site, _file: SimpleNamespace(path=backup))
    found = SimpleNamespace(release=2.0, rollback=0.5, different=("users",))
    rehearse = Mock(return_value=found)
    monkeypatch.setattr(rehearsal, "rehearse", rehearse)
    c.config.deploy.env = ""
    deploy.rehearse(c, base="abc123")
    wanted = rehearse.call_args.args[1]
    assert (wanted.environment, wanted.backup, wanted.commit) == ("production", backup, "abc123")
    assert context.environment(c) == "production"
    assert "going back leaves other rows in: users" in capsys.readouterr().out


def test_releases_are_listed_and_shown(
    c: Context, site: Site, faked: Steps, capsys: pytest.CaptureFixture[str]
) -> None:
    with transaction(site, "deploy", "first", ("fake",)) as running:
        running.perform(faked.fake)
    name = running.record.release
    capsys.readouterr()
    deploy.list_(c, json=True)
    assert [row["release"] for row in json.loads(capsys.readouterr().out)] == [name]
    deploy.list_(c)
    assert "succeeded" in capsys.readouterr().out
    deploy.show(c, name, json=True)
    assert json.loads(capsys.readouterr().out)["changes"][0]["state"] == "done"
    deploy.show(c, name)
    assert "update" in capsys.readouterr().out
    with pytest.raises(Refused, match="there is no release"):
        deploy.show(c, "20000101")
    deploy.status(c, json=True)
    assert json.loads(capsys.readouterr().out)["lock"] == "free"
    deploy.status(c)
    assert f"last_release   {name}"[:12] in capsys.readouterr().out


def test_a_version_that_no_release_made_is_named_below_the_list(
    c: Context,
    site: Site,
    faked: Steps,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Somebody ran wrangler deploy: no line of the list is live."""
    with transaction(site, "deploy", "first", ("fake",)) as running:
        running.perform(faked.fake)
        running.site.facts["version"] = "ours"
    split = {"strange-version": 100.0}
    monkeypatch.setattr(traffic, "live_split", lambda _site: split)
    deploy.list_(c)
    assert "⚠ live is strange-, none of these: wrangler or" in capsys.readouterr().out
    split = {"ours": 100.0}
    deploy.list_(c)
    assert "none of these" not in capsys.readouterr().out


def test_a_lock_keeps_releases_out_until_it_is_taken_off(
    c: Context, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.unlock(c)
    assert "the lock is free" in capsys.readouterr().out
    deploy.lock(c, "an incident")
    assert "./inv deploy.unlock takes the lock off" in capsys.readouterr().out
    with pytest.raises(Locked), transaction(site, "deploy"):
        pass
    with pytest.raises(Refused, match="Take the lock from"):
        deploy.unlock(make_context())
    deploy.unlock(c, yes=True)
    with transaction(site, "deploy"):
        pass


def test_what_died_is_finished_or_undone(
    c: Context, site: Site, faked: Steps, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.resume(c)
    deploy.abort(c)
    assert capsys.readouterr().out.count("no release is interrupted") == 2
    died(site, faked)
    deploy.resume(c)
    assert records.read(site.database, "local")[0].status == "succeeded"
    died(site, faked)
    deploy.abort(c)
    assert records.read(site.database, "local")[0].status == "rolled back"


def died(site: Site, faked: Steps) -> None:
    """Let a release's deployer die after its plan, without an end."""
    begun = begin(site, "deploy", "", ("fake",), Console(quiet=True))
    begun.perform(faked.fake)
    begun.ledger.lease.release()


def test_a_failure_of_the_other_commands_is_a_line(c: Context, site: Site) -> None:
    with pytest.raises(DeployError):
        deploy.lock(c, " ")


def test_how_long_to_wait_for_the_lock_is_agreed_to(c: Context, site: Site, up: list[str]) -> None:
    agreed = deploy.local(c, wait="15m")
    assert agreed
    assert agreed.wait == 900
    with pytest.raises(Refused, match="--wait soon is no length of time"):
        deploy.staging(c, wait="soon", yes=True)


def test_the_plan_is_commented_on_a_pull_request(
    c: Context, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[tuple[str, str]] = []

    def comment(text: str, key: str) -> str:
        said.append((text, key))
        return "https://github.test/c/1"

    monkeypatch.setattr(deploy, "_planned", lambda _site: preview.Plan(()))
    monkeypatch.setattr(pull_request, "comment", comment)
    deploy.plan(c, comment=True)
    assert said == [("### Plan for local: boss-ai\n\nNothing to do.\n", "plan local boss-ai")]
    assert "commented: https://github.test/c/1" in capsys.readouterr().err
