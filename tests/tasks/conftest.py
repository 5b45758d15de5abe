"""What a task needs to be called directly: a context, an environment on a file, and fakes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.config import Config
from invoke.context import Context, MockContext

from tests.steps.fakes import FakeCloudflare, bundling
from tests.support.releases import FakeStep, change
from xswarm_deploy.cli import context as contexts
from xswarm_deploy.release import records
from xswarm_deploy.release import steps as release_steps
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import pages, traffic
from xswarm_deploy.tasks import benchmark, test


def make_context(*, dry: bool = False, environment: str = "local") -> Context:
    """Make a context as the command line does, which runs nothing."""
    deploy = {"env": environment, "worker": {"name": "boss-ai"}}
    return MockContext(Config(overrides={"deploy": deploy, "run": {"dry": dry}}))


@pytest.fixture
def c() -> Context:
    """Make the context of a command that acts on the local twin."""
    return make_context()


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> MockContext:
    """Return a context in which every command succeeds, and nothing is installed."""
    monkeypatch.setattr(test, "install", lambda _c: None)
    monkeypatch.setattr(benchmark, "install", lambda _c: None)
    return MockContext(Config(), run=True, repeat=True)


def commands(context: MockContext) -> list[list[str]]:
    """Return what was run, without the folder and the interpreter."""
    ran = [shlex.split(call.args[0]) for call in context.run.call_args_list]  # type: ignore[attr-defined]
    return [words[words.index(sys.executable) + 1 :] for words in ran]


@pytest.fixture
def dry() -> Context:
    """Make the context of a command that was given ``--dry``."""
    return make_context(dry=True)


@pytest.fixture
def site(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Make an environment on a database file, with a Cloudflare that remembers; all open it."""
    made = Site(settings())
    made.__dict__["cloudflare"] = FakeCloudflare()
    made.__dict__["bundling"] = bundling()
    made.state.history = lambda: records.read(made.database, "local")
    monkeypatch.setattr(contexts, "open_site", lambda _c, **_: made)
    monkeypatch.setattr(Settings, "require_sound", lambda _settings: None)
    monkeypatch.setattr(traffic, "live_split", lambda _site: {})
    monkeypatch.setattr(pages, "current", lambda _site: None)
    yield made
    made.database.close()


@dataclass
class Steps:
    """Stands in for every step: which were asked for, and what they did."""

    fake: FakeStep
    named: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> FakeStep:
        self.named.append(name)
        return self.fake

    @property
    def applied(self) -> list[str]:
        return [call for call in self.fake.calls if call.startswith("apply")]


@pytest.fixture
def faked(site: Site, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Let one fake be all steps; it would make one change."""
    fake = FakeStep(world={"a": "old"})
    fake.plans = [change("a")]
    made = Steps(fake)
    monkeypatch.setattr(release_steps, "step_named", made)
    monkeypatch.setitem(release_steps.STEPS, "fake", "tests.support.releases")
    return made


def one_change(*_given: Any, **_named: Any) -> list[Any]:
    """Plan one change, whatever is asked for."""
    return [change("a")]


def report(*, ok: bool) -> Any:
    """Make the report of a gate with one finding."""
    failure = SimpleNamespace(name="GET /", evidence="it answered 500")
    return SimpleNamespace(
        ok=ok,
        summary="1 passed" if ok else "1 failed",
        findings=(failure,),
        failures=() if ok else (failure,),
        untold=(),
        as_json=lambda: {"ok": ok},
        lines=lambda verbose: [(f"a line, verbose: {verbose}", "")],
    )
