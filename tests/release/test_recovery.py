"""A release that died at any moment: finished, undone, or left alone; by whoever comes next."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.releases import NEW, OLD, Begin, FakeStep, change, failing, kill
from xswarm_deploy.console import Console
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.errors import VERSION, CheckFailed, DeployError, Locked, NotRolledBack, Refused
from xswarm_deploy.release import inputs, lock, records, recovery, takeover, undo
from xswarm_deploy.release.journal import Journal
from xswarm_deploy.release.ledger import Ledger
from xswarm_deploy.release.records import Entry
from xswarm_deploy.release.release import Release
from xswarm_deploy.site import Site
from xswarm_deploy.steps import pages

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


def failed(begin: Begin, step: FakeStep) -> tuple[Release, DeployError]:
    """Let the third change of a release fail; nothing is undone yet."""
    step.fail_apply["c"] = failing()
    release = begin()
    with pytest.raises(DeployError) as caught:
        release.perform(step)
    return release, caught.value


def deploy(begin: Begin, step: FakeStep) -> None:
    release = begin()
    release.perform(step)
    release.succeed()


def die(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch, place: int
) -> str:
    """Die there; return the status the database has then, empty where no release is known."""
    with dying(monkeypatch, place) as seen:
        try:
            deploy(begin, step)
        except Killed:
            pass
        else:
            assert len(seen) < place
    site.database.execute("UPDATE _release_lock SET expires_at = 0, owner = 'dead'")
    listed = records.read(site.database, "local")
    return listed[0].status if listed else ""


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
    if status in ("", *records.ENDED):
        assert step.world == (NEW if status else OLD)
        return
    if forget:
        _forget_journal(site)
    dead = reopen(site)
    undo.abandon(dead)
    dead.ledger.lease.release()
    assert step.world == OLD
    assert records.read(site.database, "local")[0].status == "rolled back"
    calls = list(step.calls)
    again = reopened_by_name(site, dead.record.release)
    undo.abandon(again)
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
    if status in ("", *records.ENDED):
        assert step.world == (NEW if status else OLD)
        return
    if forget:
        _forget_journal(site)
    dead = reopen(site)
    recovery.carry_on(dead)
    dead.succeed()
    assert step.world == NEW
    record = records.read(site.database, "local")[0]
    assert record.status == "succeeded"
    assert {e.state for e in records.entries(site.database, record.release)} == {"done"}
    assert recovery.find(site) is None


def test_another_checkout_changes_nothing_and_whose_it_is_may_finish_it(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = begin()
    dead.make(step.plans[:2], "fake")
    kill(dead, site)
    left = dict(step.world)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(
            inputs, "digests", lambda _settings: dict.fromkeys(inputs._TAKEN, "other")
        )
        with pytest.raises(Refused, match="not as when it began: settings; nothing was changed"):
            takeover.resume(site)
    assert step.world == left
    assert lock.holder(site.database) is None
    assert records.read(site.database, "local")[0].status == records.RUNNING
    takeover.resume(site)
    assert records.read(site.database, "local")[0].status == records.SUCCEEDED


@pytest.mark.parametrize(
    ("noted", "told"),
    [
        ("1.2.0", f"settings (by version {VERSION} of this tool; 1.2.0 began it); nothing"),
        ("", f"settings (by version {VERSION} of this tool; an earlier one began it); nothing"),
    ],
)
def test_who_has_updated_the_tool_meanwhile_is_told_so(
    begin: Begin,
    step: FakeStep,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    noted: str,
    told: str,
) -> None:
    """The files may be the very same, and be noted otherwise."""
    dead = begin()
    dead.make(step.plans[:2], "fake")
    kill(dead, site)
    changed = f"json_set(facts, '$.tool', '{noted}')" if noted else "json_remove(facts, '$.tool')"
    site.database.execute(f"UPDATE _releases SET facts = {changed}")
    monkeypatch.setattr(inputs, "digests", lambda _: dict.fromkeys(inputs._TAKEN, "other"))
    with pytest.raises(Refused, match=re.escape(told)) as refused:
        takeover.resume(site)
    assert f"version of this tool that began it{noted and f' ({noted})'}," in refused.value.remedy


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
    listed = records.read(site.database, "local")
    statuses = [record.status for record in listed]
    assert set(statuses) <= {"succeeded", "rolled back"}
    made = step.world == NEW
    assert made == ("succeeded" in statuses[1:])


def test_the_boundaries_are_all_of_them(
    begin: Begin, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dying(monkeypatch, 0) as seen:
        deploy(begin, step)
    assert BOUNDARIES.stop > len(seen) >= 30


def test_what_is_read_with_the_lock_tells_whether_one_must_be_settled(
    begin: Begin, site: Site
) -> None:
    def none_unended() -> bool:
        return records.none_unended(site.database.snapshot(records.asking_unended("local")))

    release = begin()
    release.ledger.settle()
    assert not none_unended(), "what was checked before may not be so once it is undone"
    release.succeed()
    assert none_unended()
    assert not records.none_unended(()), "nothing was read: the tables were not there"


def test_releases_are_read_although_their_table_is_made_at_that_very_moment(
    begin: Begin, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin().succeed()
    query, early = site.database.query, [True]

    def first(sql: str, parameters: Any = ()) -> Any:
        if early:
            early.clear()
            raise DatabaseError("syntax", "no such table: _releases")
        return query(sql, parameters)

    monkeypatch.setattr(site.database, "query", first)
    (found,) = records.read(site.database, "local")
    assert found.status == "succeeded"


def test_one_that_was_all_made_and_is_good_stays(begin: Begin, step: FakeStep, site: Site) -> None:
    dead = begin()
    dead.perform(step)
    kill(dead, site)
    step.plans = []
    begin().succeed()
    assert step.world == NEW
    assert [r.status for r in records.read(site.database, "local")] == ["succeeded"] * 2


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
    assert records.status_of(site.database, release.record.release) == "running"
    kill(release, site)
    dead = reopen(site)
    assert recovery.write_success_if_known(dead)
    dead.ledger.lease.release()
    assert step.world == NEW
    assert recovery.find(site) is None


def test_undoing_goes_on_without_the_database_and_is_settled_later(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, cause = failed(begin, step)
    with unreachable(monkeypatch):
        ended = undo.roll_back(release, cause)
    assert "everything was brought back" in ended.what
    assert step.world == OLD
    undone = list(step.calls)
    assert records.status_of(site.database, release.record.release) == "running"
    kill(release, site)
    step.plans = []
    begin().succeed()
    assert step.calls == undone, "this machine's journal knows that all was undone"
    statuses = [record.status for record in records.read(site.database, "local")]
    assert statuses == ["succeeded", "rolled back"]


def test_elsewhere_it_is_undone_once_more(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, cause = failed(begin, step)
    with unreachable(monkeypatch):
        undo.roll_back(release, cause)
    kill(release, site)
    _forget_journal(site)
    step.plans = []
    begin().succeed()
    assert step.world == OLD


def test_what_is_half_undone_is_not_resumed(begin: Begin, step: FakeStep, site: Site) -> None:
    step.fail_undo["a"] = failing("no way back")
    release, cause = failed(begin, step)
    ended = undo.roll_back(release, cause)
    assert isinstance(ended, NotRolledBack)
    record = recovery.find(site)
    assert record is not None
    assert record.status == "not rolled back"
    with pytest.raises(Refused, match="cannot be finished") as refused:
        recovery.require_resumable(site, record)
    assert "deploy.abort" in refused.value.remedy
    step.fail_undo.clear()
    dead = reopen(site)
    undo.abandon(dead)
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


def _die(*_: Any, **__: Any) -> None:
    raise Killed


def test_what_stands_is_not_aborted(begin: Begin, step: FakeStep, site: Site) -> None:
    deploy(begin, step)
    record = records.read(site.database, "local")[0]
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
    ended = undo.roll_back(slept, caught.value)
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
        patch.setattr(Ledger, "_sent", no)
        patch.setattr("xswarm_deploy.release.release._PAUSES", (0.0, 0.0))
        yield


def _forget_journal(site: Site) -> None:
    """Be another machine: one without the dead release's journal."""
    for file in site.settings.path(".deployments").glob("*/journal.jsonl"):
        file.unlink()


@pytest.mark.parametrize(
    ("reached", "done"),
    [("", []), ("migrate", ["backup", "migrate"]), ("worker", ["backup", "migrate"])],
)
def test_a_phase_is_done_once_it_was_reached_and_all_of_it_was_made(
    begin: Begin, reached: str, done: list[str]
) -> None:
    """One of which nothing had to be changed is done, too; and so is the one reached last."""
    release = begin("deploy", ("backup", "migrate", "worker", "pages"))
    release.record = release.record._replace(phase=reached)
    states = [("backup", "done"), ("worker", "done"), ("worker", "intended")]
    release.entries = [
        records.Entry(number, phase, state, change("a"), {})
        for number, (phase, state) in enumerate(states, start=1)
    ]
    phases = release.record.phases
    assert [phase for phase in phases if recovery._is_done(release, phase)] == done
    release.ledger.lease.release()


@pytest.mark.parametrize(("phase", "made"), [("pages", True), ("rollback", False)])
def test_only_what_its_step_planned_is_planned_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, phase: str, made: bool
) -> None:
    """A rollback plans for itself: that the step would change nothing does not say it was made."""
    monkeypatch.setattr(pages, "plan", lambda _site: [])
    planned = pages.DEPLOY.change("pages site", after=pages.Content("one"))
    entry = Entry(1, phase, records.INTENDED, planned, {})
    assert recovery._is_still_planned(site, entry) is not made


def test_what_only_the_journal_knew_is_written_to_the_ledger(
    begin: Begin, step: FakeStep, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, cause = failed(begin, step)
    name = release.record.release
    with unreachable(monkeypatch):
        undo.roll_back(release, cause)
    kill(release, site)
    before = {entry.state for entry in records.entries(site.database, name)}
    assert records.DONE in before
    reopened = reopen(site)
    after = [entry.state for entry in records.entries(site.database, name)]
    assert after == [entry.state for entry in reopened.entries]
    assert records.DONE not in after
    reopened.ledger.lease.release()


@pytest.mark.parametrize("phases", [("rotation",), ("backup", "rotation")])
def test_what_no_step_plans_is_not_planned_from_elsewhere(
    begin: Begin, phases: tuple[str, ...]
) -> None:
    release = begin("rotate", phases)
    with pytest.raises(Refused, match="had not yet planned what to do"):
        recovery._unplanned(release)
    release.record = release.record._replace(phases=("backup", "migrate"), phase="backup")
    assert recovery._unplanned(release) == ["migrate"]
    release.ledger.lease.release()
