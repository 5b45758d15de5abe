"""A scratch site on a database file, and a step that records what is done to it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest

from deployment.console import Console
from deployment.release import recovery, session
from deployment.release import release as releases
from deployment.release.release import Release
from deployment.settings import Settings
from deployment.steps import pages, traffic
from deployment.steps.site import Site
from tests.support.releases import FakeStep, change


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
