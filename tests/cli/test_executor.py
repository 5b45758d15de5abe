"""A release around the graph: asked first, each step once, undone on failure; under Invoke."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.collection import Collection
from invoke.config import Config
from invoke.context import Context
from invoke.executor import Executor as StockExecutor
from invoke.tasks import Task, task

from tests.support.releases import FakeStep, change
from tests.tasks.conftest import make_context
from xswarm_deploy import tasks
from xswarm_deploy.cli import context, steps
from xswarm_deploy.cli.executor import Executor
from xswarm_deploy.cli.graph import Agreed, Release, Step, order
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.release import records
from xswarm_deploy.release import steps as release_steps
from xswarm_deploy.release.current import current
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import migrate
from xswarm_twin import code, folder, state_directory

GRAPH = ["check", "backup", "migrate", "secrets", "worker", "pages", "webhooks", "verify"]


class Shop:
    """A project of three steps and two releases, and what ran of it, in a release or not."""

    def __init__(self, site: Site, step: FakeStep) -> None:
        self.ran: list[str] = []
        self.site, self.step, self.agree = site, step, True
        self.ns = Collection()
        last: list[Task[Any]] = []
        for name in ("look", "build", "prove"):
            last = [self.add(name, Step, last)]
        for name in ("one", "two"):
            self.add(name, Release, last)
        self.add("own", Task, [self.ns["prove"]])

    def add(self, name: str, kind: type[Task[Any]], before: list[Task[Any]]) -> Task[Any]:
        def body(_c: Context) -> Agreed | None:
            running = current()
            self.ran.append(f"{name} in a release" if running else name)
            if kind is Release:
                return Agreed(self.site, name, frozenset()) if self.agree else None
            if name == "build" and running:
                running.make([change("a")], "fake")
            if name == "prove" and running:
                self.prove()
            return None

        made: Task[Any] = task(name=name, klass=kind, pre=before)(body)
        self.ns.add_task(made)
        return made

    def prove(self) -> None:
        """Report that what was built is good."""

    def run(self, *names: str) -> None:
        Executor(self.ns, Config(overrides={"deploy": {"env": "local"}})).execute(*names)


@pytest.fixture
def shop(site: Site, monkeypatch: pytest.MonkeyPatch) -> Shop:
    step = FakeStep(world={"a": "old"})
    monkeypatch.setattr(release_steps, "step_named", lambda _name: step)
    monkeypatch.setitem(release_steps.STEPS, "fake", "tests.support.releases")
    monkeypatch.setattr(Settings, "require_sound", lambda _settings: None)
    site.__dict__["bundling"] = None
    return Shop(site, step)


def test_the_graph_is_what_pre_says() -> None:
    for name in ("local", "staging", "prod"):
        assert [step.name for step in order(tasks.ns[f"deploy.{name}"])] == GRAPH


def test_a_release_is_asked_for_first_and_runs_each_step_once(shop: Shop) -> None:
    shop.run("one")
    assert shop.ran == ["one", *(f"{n} in a release" for n in ("look", "build", "prove"))]
    (record,) = records.read(shop.site.database, "local")
    assert (record.kind, record.status, record.message) == ("deploy", "succeeded", "one")


@pytest.mark.parametrize(
    ("address", "told"),
    [("https://shop.test", "https://shop.test"), ("https://none.invalid", "")],
)
def test_a_pipeline_gets_the_address_where_there_is_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, told: str
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    text = Settings.text
    monkeypatch.setattr(
        Settings, "text", lambda self, name: address if name == "WORKER_URL" else text(self, name)
    )
    shop.run("one")
    assert f"url={told}\n" in (tmp_path / "output").read_text()
    assert (f", at {told}" in (tmp_path / "summary").read_text()) is bool(told)


def test_what_was_not_agreed_to_runs_nothing(shop: Shop) -> None:
    shop.agree = False
    shop.run("one")
    assert shop.ran == ["one"]


def test_two_releases_on_a_line_each_run_all_their_steps(shop: Shop) -> None:
    shop.run("one", "two", "one")
    assert shop.ran.count("build in a release") == 2
    messages = [r.message for r in records.read(shop.site.database, "local")]
    assert messages == ["two", "one"]


def test_a_failure_undoes_and_ends_the_line(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def prove() -> None:
        raise DeployError("it is not good")

    monkeypatch.setattr(shop, "prove", prove)
    with pytest.raises(DeployError, match="everything was brought back to before"):
        shop.run("one", "two")
    assert shop.step.world == {"a": "old"}
    assert "two" not in shop.ran


def test_a_step_named_alone_runs_alone_and_several_run_once_each(shop: Shop) -> None:
    shop.run("build", "prove", "build")
    assert shop.ran == ["build", "prove"]


def test_what_others_declare_before_their_own_tasks_is_run(shop: Shop) -> None:
    shop.run("own")
    assert shop.ran == ["prove", "own"]


@pytest.mark.parametrize("name", ["check", "migrate", "worker", "deploy.prod"])
def test_another_executor_runs_no_step_and_says_why(name: str) -> None:
    with pytest.raises(Refused, match="executor") as caught:
        StockExecutor(tasks.ns, Config()).execute(name)
    assert "executor_class" in caught.value.remedy


def test_check_backup_and_migrate_on_a_line_run_once_each(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    performed: list[str] = []
    monkeypatch.setattr(steps, "perform", lambda _c, name: performed.append(name))
    monkeypatch.setattr(context, "open_site", lambda _c, **_: shop.site)

    def check(*_given: object, **_named: object) -> object:
        performed.append("check")
        return SimpleNamespace(summary="", ok=True, lines=lambda verbose: [])

    monkeypatch.setattr("xswarm_deploy.preflight.check.run", check)
    monkeypatch.setattr(migrate, "_nothing_is_pending", lambda _c: False)
    config = make_context().config
    Executor(tasks.ns, config).execute(("check", {"only": ""}), "backup", "migrate")
    assert performed == ["check", "backup", "migrate"]


@pytest.mark.parametrize(
    ("environment", "running", "told"),
    [
        ("local", {"pid": 1, "code": "of before"}, True),
        ("local", {"pid": 1}, True),  # version 1.0.0 did not note it
        ("local", {"pid": 1, "code": code.stamp()}, False),
        ("local", {"pid": 0, "code": "of before"}, False),
        ("production", {"pid": 1, "code": "of before"}, False),
    ],
)
def test_a_failure_beside_a_twin_of_another_version_says_so(
    shop: Shop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: str,
    running: dict[str, object],
    told: bool,
) -> None:
    """What an older one lacks looks like a provider's refusal."""

    def prove() -> None:
        raise Refused("Twilio has no such resource")

    shop.prove = prove  # type: ignore[method-assign]
    monkeypatch.setattr(context, "ROOT", tmp_path)
    monkeypatch.setattr(context, "environment", lambda _c: environment)
    made = folder.of(tmp_path)
    state_directory.make(made)
    made.state.write_text(json.dumps(running))
    with pytest.raises(DeployError):
        shop.run("one")
    assert ("sandbox.up starts it anew" in capsys.readouterr().err) is told


def test_a_twin_that_cannot_be_looked_at_hides_no_failure(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prove() -> None:
        raise Refused("Twilio has no such resource")

    def hint(_root: Path) -> str:
        raise PermissionError(13, "Permission denied")

    shop.prove = prove  # type: ignore[method-assign]
    monkeypatch.setattr("xswarm_deploy.cli.older_twin.hint", hint)
    with pytest.raises(DeployError, match="Twilio has no such resource"):
        shop.run("one")
