"""Plans that are made before their turn: used once, and only while they hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from xswarm_deploy.background import started
from xswarm_deploy.model.step import Change, Step
from xswarm_deploy.release import ahead, steps
from xswarm_deploy.release.ahead import Ahead, Unlocked
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site

MADE = Change("worker", "version of w", "upload")
BACKUP, SECRETS = Change("backup", "a backup", "create"), Change("secrets", "secrets", "stage")


class Planning:
    """A step whose every plan tells which one it is."""

    NAME = "webhooks"

    def __init__(self, failing: int = 0) -> None:
        self.plans, self.failing = 0, failing

    def plan(self, _site: Site) -> Sequence[Change]:
        self.plans += 1
        if self.plans <= self.failing:
            raise OSError("no answer")
        return [MADE._replace(resource=f"plan {self.plans}")]


@pytest.fixture
def site(settings: Callable[..., Settings]) -> Site:
    return Site(settings({}))


def planned(
    site: Site, monkeypatch: pytest.MonkeyPatch, step: Planning, *made: Change, begin: bool = True
) -> str:
    monkeypatch.setattr(steps, "step_named", lambda _name: step)
    plans = Ahead()
    if begin:
        plans.begin(site, ("backup", step.NAME))
    (change,) = plans.plan(cast("Step[Site]", cast("Any", step)), site, made)
    return change.resource


def test_a_plan_made_before_its_turn_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Planning()
    assert planned(site, monkeypatch, step, BACKUP) == "plan 1"
    assert step.plans == 1


def test_a_plan_is_begun_anew_once_what_it_builds_upon_was_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Planning()
    monkeypatch.setattr(steps, "step_named", lambda _name: step)
    plans, planning = Ahead(), cast("Step[Site]", cast("Any", step))
    plans.begin(site, (step.NAME,))
    plans.renew(site, [BACKUP])
    plans.renew(site, [BACKUP, SECRETS])
    plans._begun[step.NAME].changes.result()
    assert step.plans == 2, "a backup changes nothing that it reads"
    plans.plan(planning, site, [BACKUP, SECRETS, MADE])
    assert step.plans == 2, "what was begun after the secrets holds"
    plans.begin(site, (step.NAME,), after=1)
    plans.plan(planning, site, [BACKUP, SECRETS])
    assert step.plans == 4, "the secrets came since"


def test_where_none_was_begun_it_is_made_at_its_turn(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(site, monkeypatch, Planning(), begin=False) == "plan 1"


def test_one_that_builds_upon_a_change_is_made_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(site, monkeypatch, Planning(), BACKUP, SECRETS) == "plan 2"


def test_an_old_one_is_made_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "FRESH", -1.0)
    assert planned(site, monkeypatch, Planning()) == "plan 2"


def test_one_that_failed_is_made_anew_and_then_tells_why(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(site, monkeypatch, Planning(failing=1)) == "plan 2"
    with pytest.raises(OSError, match="no answer"):
        planned(site, monkeypatch, Planning(failing=2))


def test_each_is_used_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Planning()
    monkeypatch.setattr(steps, "step_named", lambda _name: step)
    plans, asked = Ahead(), cast("Step[Site]", cast("Any", step))
    plans.begin(site, (step.NAME,))
    told = [plans.plan(asked, site, ())[0].resource for _ in range(2)]
    assert told == ["plan 1", "plan 2"]


def test_what_is_planned_ahead_are_steps() -> None:
    assert set(steps.AHEAD) <= set(steps.STEPS)
    assert all(set(upon) <= set(steps.STEPS) for upon in steps.AHEAD.values())


# Before the lock is taken


@pytest.mark.parametrize(
    ("undisturbed", "fresh", "expected"),
    [
        pytest.param(-0.1, 60.0, "before", id="the lock was free since"),
        pytest.param(-math.inf, 60.0, "before", id="there never was a release"),
        pytest.param(0.1, 60.0, "under the lock", id="somebody held it meanwhile"),
        pytest.param(math.inf, 60.0, "under the lock", id="it is not known"),
        pytest.param(-0.1, -1.0, "under the lock", id="the plan is old"),
    ],
)
def test_what_was_planned_before_the_lock_holds_while_nobody_held_it(
    monkeypatch: pytest.MonkeyPatch, undisturbed: float, fresh: float, expected: str
) -> None:
    monkeypatch.setattr(ahead, "FRESH", fresh)
    at = time.monotonic()
    plans = Unlocked(started(lambda: "before"), at)
    assert plans.holding(at + undisturbed, lambda: "under the lock") == expected


def test_one_that_failed_before_the_lock_is_made_under_it() -> None:
    def failing() -> str:
        raise OSError

    failed = Unlocked(started(failing), time.monotonic())
    assert failed.holding(-math.inf, lambda: "under it") == "under it"
