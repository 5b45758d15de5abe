"""What others do during a release: a person's own change, and calls that are delivered late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from tests.release.test_undoing import Failing, back, failed
from tests.steps.fakes import bundling
from tests.support.releases import Begin, FakeStep, change, failing
from xswarm_deploy.console import Console
from xswarm_deploy.errors import DeployError, NotRolledBack, Refused, StepFailed
from xswarm_deploy.model.report import Report
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import records, recovery, steps, takeover, transaction, undo
from xswarm_deploy.services import doubt
from xswarm_deploy.site import Site
from xswarm_deploy.steps import traffic, triggers, worker
from xswarm_deploy.verification import verify

_SPLIT = traffic.live_split


@pytest.fixture
def cloudflare(step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch) -> Failing:
    found = Failing(splits=[{"old": 100.0}], made=["older", "target", "old"])
    site.__dict__.update(cloudflare=found, bundling=bundling())
    named = {"worker": worker}
    monkeypatch.setattr(steps, "step_named", lambda name: named.get(name, step))
    for name in ("gate", "run"):
        monkeypatch.setattr(verify, name, lambda *_, **__: Report("verify", ()))
    monkeypatch.setattr(traffic, "live_split", _SPLIT)
    return found


def then(step: FakeStep, resource: str, act: Callable[[], object]) -> None:
    """Let something happen while the release makes a change, which then fails."""
    original = step.apply

    def apply(at: Site, made: object) -> object:
        if getattr(made, "resource", "") == resource:
            act()
        return original(at, made)  # type: ignore[arg-type]

    step.apply = apply  # type: ignore[method-assign,assignment]
    step.fail_apply[resource] = failing()


def test_an_older_version_that_a_person_put_live_stays_and_is_told(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin
) -> None:
    then(step, "c", lambda: cloudflare.splits.append({"older": 100.0}))
    ended = failed(begin(), [change("a"), *back(site), change("c")])
    assert cloudflare.splits[-1] == {"older": 100.0}
    assert step.world["a"] == "old"
    assert isinstance(ended, StepFailed)
    assert "left as somebody else has set it meanwhile (older 100 %)" in ended.why


def test_a_share_that_a_person_gave_the_failed_version_keeps_its_schema(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin
) -> None:
    then(step, "c", lambda: cloudflare.splits.append({"old": 70.0, "target": 30.0}))
    ended = failed(begin(), [change("a"), *back(site), change("c")])
    assert cloudflare.splits[-1] == {"old": 70.0, "target": 30.0}
    assert step.world["a"] == "new"
    assert isinstance(ended, NotRolledBack)
    cloudflare.splits.append({"old": 100.0})  # who moved it moves it back; then it is settled
    takeover.abort(site)
    assert step.world["a"] == "old"


def test_traffic_that_a_person_moves_between_two_steps_is_not_moved_over(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin
) -> None:
    changes = back(site)
    then(step, "b", lambda: cloudflare.splits.append({"older": 100.0}))
    step.fail_apply.clear()
    ended = failed(begin(), [change("a"), changes[0], change("b"), *changes[1:]])
    assert cloudflare.splits[-1] == {"older": 100.0}
    assert "was changed by somebody else during the release" in ended.what


def test_cron_triggers_of_a_person_stay(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin
) -> None:
    then(step, "c", lambda: setattr(cloudflare, "crons", ["1 1 1 1 1"]))
    ended = failed(begin(), [*triggers.changes(site, ["0 0 * * *"]), change("c")])
    assert cloudflare.crons == ["1 1 1 1 1"]
    assert "1 1 1 1 1" in ended.why


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Return what lets a call of the release be in doubt, and delivered within its time."""

    def make(deliver: Callable[[], object]) -> None:
        pending = [deliver]

        def left(_since: float) -> float:
            if pending:
                pending.pop()()
                return 0.001
            return 0.0

        monkeypatch.setattr(doubt, "any_since", lambda _since: True)
        monkeypatch.setattr(doubt, "left", left)

    return make


def test_a_call_that_lands_after_all_was_undone_is_undone_too(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin, late: Callable[..., None]
) -> None:
    step.fail_apply["c"] = failing()

    def deliver() -> None:
        cloudflare.splits.append({"target": 100.0, "old": 0.0})

    late(deliver)
    ended = failed(begin(), [change("a"), *back(site), change("c")])
    assert traffic.live_split(site) == {"old": 100.0}
    assert step.world["a"] == "old"
    assert isinstance(ended, StepFailed)


def test_a_call_of_an_earlier_step_that_lands_late_is_the_releases_own(
    cloudflare: Failing, step: FakeStep, site: Site, begin: Begin
) -> None:
    splits = [{"old": 100.0}, *({"old": 100.0 - p, "target": p} for p in (0.0, 10.0, 50.0, 100.0))]
    steps = [traffic.moving(site, *both, "target", splits[0]) for both in pairwise(splits)]
    then(step, "c", lambda: cloudflare.splits.append(splits[2]))
    ended = failed(begin(), [change("a"), *steps, change("c")])
    assert traffic.live_split(site) == {"old": 100.0}
    assert step.world["a"] == "old"
    assert isinstance(ended, StepFailed)


def test_a_release_is_not_called_good_while_a_call_may_still_land(
    cloudflare: Failing, site: Site, begin: Begin, late: Callable[..., None]
) -> None:
    late(lambda: cloudflare.splits.append({"old": 100.0, "target": 0.0}))
    with pytest.raises(StepFailed, match="was changed by somebody else"):
        make(begin, back(site))
    assert traffic.live_split(site) == {"old": 100.0}


def make(begin: Begin, changes: list[Change]) -> None:
    with transaction.guarded(begin()) as release:
        release.make(changes)


def test_doubts_pass() -> None:
    class At:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = At()
    doubt.note(clock)  # type: ignore[arg-type]
    assert doubt.left(101.0, clock) == 0.0  # type: ignore[arg-type]
    clock.now = 105.0
    assert doubt.left(99.0, clock) == doubt.LATE - 5  # type: ignore[arg-type]
    clock.now = 200.0
    assert doubt.left(99.0, clock) == 0.0  # type: ignore[arg-type]
    clock.now = 50.0  # of another clock: nothing is known of it
    assert doubt.left(99.0, clock) == 0.0  # type: ignore[arg-type]


# Order


def behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set this machine's clock a day back: ids and times of what follows sort before."""
    monkeypatch.setattr("xswarm_deploy.release.release.datetime", Yesterday)
    monkeypatch.setattr(records, "now", lambda: "2000-01-01T00:00:00.000Z")


class Yesterday:
    @staticmethod
    def now(_zone: object) -> object:
        return datetime(2000, 1, 1, tzinfo=UTC)


def test_releases_stand_in_the_order_of_the_ledger_not_of_clocks(
    site: Site, step: FakeStep, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin()
    first.succeed()
    behind(monkeypatch)
    dead = begin()
    dead.make(step.plans[:1])
    dead.ledger.lease.release()
    listed = [record.release for record in records.read(site.database, "local")]
    assert listed == [dead.record.release, first.record.release]
    takeover.abort(site, dead.record.release)
    assert step.world["a"] == "old"
    statuses = [record.status for record in records.read(site.database, "local")]
    assert statuses == ["rolled back", "succeeded"]


def test_what_is_stuck_is_not_asked_after_once_later_releases_stand(
    site: Site, step: FakeStep, begin: Begin, capsys: pytest.CaptureFixture[str]
) -> None:
    step.fail_undo["a"] = failing("no reply")
    step.fail_apply["b"] = failing()
    stuck = begin()
    with pytest.raises(DeployError) as caught:
        stuck.make(step.plans[:2])
    undo.roll_back(stuck, caught.value)
    assert (recovery.find(site) or stuck.record).release == stuck.record.release
    begin().succeed()
    takeover.abort(site, console=Console())
    assert "nothing to do: no release is interrupted" in capsys.readouterr().out


def test_a_rollback_of_a_worker_that_is_gone_says_so(cloudflare: Failing, site: Site) -> None:
    cloudflare.splits.clear()
    with pytest.raises(Refused, match="there is no worker"):
        traffic.roll_out(site, {}, "target", ["target"], back=True)
