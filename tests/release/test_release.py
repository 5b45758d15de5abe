from __future__ import annotations

import pytest

from tests.support.releases import NEW, OLD, Begin, FakeStep, failing, kill
from xswarm_deploy.errors import (
    DeployError,
    ExitCode,
    Interrupted,
    Locked,
    MovedForGood,
    NotRolledBack,
    StepFailed,
)
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import lock, records, recovery, undo
from xswarm_deploy.site import Site
from xswarm_deploy.steps import traffic as moves


def test_a_release_that_succeeds_is_wholly_new(begin: Begin, step: FakeStep, site: Site) -> None:
    release = begin()
    release.perform(step)
    release.succeed()
    assert step.world == NEW
    assert release.site.facts["a"] == "new"
    record = records.read(site.database, "local")[0]
    assert (record.status, record.kind, record.message) == ("succeeded", "test", "a message")
    states = [entry.state for entry in records.entries(site.database, record.release)]
    assert states == ["done"] * 3
    assert lock.holder(site.database) is None


@pytest.mark.parametrize("broken", ["a", "b", "c"])
@pytest.mark.parametrize("lost_reply", [False, True])
def test_a_failure_anywhere_leaves_it_wholly_old(
    begin: Begin, step: FakeStep, site: Site, broken: str, lost_reply: bool
) -> None:
    step.fail_apply[broken] = failing()
    step.apply_then_fail = lost_reply
    release = begin()
    with pytest.raises(DeployError) as caught:
        release.perform(step)
    ended = undo.roll_back(release, caught.value)
    assert step.world == OLD
    assert isinstance(ended, StepFailed)
    assert ended.code == ExitCode.ROLLED_BACK
    assert "it failed" in ended.what
    assert ended.remedy == "inv again"
    assert records.read(site.database, "local")[0].status == "rolled back"
    undone = [call for call in step.calls if call.startswith("undo")]
    assert undone == [f"undo {name}" for name in "cba"["cba".index(broken) :]]


def test_the_intent_is_written_before_the_change(begin: Begin, step: FakeStep, site: Site) -> None:
    release = begin()
    seen = []
    real = step.apply

    def apply(at: Site, change: object) -> dict[str, object]:
        entries = records.entries(site.database, release.record.release)
        states = [entry.state for entry in entries]
        seen.append((states.index("intended"), release.journal.read()[-1]["event"]))
        return dict(real(at, change))  # type: ignore[arg-type]

    step.apply = apply  # type: ignore[method-assign, assignment]
    release.perform(step)
    assert seen == [(0, "plan"), (1, "intend"), (2, "intend")]
    release.succeed()


def test_what_cannot_be_undone_is_named_and_the_rest_is_undone(
    begin: Begin, step: FakeStep, site: Site
) -> None:
    step.fail_apply["c"] = failing()
    step.fail_undo["b"] = RuntimeError("unforeseen")
    release = begin()
    with pytest.raises(DeployError) as caught:
        release.perform(step)
    ended = undo.roll_back(release, caught.value)
    assert isinstance(ended, NotRolledBack)
    assert "fake: b" in ended.why
    assert step.world == {"a": "old", "b": "new", "c": "old"}
    assert records.read(site.database, "local")[0].status == "not rolled back"


def traffic(resource: str, action: str, irreversible: str = "") -> Change:
    kind = moves.LEAP if action == "leap" else moves.SHIFT
    old, after = moves.Traffic({"old": 100.0}), moves.Move({"new": 100.0}, "new")
    return kind.change(resource, before=old, after=after, undo=old, irreversible=irreversible)


@pytest.mark.parametrize(
    ("moved", "error", "way_on"),
    [
        (traffic("b", "shift"), failing("no reply"), "inv local deploy.abort --release "),
        (
            traffic("b", "leap", "it is too old"),
            MovedForGood("it stays", "it is too old", "fix it, then: inv deploy.local"),
            "fix it, then: inv deploy.local",
        ),
    ],
)
def test_what_goes_with_code_that_stays_live_is_left_as_it_is(
    begin: Begin, step: FakeStep, site: Site, moved: Change, error: DeployError, way_on: str
) -> None:
    """A schema taken back under the new code would break what is live and good."""
    step.plans[1] = moved
    step.fail_apply["c"] = failing()
    step.fail_undo["b"] = error
    release = begin()
    with pytest.raises(DeployError) as caught:
        release.perform(step)
    ended = undo.roll_back(release, caught.value)
    assert isinstance(ended, NotRolledBack)
    assert (step.world["a"], step.world["c"]) == ("new", "old")
    assert "left as it is, since it goes with that: a" in ended.why
    assert ended.remedy.startswith(way_on)
    states = [entry.state for entry in records.entries(site.database, release.record.release)]
    assert states == ["done", "not undone", "undone"]


def test_what_was_left_for_the_live_code_is_undone_once_the_traffic_goes_back(
    begin: Begin, step: FakeStep, site: Site
) -> None:
    step.plans[1] = traffic("b", "shift")
    step.fail_apply["c"] = failing()
    step.fail_undo["b"] = failing("no reply")
    release = begin()
    with pytest.raises(DeployError) as caught:
        release.perform(step)
    undo.roll_back(release, caught.value)
    step.fail_undo.clear()
    lease = lock.acquire(site.database, site.connect, "abort")
    (record,) = records.read(site.database, "local")
    again = recovery.reopened(site, record, lease, release.console)
    undo.abandon(again)
    lease.release()
    assert step.world == OLD


def test_ctrl_c_undoes_and_says_so(begin: Begin, step: FakeStep) -> None:
    step.fail_apply["b"] = KeyboardInterrupt()
    release = begin()
    with pytest.raises(KeyboardInterrupt) as caught:
        release.perform(step)
    ended = undo.roll_back(release, caught.value)
    assert isinstance(ended, Interrupted)
    assert ended.code == ExitCode.INTERRUPTED
    assert step.world == OLD


def test_an_unforeseen_error_is_undone_and_its_traceback_kept(begin: Begin, step: FakeStep) -> None:
    step.fail_apply["b"] = ZeroDivisionError("by zero")
    release = begin()
    with pytest.raises(ZeroDivisionError) as caught:
        release.perform(step)
    ended = undo.roll_back(release, caught.value)
    assert "ZeroDivisionError" in ended.what
    assert "by zero" in release.journal.path.with_name("traceback.txt").read_text()
    assert step.world == OLD


def test_a_release_that_died_is_undone_by_the_next(
    begin: Begin, step: FakeStep, site: Site
) -> None:
    dead = begin()
    dead.make(step.plans[:2])
    kill(dead, site)
    step.plans = []
    begin().succeed()
    assert step.world == OLD
    listed = records.read(site.database, "local")
    assert [record.status for record in listed] == ["succeeded", "rolled back"]


def test_the_next_does_not_begin_when_the_dead_one_cannot_be_undone(
    begin: Begin, step: FakeStep, site: Site
) -> None:
    dead = begin()
    dead.make(step.plans[:2])
    kill(dead, site)
    step.fail_undo["a"] = failing("no way back")
    with pytest.raises(NotRolledBack):
        begin()
    assert lock.holder(site.database) is None


def test_a_deployer_that_lost_its_lease_changes_nothing(
    begin: Begin, step: FakeStep, site: Site
) -> None:
    slept = begin()
    kill(slept, site)
    other = lock.acquire(site.database, site.connect, "other")
    with pytest.raises(Locked):
        slept.perform(step)
    assert step.world == OLD
    assert step.calls == []
    other.release()


def test_the_second_deployer_changes_nothing(begin: Begin, step: FakeStep) -> None:
    first = begin()
    with pytest.raises(Locked):
        begin()
    first.succeed()
    assert step.calls == []
