"""A release that died at any moment: finished, undone, or left alone; by whoever comes next."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from deployment.cli.console import Console
from deployment.database.errors import DatabaseError
from deployment.errors import CheckFailed, DeployError, Locked, NotRolledBack, Refused
from deployment.release import ledger, lock, recovery
from deployment.release.journal import Journal
from deployment.release.ledger import Ledger
from deployment.release.release import Release
from deployment.steps.site import Site
from tests.release.conftest import FakeStep, failing
from tests.release.test_release import NEW, OLD, Begin, kill

BOUNDARIES = range(1, 39)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, place: int) -> Iterator[list[str]]:
    """Let the process die at the n-th boundary: around each write, and after each change."""
    seen: list[str] = []

    def boundary(name: str) -> None:
        seen.append(name)
        if len(seen) == place:
            raise Killed

    def around(owner: Any, method: str) -> None:
        call = getattr(owner, method)

        def surrounded(*given: Any, **named: Any) -> Any:
            boundary(f"before {method}")
            result = call(*given, **named)
            boundary(f"after {method}")
            return result

        patch.setattr(owner, method, surrounded)

    with monkeypatch.context() as patch:
        around(Journal, "append")
        around(Ledger, "_write")
        around(FakeStep, "apply")
        yield seen


def reopen(site: Site) -> Release:
    record = recovery.find(site)
    assert record is not None
    lease = lock.acquire(site.database, site.connect, "settling")
    return recovery.reopened(site, record, lease, Console(io.StringIO()))


def deploy(begin: Begin, step: FakeStep) -> None:
    release = begin()
    release.perform(step)
    release.succeed()


def die(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch, place: int
) -> str:
    """Die there; give the status the database has then, empty where no release is known."""
    with dying(monkeypatch, place) as seen:
        try:
            deploy(begin, step)
        except Killed:
            pass
        else:
            assert len(seen) < place
    site.database.execute("UPDATE _release_lock SET expires_at = 0, owner = 'dead'")
    records = ledger.records(site.database, "local")
    return records[0].status if records else ""


@pytest.mark.slow
@pytest.mark.parametrize("forget", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize("place", BOUNDARIES)
def test_abort_leaves_it_wholly_old(
    begin: Begin,
    step: FakeStep,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    place: int,
    forget: bool,
) -> None:
    status = die(begin, step, site, monkeypatch, place)
    if status not in ledger.UNENDED:
        assert step.world == (NEW if status else OLD)
        return
    if forget:
        _forget_journal(site)
    dead = reopen(site)
    dead.abandon()
    dead.ledger.lease.release()
    assert step.world == OLD
    assert ledger.records(site.database, "local")[0].status == "rolled back"
    calls = list(step.calls)
    again = reopened_by_name(site, dead.record.release)
    again.abandon()
    again.ledger.lease.release()
    assert step.calls == calls, "undoing twice is undoing once"


@pytest.mark.slow
@pytest.mark.parametrize("forget", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize("place", BOUNDARIES)
def test_resume_leaves_it_wholly_new(
    begin: Begin,
    step: FakeStep,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    place: int,
    forget: bool,
) -> None:
    status = die(begin, step, site, monkeypatch, place)
    if status not in ledger.UNENDED:
        assert step.world == (NEW if status else OLD)
        return
    if forget:
        _forget_journal(site)
    dead = reopen(site)
    recovery.carry_on(dead)
    dead.succeed()
    assert step.world == NEW
    record = ledger.records(site.database, "local")[0]
    assert record.status == "succeeded"
    assert {e.state for e in ledger.entries(site.database, record.release)} == {"done"}
    assert recovery.find(site) is None


@pytest.mark.slow
@pytest.mark.parametrize("place", BOUNDARIES)
def test_the_next_release_settles_it_first(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    die(begin, step, site, monkeypatch, place)
    _forget_journal(site)
    step.plans = []
    begin().succeed()
    assert step.world in (OLD, NEW)
    records = ledger.records(site.database, "local")
    statuses = [record.status for record in records]
    assert set(statuses) <= {"succeeded", "rolled back"}
    made = step.world == NEW
    assert made == ("succeeded" in statuses[1:])


def test_the_boundaries_are_all_of_them(
    begin: Begin, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dying(monkeypatch, 0) as seen:
        deploy(begin, step)
    assert BOUNDARIES.stop > len(seen) >= 30


def test_one_that_was_all_made_and_is_good_stays(begin: Begin, step: FakeStep, site: Site) -> None:
    dead = begin()
    dead.perform(step)
    kill(dead, site)
    step.plans = []
    begin().succeed()
    assert step.world == NEW
    assert [r.status for r in ledger.records(site.database, "local")] == ["succeeded"] * 2


def test_one_that_was_all_made_but_is_not_good_is_undone(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = begin()
    dead.perform(step)
    kill(dead, site)
    step.plans = []

    def bad(_release: Release) -> None:
        raise CheckFailed("version 1 is not good", "GET /health: 500")

    monkeypatch.setattr(recovery, "verified", bad)
    begin().succeed()
    assert step.world == OLD


def test_a_lost_mark_of_success_is_written_later(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = begin()
    release.perform(step)
    with unreachable(monkeypatch):
        release.succeed()
    assert "database does not know yet" in release.console.stream.getvalue()  # type: ignore[attr-defined]
    assert ledger.status_of(site.database, release.record.release) == "running"
    kill(release, site)
    dead = reopen(site)
    assert recovery.write_success_if_known(dead)
    dead.ledger.lease.release()
    assert step.world == NEW
    assert recovery.find(site) is None


def test_undoing_goes_on_without_the_database_and_is_settled_later(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.fail_apply["c"] = failing()
    release = begin()
    with pytest.raises(DeployError) as caught:
        release.perform(step)
    with unreachable(monkeypatch):
        ended = release.roll_back(caught.value)
    assert "everything was brought back" in ended.what
    assert step.world == OLD
    undone = list(step.calls)
    assert ledger.status_of(site.database, release.record.release) == "running"
    kill(release, site)
    step.plans = []
    begin().succeed()
    assert step.calls == undone, "this machine's journal knows that all was undone"
    statuses = [record.status for record in ledger.records(site.database, "local")]
    assert statuses == ["succeeded", "rolled back"]


def test_elsewhere_it_is_undone_once_more(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.fail_apply["c"] = failing()
    release = begin()
    with pytest.raises(DeployError) as caught:
        release.perform(step)
    with unreachable(monkeypatch):
        release.roll_back(caught.value)
    kill(release, site)
    _forget_journal(site)
    step.plans = []
    begin().succeed()
    assert step.world == OLD


def test_what_is_half_undone_is_not_resumed(begin: Begin, step: FakeStep, site: Site) -> None:
    step.fail_undo["a"] = failing("no way back")
    step.fail_apply["c"] = failing()
    release = begin()
    with pytest.raises(DeployError) as caught:
        release.perform(step)
    ended = release.roll_back(caught.value)
    assert isinstance(ended, NotRolledBack)
    record = recovery.find(site)
    assert record is not None
    assert record.status == "not rolled back"
    with pytest.raises(Refused, match="cannot be finished") as refused:
        recovery.require_resumable(site, record)
    assert "deploy.abort" in refused.value.remedy
    step.fail_undo.clear()
    dead = reopen(site)
    dead.abandon()
    dead.ledger.lease.release()
    assert step.world == OLD
    assert step.calls.count("undo b") == 1, "what was undone is not undone again"


def test_what_it_did_before_it_died_is_its_own_to_undo(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = begin()
    with monkeypatch.context() as patch:
        patch.setattr(Release, "mark_done", _die)
        with pytest.raises(Killed):
            dead.perform(step)
    kill(dead, site)
    monkeypatch.setattr(step, "apply", lambda _site, change: {"by_other": change.resource == "a"})
    resumed = reopen(site)
    recovery._carry_on(resumed, resumed.entries[0], made=False)
    assert resumed.entries[0].outcome == {"by_other": False}
    resumed.ledger.lease.release()


def _die(*_: Any) -> None:
    raise Killed


def test_what_stands_is_not_aborted(begin: Begin, step: FakeStep, site: Site) -> None:
    deploy(begin, step)
    record = ledger.records(site.database, "local")[0]
    with pytest.raises(Refused, match="cannot be aborted") as refused:
        recovery.require_abortable(site, record)
    assert refused.value.remedy == "inv rollback"


def test_who_lost_the_lock_does_not_undo(begin: Begin, step: FakeStep, site: Site) -> None:
    slept = begin()
    slept.make(step.plans[:1])
    kill(slept, site)
    other = lock.acquire(site.database, site.connect, "other")
    with pytest.raises(Locked) as caught:
        slept.make(step.plans[1:])
    ended = slept.roll_back(caught.value)
    assert isinstance(ended, NotRolledBack)
    assert step.calls == ["apply a"]
    other.release()


@pytest.mark.parametrize("name", ["", "2", "99999999"])
def test_a_name_that_names_nothing(begin: Begin, step: FakeStep, site: Site, name: str) -> None:
    deploy(begin, step)
    if not name:
        assert recovery.find(site) is None
        return
    with pytest.raises(Refused, match="names no release"):
        recovery.find(site, name)


def reopened_by_name(site: Site, name: str) -> Release:
    record = recovery.find(site, name)
    assert record is not None
    lease = lock.acquire(site.database, site.connect, "again")
    return recovery.reopened(site, record, lease, Console(io.StringIO()))


@contextmanager
def unreachable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the ledger's database not answer for a while."""

    def no(*_: Any) -> None:
        raise DatabaseError("unavailable", "connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "_write", no)
        patch.setattr("deployment.release.release._PAUSES", (0.0, 0.0))
        yield


def _forget_journal(site: Site) -> None:
    """Be another machine: one without the dead release's journal."""
    for file in site.settings.path(".deployments").glob("*/journal.jsonl"):
        file.unlink()
