"""How long a plan says that a release takes: what is known, and what canaries add to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.steps.fakes import FakeCloudflare
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import preview, records
from xswarm_deploy.settings.project import CanaryStep
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import traffic

STEPS = (CanaryStep(10.0, 300.0), CanaryStep(50.0, 300.0))


def record(seconds: float, soaked: float = 0.0) -> Record:
    facts = {"seconds": {"backup": 2.0, "worker": seconds - 2}, "soaked": soaked}
    times = ("2026-11-28T10:00:00+00:00", f"2026-11-28T10:{int(seconds // 60):02}:00+00:00")
    return Record(
        release="r",
        environment="production",
        kind="deploy",
        status=records.SUCCEEDED,
        created=times[0],
        finished=times[1],
        author="a",
        message="",
        version="v",
        facts=facts,
    )


def moves(changes: list[Change]) -> list[traffic.Move]:
    return [traffic.SHIFT.after_of(change) for change in changes]


def shifts(site: Site) -> list[Change]:
    return traffic.roll_out(site, {"old": 100.0}, traffic.NEW, ["old"])


@pytest.fixture
def site(settings: Callable[..., Settings]) -> Site:
    made = settings()
    worker = made.project.worker._replace(canary=STEPS)
    found = Site(replace(made, project=made.project._replace(worker=worker)))
    found.__dict__["cloudflare"] = FakeCloudflare(splits=[{"old": 100.0}], made=["old"])
    return found


def changed(site: Site, **project: Any) -> Site:
    settings = replace(site.settings, project=site.settings.project._replace(**project))
    site.__dict__["settings"] = settings
    return site


def test_soaks_are_counted_from_the_settings(site: Site) -> None:
    assert preview.soaks(shifts(site)) == 600.0


def test_fast_soaks_nothing_and_everything_else_is_as_ever(site: Site) -> None:
    before = shifts(site)
    after = shifts(changed(site, fast=True))
    assert preview.soaks(after) == 0.0
    assert [move.split for move in moves(after)] == [move.split for move in moves(before)]
    assert [move.soak for move in moves(after)] == [None, 0.0, 0.0, None], "still judged"


def test_a_trial_shortens_soaks(site: Site) -> None:
    worker = site.settings.project.worker._replace(longest_soak=1.0)
    assert preview.soaks(shifts(changed(site, worker=worker))) == 2.0


def test_recent_releases_are_counted_without_the_soaks_of_then() -> None:
    known = preview.estimate([record(660.0, 600.0), record(660.0, 600.0)], "deploy")
    assert known == {"backup": 2.0, "worker": 58.0, "release": 60.0}
    assert preview.with_soaks(known, 40.0) == {
        "backup": 2.0,
        "worker": 98.0,
        "release": 100.0,
        "soaks": 40.0,
    }


def test_the_first_release_is_told_of_its_soaks_at_least() -> None:
    plan = preview.Plan((), (), preview.with_soaks({}, 600.0))
    assert preview._times(plan) == ["its soaks alone take 600 s"]
    known = preview.Plan((), (), preview.with_soaks({"release": 60.0}, 600.0))
    assert preview._times(known) == [
        "takes about 660 s, 600 s of it soaks (based on recent releases)"
    ]
    assert preview._times(preview.Plan(())) == []


def test_calls_are_the_most_of_a_release_and_named_once() -> None:
    """A probe's client calls itself "the Worker", the monitor's "The Worker"."""
    made = [
        Record("r", "local", "deploy", records.SUCCEEDED, "", "", "", "", "v", {"calls": calls})
        for calls in ({"The Worker": 2, "the Worker": 8, "Stripe": 1}, {"the Worker": 9})
    ]
    assert preview.estimate_calls(made, "deploy") == {"The Worker": 10, "Stripe": 1}
