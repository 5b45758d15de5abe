"""What of a release no user meets is made before its turn: begun once, taken once, or made then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from xswarm_deploy.console import no_progress
from xswarm_deploy.errors import DeployError, Refused, StepFailed
from xswarm_deploy.model.preparation import Abandoned, Preparation
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import steps
from xswarm_deploy.release.ahead import Ahead
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import upload
from xswarm_deploy.webhooks import stripe

UPLOAD = upload.beside(cast("Any", type("Named", (), {"worker": "w"})), "digest")
MINTED = stripe.CREATE.change("a webhook", after=None)


class Preparing:
    """A step that tells what it prepared."""

    def __init__(self, *planned: Change, error: Exception | None = None) -> None:
        self.planned, self.error = planned, error
        self.prepared: list[str] = []

    def plan(self, _site: Site) -> Sequence[Change]:
        if self.error:
            raise self.error
        return self.planned

    def prepare(self, _site: Site, changes: Sequence[Change]) -> object:
        self.prepared.append(changes[0].action)
        return "made"


@pytest.fixture
def site(settings: Callable[..., Settings]) -> Site:
    return Site(settings({}))


def prepared(
    site: Site, monkeypatch: pytest.MonkeyPatch, made: Preparing, before: Preparing
) -> str | None:
    """Return what came of preparing the Worker, behind these plans of the secrets."""
    fakes = {"worker": made, "secrets": before}
    ahead = Ahead()
    with monkeypatch.context() as patched:
        patched.setattr(steps, "step_named", fakes.__getitem__)
        ahead.begin(site, fakes)
    assert ahead.preparable() == ["worker"]
    assert ahead.preparable() == [], "once"
    monkeypatch.setattr(steps, "preparing", lambda _name: made)
    ahead.prepare(site, ["worker"])
    return site.state.taken("worker", str)


def test_what_is_prepared_is_taken_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Preparing(UPLOAD)
    assert prepared(site, monkeypatch, step, Preparing()) == "made"
    assert site.state.taken("worker", str) is None
    assert step.prepared == ["upload"]


@pytest.mark.parametrize(
    ("step", "before"),
    [
        pytest.param(Preparing(), Preparing(), id="nothing is planned"),
        pytest.param(Preparing(UPLOAD), Preparing(MINTED), id="it will carry a minted secret"),
        pytest.param(Preparing(error=OSError("no")), Preparing(), id="planning failed"),
        pytest.param(Preparing(UPLOAD), Preparing(error=Refused("no")), id="secrets failed"),
    ],
)
def test_what_may_not_be_is_not_prepared(
    site: Site, monkeypatch: pytest.MonkeyPatch, step: Preparing, before: Preparing
) -> None:
    assert prepared(site, monkeypatch, step, before) is None
    assert step.prepared == []


def failing(error: Exception) -> Callable[[], object]:
    def make() -> object:
        raise error

    return make


def begun(make: Callable[[], object]) -> ReleaseState:
    preparation = Preparation(no_progress)
    preparation.begin(make, "test")
    return ReleaseState(prepared={"worker": preparation})


def test_what_fails_is_tried_once_more_at_its_turn() -> None:
    assert begun(failing(DeployError("no answer"))).taken("worker", str) is None


@pytest.mark.parametrize("error", [StepFailed("the Worker does not start"), Refused("no value")])
def test_what_cannot_be_made_is_not_tried_once_more(error: DeployError) -> None:
    with pytest.raises(type(error), match=error.what):
        begun(failing(error)).taken("worker", str)


def test_what_nobody_foresaw_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        begun(failing(ZeroDivisionError())).taken("worker", str)


def test_what_is_of_another_kind_is_not_taken() -> None:
    assert begun(lambda: None).taken("worker", str) is None


@pytest.mark.parametrize("error", [StepFailed("the Worker does not start"), Refused("no value")])
def test_what_cannot_be_made_is_told_before_users_notice_anything(error: DeployError) -> None:
    with pytest.raises(type(error), match=error.what):
        begun(failing(error)).require_prepared()


def test_an_answer_that_is_missing_holds_nothing_up() -> None:
    begun(failing(DeployError("no answer"))).require_prepared()


def test_it_ends_when_the_release_is_undone() -> None:
    going, ended = threading.Event(), threading.Event()
    preparation = Preparation(no_progress)

    def make() -> object:
        going.set()
        ended.wait(10)
        preparation.told("upload", 1, 2, "bytes")
        return "made"

    preparation.begin(make, "test")
    state = ReleaseState(prepared={"worker": preparation})
    assert going.wait(10)
    state.abandon()
    ended.set()
    with pytest.raises(Abandoned):
        preparation._made.result()


def test_how_far_it_is_is_shown_from_its_turn_on() -> None:
    shown: list[int] = []
    preparation = Preparation(lambda _what, done, _total, _unit: shown.append(done))
    preparation.told("upload", 1, 3, "bytes")
    preparation.begin(lambda: "made", "test")
    assert preparation.result(str) == "made"
    preparation.told("upload", 2, 3, "bytes")
    assert shown == [2]


def test_the_version_has_the_uplink_before_the_site(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, order = threading.Event(), list[str]()

    def preparing(name: str) -> Any:
        def prepare(_site: Site, _changes: Sequence[Change]) -> str:
            if name == "worker":
                going.wait(10)
            order.append(name)
            return name

        return type("Step", (), {"prepare": staticmethod(prepare)})

    ahead, planning = Ahead(), Preparing(UPLOAD)
    with monkeypatch.context() as patched:
        patched.setattr(steps, "step_named", lambda _name: planning)
        ahead.begin(site, ("pages", "worker"))
    monkeypatch.setattr(steps, "preparing", preparing)
    ahead.prepare(site, ahead.preparable())
    going.set()
    assert site.state.taken("pages", str) == "pages"
    assert order == ["worker", "pages"]
