"""A scratch site on a database file, and a step that records what is done to it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest

from tests.support.releases import FakeStep, change
from xswarm_deploy.console import Console
from xswarm_deploy.release import outage, steps, transaction
from xswarm_deploy.release.release import Release
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import pages, traffic


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let undoing wait for no outage; a test of that sets its own patience."""
    monkeypatch.setattr(outage, "UNDO_SECONDS", 0.0)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> FakeStep:
    fake = FakeStep(world={"a": "old", "b": "old", "c": "old"})
    fake.plans = [change("a"), change("b"), change("c")]
    monkeypatch.setattr(steps, "step_named", lambda _name: fake)
    monkeypatch.setitem(steps.STEPS, "fake", "tests.release.conftest")
    return fake


@pytest.fixture
def site(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return an environment without a Worker: nothing is live that could be verified."""
    made = Site(settings())
    monkeypatch.setattr(traffic, "live_split", lambda _site: {})
    monkeypatch.setattr(pages, "current", lambda _site: None)
    yield made
    made.database.close()


@pytest.fixture
def begin(site: Site) -> Callable[[], Release]:
    def make(kind: str = "test", phases: tuple[str, ...] = ("fake",)) -> Release:
        return transaction.begin(site, kind, "a message", phases, Console(io.StringIO()))

    return make
