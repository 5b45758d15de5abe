"""A database that is far away is written while steps read; nothing is changed before it has that.

A file stands in for it: what is held back, and what waits, is the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.support.releases import HERE, JOIN, FakeStep, change, told
from xswarm_deploy import fence
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.errors import DeployError, Locked
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.release import audit, ledger, lock, records, undo
from xswarm_deploy.release.journal import Journal
from xswarm_deploy.release.release import Release
from xswarm_deploy.site import Site

Begin = Callable[..., Release]
SECONDS = 10.0
OLD, NEW = dict.fromkeys("abc", "old"), dict.fromkeys("abc", "new")


class Reading(FakeStep):
    """Reads before it changes anything, and says when."""

    looked: Callable[[str], None]

    def apply(self, site: Site, made: Change) -> Facts:
        self.looked(made.resource)
        return super().apply(site, made)


class Keeping(FakeStep):
    """Changes only this machine, and notes what its journal has by then."""

    journal: Journal
    journaled: list[str]

    def apply(self, site: Site, made: Change) -> Facts:
        fence.require_own()
        self.journaled = [str(event["event"]) for event in self.journal.read()]
        self.world[made.resource] = told(made.after)
        return {}


@pytest.fixture
def far(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> Iterator[Release]:
    """Return a release whose ledger is no file, behind the fence as one that is under way."""
    monkeypatch.setattr(ledger, "_NEAR", "nowhere:")
    release = begin()
    release.ledger.settle()
    with fence.fenced(release.ledger.lease):
        yield release
        release.ledger.settle()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let no write get through before the event is set."""
    gate = threading.Event()
    real = ledger.Ledger._sent

    def sent(self: ledger.Ledger, entries: Sequence[Any]) -> None:
        assert gate.wait(SECONDS), "nobody let it through"
        real(self, entries)

    monkeypatch.setattr(ledger.Ledger, "_sent", sent)
    yield gate
    gate.set()


def states(release: Release) -> list[str]:
    listed = records.entries(release.site.database, release.record.release)
    return [entry.state for entry in listed]


def reading(step: FakeStep, looked: Callable[[str], None]) -> Reading:
    made = Reading(step.world, step.plans)
    made.looked = looked
    return made


def test_a_step_reads_while_its_intent_is_written_and_changes_nothing_before(
    far: Release, step: FakeStep, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []

    def looked(resource: str) -> None:
        if resource == "a":
            seen.append((states(far), dict(step.world)))
            threading.Timer(0.05, slow.set).start()

    made = reading(step, looked)
    monkeypatch.setattr("xswarm_deploy.release.steps.step_named", lambda _name: made)
    far.perform(made)
    assert seen == [([], OLD)], "it reads before the plan is there, and nothing is changed"
    assert step.world == NEW
    far.ledger.settle()
    assert states(far) == [records.DONE] * 3


def seen_by_the_fence(far: Release, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return what the ledger knows each time that the fence lets something leave."""
    known: list[list[str]] = []
    real = fence.require_held

    def noted() -> None:
        real()
        known.append(states(far))

    monkeypatch.setattr(fence, "require_held", noted)
    return known


def test_what_is_changed_is_intended_in_the_database_before(
    far: Release, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = seen_by_the_fence(far, monkeypatch)
    far.perform(step)
    done, intended, planned = records.DONE, records.INTENDED, records.PLANNED
    assert known == [
        [intended, planned, planned],
        [done, intended, planned],
        [done, done, intended],
    ]


def test_what_joins_is_intended_with_the_change_before_and_its_outcome_is_not_waited_for(
    far: Release, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.plans = [change("a"), change("b", action=JOIN), change("c")]
    known = seen_by_the_fence(far, monkeypatch)
    monkeypatch.setattr(ledger.Ledger, "later", lambda *_: None)  # the fence alone sees to it
    far.perform(step)
    done, intended, planned = records.DONE, records.INTENDED, records.PLANNED
    assert known == [
        [intended, intended, planned],
        [intended, intended, planned],
        [done, done, intended],
    ]


def test_what_was_intended_with_another_and_never_begun_is_not_undone(
    far: Release, step: FakeStep
) -> None:
    step.plans = [change("a"), change("b", action=JOIN)]
    step.fail_apply = {"a": DeployError("it failed", "because")}
    with pytest.raises(DeployError) as caught:
        far.perform(step)
    far.ledger.settle()
    assert states(far) == [records.INTENDED] * 2
    undo.roll_back(far, caught.value)
    assert step.calls == ["apply a", "undo a"]
    assert states(far) == [records.UNDONE, records.PLANNED]


def test_what_stays_on_this_machine_waits_for_its_journal_alone(
    far: Release, step: FakeStep, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Keeping(step.world, [change("a", action=HERE)])
    made.journal = far.journal
    monkeypatch.setattr("xswarm_deploy.release.steps.step_named", lambda _name: made)
    far.perform(made)
    assert (made.journaled, states(far)) == (["begin", "plan"], []), "the database has nothing yet"
    assert step.world["a"] == "new"
    slow.set()
    far.ledger.settle()
    assert states(far) == [records.DONE]


def test_an_intent_that_is_not_written_stops_the_change_and_is_undone(
    far: Release, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ledger.Ledger._sent
    silent = [True]

    def sent(self: ledger.Ledger, entries: Sequence[Any]) -> None:
        if silent and any(one.event == "done" for one in entries):
            raise DatabaseError("unavailable", "connection refused")
        real(self, entries)

    monkeypatch.setattr(ledger.Ledger, "_sent", sent)
    with pytest.raises(DeployError) as caught:
        far.perform(step)
    assert step.world == {**OLD, "a": "new"}, "b was not changed"
    silent.clear()
    undo.roll_back(far, caught.value)
    assert step.world == OLD
    assert states(far) == [records.UNDONE, records.UNDONE, records.PLANNED]
    assert records.status_of(far.site.database, far.record.release) == records.ROLLED_BACK


def test_a_plan_that_was_never_written_is_written_as_it_is_undone(
    far: Release, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ledger.Ledger._sent

    def away(self: ledger.Ledger, entries: Sequence[Any]) -> None:
        raise DatabaseError("unavailable", "connection refused")

    monkeypatch.setattr(ledger.Ledger, "_sent", away)
    with pytest.raises(DeployError) as caught:
        far.perform(step)
    assert (step.world, states(far)) == (OLD, [])
    monkeypatch.setattr(ledger.Ledger, "_sent", real)
    undo.roll_back(far, caught.value)
    assert states(far)[0] == records.UNDONE
    assert records.status_of(far.site.database, far.record.release) == records.ROLLED_BACK


def test_what_could_not_be_written_does_not_hold_up_undoing(
    far: Release, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ledger.Ledger._sent

    def away_from_b_on(self: ledger.Ledger, entries: Sequence[Any]) -> None:
        if any(one.event in ("done", "undone", "undoing", "end") for one in entries):
            raise DatabaseError("unavailable", "connection refused")
        real(self, entries)

    monkeypatch.setattr(ledger.Ledger, "_sent", away_from_b_on)
    with pytest.raises(DeployError) as caught:
        far.perform(step)
    assert step.world == {**OLD, "a": "new"}
    ended = undo.roll_back(far, caught.value)
    assert "everything was brought back" in ended.what
    assert step.world == OLD
    monkeypatch.setattr(ledger.Ledger, "_sent", real)
    far.finish(records.ROLLED_BACK)
    assert states(far) == [records.DONE, records.INTENDED, records.PLANNED]  # the journal knows


def test_what_was_written_though_its_reply_was_lost_is_not_written_twice(
    far: Release, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lost = ledger.Ledger._sent, [True]

    def sent(self: ledger.Ledger, entries: Sequence[Any]) -> None:
        before = self.trail.latest
        real(self, entries)
        if lost:
            lost.clear()
            self.trail.follow(before)
            raise DatabaseError("unavailable", "the connection broke", in_doubt=True)

    monkeypatch.setattr(ledger.Ledger, "_sent", sent)
    far.ledger.begin(far.record)
    far.ledger.plan("fake", 1, step.plans)
    with pytest.raises(DatabaseError):
        far.ledger.settle()
    far.ledger.settle()
    assert states(far) == [records.INTENDED, records.PLANNED, records.PLANNED]
    assert audit.examine(audit.walk(far.site.database)).faults == []


def test_nothing_leaves_once_the_lock_is_lost(far: Release, step: FakeStep, site: Site) -> None:
    step.plans = [change("a"), change("b")]
    by = lock.holder(site.database)
    assert by is not None
    lock.take_off(site.database, by)
    with pytest.raises(Locked):
        far.perform(step)
    assert step.world == OLD
    far.ledger._held.clear()


def test_the_end_takes_what_is_held_along(
    far: Release, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    real = ledger.Ledger._sent

    def counted(self: ledger.Ledger, entries: Sequence[Any]) -> None:
        writes.append(len(entries))
        real(self, entries)

    monkeypatch.setattr(ledger.Ledger, "later", lambda *_: None)  # the fence alone sees to it
    for begun in threading.enumerate():  # that it began may be written only now
        if begun.name == "ledger":
            begun.join()
    far.make(step.plans, "fake")
    assert states(far) == [records.DONE, records.DONE, records.INTENDED]
    monkeypatch.setattr(ledger.Ledger, "_sent", counted)
    far.succeed()
    assert writes == [2], "what came of the last change, and the end, are one write"
    assert states(far) == [records.DONE] * 3
    assert audit.examine(audit.walk(far.site.database)).faults == []
