"""How the traffic moves, and where it cannot go back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.steps.fakes import FakeCloudflare
from tests.support.traffic import run, splits, with_canary
from xswarm_deploy.errors import MovedForGood, Refused, StepFailed
from xswarm_deploy.services.cloudflare import Deployment, Subdomain
from xswarm_deploy.services.errors import Invalid
from xswarm_deploy.site import Site
from xswarm_deploy.steps import traffic, worker
from xswarm_deploy.verification import verify


def age(cloudflare: FakeCloudflare, count: int) -> None:
    """Upload versions, as for the preview of every change; none gets traffic."""
    cloudflare.made += [f"preview-{number}" for number in range(count)]


def standing(cloudflare: FakeCloudflare, *uploads: int) -> None:
    """Let a canary have 10 %, with so many uploads between the old version and it, and since."""
    between, since = uploads
    age(cloudflare, between)
    cloudflare.made.append("canary")
    age(cloudflare, since)
    cloudflare.splits.append({"old": 90.0, "canary": 10.0})


def test_undo_twice_is_undo_once(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    changes = worker.plan(site)
    run(site, changes)
    for change in [*reversed(changes), *reversed(changes)]:
        worker.undo(site, change, {})
    assert cloudflare.splits[-1] == {"old": 100}
    assert len(cloudflare.splits) == 4


def test_a_move_that_is_not_seen_is_a_failure(
    site: Site,
    cloudflare: FakeCloudflare,
    gates: list[verify.Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traffic, "LISTED_WITHIN", 0.05)
    monkeypatch.setattr(traffic, "_PAUSE", 0.01)
    cloudflare.deaf = True
    with pytest.raises(StepFailed, match="did not move"):
        run(site, worker.plan(site))


def test_a_list_that_lags_behind_is_asked_again(
    site: Site,
    cloudflare: FakeCloudflare,
    gates: list[verify.Target],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traffic, "_PAUSE", 0.01)
    listed, asked = cloudflare.deployments, iter([False] * 3 + [True] * 99)
    before = listed("boss-ai")

    def lagging(name: str) -> list[Deployment]:
        return listed(name) if len(cloudflare.splits) < 3 or next(asked) else before

    monkeypatch.setattr(cloudflare, "deployments", lagging)
    run(site, worker.plan(site))
    assert len(cloudflare.splits) == 3


def test_a_canary_whose_predecessor_is_too_old_is_promoted_for_good(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    standing(cloudflare, traffic.DEPLOYABLE, 0)
    with pytest.raises(Refused, match="too old to take the traffic back") as caught:
        worker.plan_abortion(site)
    assert caught.value.remedy == "inv deploy.local"
    (leap,) = worker.plan_promotion(site)
    assert leap.irreversible.startswith("version old is not among")
    worker.undo(site, leap, {})  # it was only intended: both share the traffic still
    worker.apply(site, leap)
    assert cloudflare.splits[-1] == {"canary": 100.0}
    assert [target.headers for target in gates] == [{"Host": "canary-boss-ai.localhost:1"}]
    with pytest.raises(MovedForGood):
        worker.undo(site, leap, {})


def test_a_canary_that_nobody_can_end_is_left_for_a_new_version(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    standing(cloudflare, 0, traffic.DEPLOYABLE)
    with pytest.raises(Refused, match="too old to be deployed again"):
        worker.plan_promotion(site)
    changes = worker.plan(site)
    assert changes[-1].irreversible.startswith("version old, canary is not among")
    run(site, changes)
    assert cloudflare.splits[-1] == {site.facts["version"]: 100.0}


def test_there_is_no_canary_beside_a_version_that_is_too_old(
    site: Site, cloudflare: FakeCloudflare
) -> None:
    age(cloudflare, traffic.DEPLOYABLE - 1)
    with pytest.raises(Refused, match="too old to share the traffic"):
        worker.plan_canary(site, 20, 5.0)
    assert cloudflare.bodies == []


def test_a_version_that_is_there_at_0_percent_is_not_brought_there_again(site: Site) -> None:
    live, listed, there = {"old": 100.0}, ["older", "old"], {"old": 100.0, "older": 0.0}
    both = traffic.roll_out(site, live, "older", listed, back=True)
    (moved,) = traffic.roll_out(site, live, "older", listed, back=True, deployed=there)
    assert moved == both[1]
    assert traffic.SHIFT.before_of(moved).split == there


def test_going_back_takes_no_canary_steps(site: Site) -> None:
    with_canary(site, 10, 50)
    changes = traffic.roll_out(site, {"old": 100.0}, "older", ["older", "old"], back=True)
    assert splits(changes) == [{"old": 100, "older": 0}, {"old": 0, "older": 100}]
    assert all(traffic.SHIFT.after_of(change).quick for change in changes)


@pytest.mark.parametrize(
    ("found", "asked"),
    [
        pytest.param({"before": True}, [], id="it was verified moments ago"),
        pytest.param({"at once": True}, ["at once"], id="each answer named it"),
        pytest.param({}, ["at once", "gate"], id="it is not known"),
    ],
)
def test_a_version_gone_back_to_is_verified_in_as_few_looks_as_prove_it(
    site: Site,
    cloudflare: FakeCloudflare,
    monkeypatch: pytest.MonkeyPatch,
    found: dict[str, bool],
    asked: list[str],
) -> None:
    looks: list[str] = []

    def look(name: str) -> bool:
        looks.append(name)
        return found.get(name, False)

    site.state.verified = lambda _version: found.get("before", False)
    monkeypatch.setattr(verify, "at_once", lambda *_: look("at once"))
    monkeypatch.setattr(verify, "gate", lambda *_, **__: look("gate"))
    there = {"old": 100.0, "older": 0.0}
    (moved,) = traffic.roll_out(
        site, {"old": 100.0}, "older", ["older", "old"], back=True, deployed=there
    )
    cloudflare.made.append("older")
    cloudflare.splits.append(there)
    run(site, [moved])
    assert looks == asked


def test_the_last_version_that_can_be_deployed_shares_the_traffic(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    age(cloudflare, traffic.DEPLOYABLE - 2)
    changes = worker.plan(site)
    run(site, changes)
    assert len(splits(changes)) == 2
    for change in reversed(changes):
        worker.undo(site, change, {})
    assert cloudflare.splits[-1] == {"old": 100}


def test_a_live_version_that_is_too_old_is_left_at_once(
    site: Site, cloudflare: FakeCloudflare, gates: list[verify.Target]
) -> None:
    with_canary(site, 10, 50)
    age(cloudflare, traffic.DEPLOYABLE - 1)
    upload, leap = worker.plan(site)
    assert "is not among the newest 100" in leap.irreversible
    site.facts.update(worker.apply(site, upload))
    new = str(site.facts["version"])
    worker.undo(site, leap, {})  # it was only intended: the old one is live still
    worker.apply(site, leap)
    worker.apply(site, leap)
    assert [target.headers for target in gates] == [{"Host": f"{new[:8]}-boss-ai.localhost:1"}]
    assert cloudflare.splits == [{"old": 100.0}, {new: 100.0}]
    with pytest.raises(MovedForGood, match="stays where it is") as caught:
        worker.undo(site, leap, {})
    assert caught.value.why == leap.irreversible


def test_not_every_refusal_is_for_good(
    site: Site, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise Invalid("Cloudflare", "POST", status=400, codes=("10021",))

    cloudflare.splits.append({"new": 100.0})
    monkeypatch.setattr(cloudflare, "deploy", refuse)
    back = traffic.moving(site, {"old": 100.0}, {"new": 100.0}, "new", {"old": 100.0})
    with pytest.raises(Invalid):
        worker.undo(site, back, {})


def test_a_version_that_is_too_old_is_not_left_for_an_unverified_one(
    site: Site, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(cloudflare, traffic.DEPLOYABLE)
    monkeypatch.setattr(cloudflare, "worker_subdomain", lambda _name: Subdomain(True, False))
    with pytest.raises(Refused, match="too old to share the traffic"):
        worker.plan(site)


def test_nobody_goes_back_to_a_version_that_is_too_old(
    site: Site, cloudflare: FakeCloudflare
) -> None:
    age(cloudflare, traffic.DEPLOYABLE)
    with pytest.raises(Refused, match="too old to be deployed again"):
        traffic.roll_out(site, {"preview-99": 100.0}, "old", traffic.deployable(site), back=True)


def test_going_to_where_one_is_changes_nothing(site: Site) -> None:
    assert traffic.roll_out(site, {"old": 100.0}, "old", ["old"], back=True) == []


def test_a_live_version_beyond_the_newest_hundred_keeps_its_traffic(
    site: Site, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise Invalid("cloudflare", "only the last 100 versions can be deployed")

    cloudflare.splits = [{"older": 0.0, "old": 100.0}]
    monkeypatch.setattr(cloudflare, "deploy", refuse)
    change = next(change for change in worker.plan(site) if change.action == "shift")
    worker.undo(site, change, {})
    with pytest.raises(Invalid):
        traffic.shift(site, {"old": 100.0, "new": 0.0}, "not yet in the deployment")
