"""A scratch site on a database file, and a step that records what is done to it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from deployment.console import Console
from deployment.errors import DeployError
from deployment.release import outage, recovery, session
from deployment.release import release as releases
from deployment.release.release import Release
from deployment.settings import Settings
from deployment.steps import pages, traffic
from deployment.steps.site import Site
from deployment.steps.step import Change, Facts


@dataclass
class FakeStep:
    """Sets names in a mapping, as a provider would; can be told to fail."""

    NAME = "fake"
    world: dict[str, str] = field(default_factory=dict)
    plans: list[Change] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    fail_apply: dict[str, BaseException] = field(default_factory=dict)
    fail_undo: dict[str, BaseException] = field(default_factory=dict)
    apply_then_fail: bool = False

    def plan(self, site: Site) -> list[Change]:
        return self.plans

    def apply(self, site: Site, change: Change) -> Facts:
        self.calls.append(f"apply {change.resource}")
        error = self.fail_apply.get(change.resource)
        if error and not self.apply_then_fail:
            raise error
        self.world[change.resource] = str(change.after)
        if error:
            raise error
        return {change.resource: change.after}

    def undo(self, site: Site, change: Change, outcome: Facts) -> None:
        self.calls.append(f"undo {change.resource}")
        if change.resource in self.fail_undo:
            raise self.fail_undo[change.resource]
        self.world[change.resource] = str(change.undo)


def change(resource: str, after: Any = "new") -> Change:
    return Change("fake", resource, "update", before="old", after=after, undo="old")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let undoing wait for no outage; a test of that sets its own patience."""
    monkeypatch.setattr(outage, "UNDO_SECONDS", 0.0)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> FakeStep:
    fake = FakeStep(world={"a": "old", "b": "old", "c": "old"})
    fake.plans = [change("a"), change("b"), change("c")]
    monkeypatch.setattr(releases, "step_named", lambda _name: fake)
    monkeypatch.setattr(recovery, "step_named", lambda _name: fake)
    monkeypatch.setattr(recovery, "STEPS", ("fake",))
    return fake


@pytest.fixture
def site(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give an environment without a Worker: nothing is live that could be verified."""
    made = Site(settings())
    monkeypatch.setattr(traffic, "live_split", lambda _site: {})
    monkeypatch.setattr(pages, "current", lambda _site: None)
    yield made
    made.database.close()


@pytest.fixture
def begin(site: Site) -> Callable[[], Release]:
    def make(kind: str = "test", phases: tuple[str, ...] = ("fake",)) -> Release:
        return session.begin(site, kind, "a message", phases, Console(io.StringIO()))

    return make


def failing(what: str = "it failed") -> DeployError:
    return DeployError(what, "because", "inv again")
