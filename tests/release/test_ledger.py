"""The ledger's tables: made, brought up to date where they are, shared by several Workers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.releases import FakeStep
from tests.support.sqld import serve
from xswarm_deploy.console import Console
from xswarm_deploy.database.client import Database, connect
from xswarm_deploy.database.errors import DatabaseError, Kind
from xswarm_deploy.errors import Refused
from xswarm_deploy.release import audit, ledger, lock, records, recovery, transaction
from xswarm_deploy.release.release import Release
from xswarm_deploy.site import Site

OLD = (
    "CREATE TABLE _release_lock (name TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL,"
    " fence INTEGER NOT NULL, acquired_at REAL NOT NULL, expires_at REAL NOT NULL)",
    "CREATE TABLE _releases (release TEXT PRIMARY KEY, environment TEXT NOT NULL,"
    " kind TEXT NOT NULL, status TEXT NOT NULL, created TEXT NOT NULL, finished TEXT,"
    " author TEXT NOT NULL, message TEXT NOT NULL, version TEXT, facts TEXT NOT NULL)",
    "INSERT INTO _releases VALUES"
    " ('r1', 'local', 'deploy', 'succeeded', 'now', 'now', 'ann', 'first', 'v1', '{}')",
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with connect(f"file:{tmp_path / 'ledger.db'}") as made:
        yield made


def columns(database: Database) -> dict[str, set[str]]:
    return records._there(database)


def test_an_older_ledger_is_brought_up_to_date_where_it_is(
    database: Database, tmp_path: Path
) -> None:
    for sql in OLD:
        database.execute(sql)
    records.prepare(database)
    with connect(f"file:{tmp_path / 'fresh.db'}") as fresh:
        records.prepare(fresh)
        assert columns(database) == columns(fresh)
    (record,) = records.read(database, "local")
    assert (record.message, record.phases, record.worker) == ("first", (), "")
    lock.acquire(database, lambda: database, "a release").release()


def test_reading_an_older_ledger_changes_nothing(database: Database) -> None:
    for sql in OLD:
        database.execute(sql)
    before = columns(database)
    (record,) = records.read(database, "local", "boss-ai")
    assert record.version == "v1"
    assert columns(database) == before


def test_what_is_there_is_left_alone(database: Database) -> None:
    records.prepare(database)
    position = database.position()
    records.prepare(database)
    assert database.position() == position


def test_a_release_begins_on_a_ledger_of_any_age(site: Site, database: Database) -> None:
    records.prepare(database)
    whole = columns(database)
    for sql in OLD:
        site.database.execute(sql)
    begun = transaction.begin(site, "test", "", ("fake",), Console(io.StringIO()))
    begun.ledger.lease.release()
    assert columns(site.database) == whole
    site.database.execute("ALTER TABLE _release_changes DROP COLUMN ended")
    again = transaction.begin(site, "test", "", ("fake",), Console(io.StringIO()))
    again.ledger.lease.release()
    assert columns(site.database) == whole


def test_where_the_ledger_is_whole_nothing_looks_for_it(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look would be a round trip more for every release."""
    begin().succeed()

    def look(_database: Database) -> None:
        pytest.fail("it was looked for")

    monkeypatch.setattr(records, "prepare", look)
    begin().succeed()


@pytest.mark.parametrize(("kind", "whole"), [("unavailable", False), ("syntax", True)])
def test_what_fails_for_another_reason_is_not_done_twice(
    kind: Kind, whole: bool, database: Database
) -> None:
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        raise DatabaseError(kind, "so it is")

    if whole:
        records.prepare(database)
    before = columns(database)
    with pytest.raises(DatabaseError, match="so it is"):
        records.with_tables(database, fail)
    assert len(tries) == 1
    assert columns(database) == before


COPIES = (
    "INSERT INTO _releases SELECT printf('20250101-%05d', n), environment, kind, status, created,"
    " finished, author, message, version, json_set(facts, '$.made', printf('%*s', 3000, '')),"
    " phases, phase, worker FROM _releases, (WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL"
    " SELECT n + 1 FROM count WHERE n < ?) SELECT n FROM count)"
)


EVENTS = (
    "INSERT INTO _release_audit SELECT number + n * 1000, time, environment, release, who, host,"
    " event, printf('%*s', 3000, ''), previous, hash FROM _release_audit, (WITH RECURSIVE count(n)"
    " AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < ?) SELECT n FROM count)"
)


@pytest.mark.slow
def test_an_audit_trail_of_years_is_read_though_no_answer_could_hold_it(
    site: Site, begin: Begin, step: FakeStep, tmp_path: Path
) -> None:
    with serve(tmp_path) as (url, _), connect(url) as database:
        site.__dict__["database"] = database
        begin().succeed()
        few = audit.read(database)
        database.execute(EVENTS, (4000 // len(few),))
        with pytest.raises(DatabaseError, match="too large"):
            database.query("SELECT details FROM _release_audit")
        found = audit.read(database)
        assert len(found) == len(few) * (4000 // len(few) + 1)
        assert [event.number for event in found] == sorted({event.number for event in found})
        for limit in (0, 1, 3, 1500, 10**30):
            assert audit.read(database, limit=limit) == found[len(found) - min(limit, len(found)) :]
        assert audit.read(database, "another") == []


@pytest.mark.slow
def test_releases_of_years_are_listed_though_no_answer_could_hold_them(
    site: Site, begin: Begin, tmp_path: Path
) -> None:
    """libSQL's server answers with at most 10 MB; these are 12."""
    with serve(tmp_path) as (url, _), connect(url) as database:
        site.__dict__["database"] = database
        begin().succeed()
        database.execute(COPIES, (4000,))
        with pytest.raises(DatabaseError, match="too large"):
            database.query("SELECT facts FROM _releases")
        found = records.read(database, "local")
        assert len(found) == 4001
        numbers = [record.number for record in found]
        assert numbers == sorted(set(numbers), reverse=True)
        (one,) = records.read(database, "local", named="20250101-00001")
        assert one in found
        trips = database.round_trips
        assert next(iter(records.read(database, "local"))) == found[0]
        assert database.round_trips == trips + 1


def named(site: Site, worker: str) -> Site:
    project = site.settings.project
    project = project._replace(worker=project.worker._replace(name=worker))
    return Site(replace(site.settings, project=project))


Begin = Callable[..., Release]


def test_each_worker_has_a_list_of_its_own(begin: Begin, site: Site, step: FakeStep) -> None:
    release = begin()
    release.site.facts["version"] = "0123456789abcdef"
    release.succeed()
    environment = site.settings.environment
    assert len(records.read(site.database, environment, site.worker)) == 1
    assert records.read(site.database, environment, "another") == []
    assert recovery.find(named(site, "another")) is None


def test_what_died_of_another_worker_is_not_settled_by_this_one(
    begin: Begin, site: Site, step: FakeStep
) -> None:
    dead = begin()
    dead.perform(step)
    dead.ledger.lease.release()
    other = named(site, "another")
    with pytest.raises(Refused, match="was interrupted") as caught:
        transaction.begin(other, "test", "", ("fake",), Console(io.StringIO()))
    assert f"INVOKE_DEPLOY_WORKER_NAME={site.worker}" in caught.value.remedy
    assert "undo a" not in step.calls
    assert lock.holder(site.database) is None
    other.database.close()


def test_the_end_gives_the_lock_back_in_the_same_write(
    begin: Begin, site: Site, step: FakeStep
) -> None:
    release = begin()
    release.perform(step)
    release.succeed()
    assert lock.holder(site.database) is None


def test_what_was_made_and_what_is_next_stand_in_one_write(
    begin: Begin, site: Site, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync of the disk, and a round trip to the database, for each change and one more."""
    release = begin()
    writes: list[int] = []
    real = ledger.Ledger._sent

    def counted(self: ledger.Ledger, entries: Sequence[Any]) -> None:
        writes.append(len(release.journal.read()))
        real(self, entries)

    monkeypatch.setattr(ledger.Ledger, "_sent", counted)
    release.perform(step)
    assert len(writes) == 1 + len(step.plans)
    states = [entry.state for entry in records.entries(site.database, release.record.release)]
    assert states == [records.DONE] * 3
    events = [event["event"] for event in release.journal.read()]
    assert events == ["begin", "plan", "done", "intend", "done", "intend", "done"]
    assert writes == [2, 4, 6, 7], "what is written there stood here before"
    release.succeed()


def test_a_last_phase_without_changes_is_entered_by_the_write_before(
    begin: Begin, site: Site, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = begin(phases=("fake", "later"))
    release.make(step.plans, "fake", final=True)
    release.ledger.settle()
    kept = records.read(site.database, "local")[0]
    assert (kept.phase, release.record.phase, release.complete) == ("later", "later", True)
    monkeypatch.setattr(ledger.Ledger, "_sent", lambda *_: pytest.fail("it stands there already"))
    release.make([], "later")
    release.ledger.settle()
    monkeypatch.undo()
    release.succeed()


def test_a_phase_that_others_may_follow_enters_no_other(
    begin: Begin, site: Site, step: FakeStep
) -> None:
    release = begin(phases=("fake", "later"))
    release.make(step.plans, "fake")
    assert records.read(site.database, "local")[0].phase == "fake"
    assert not release.complete
    release.make([], "later")
    release.ledger.settle()
    assert records.read(site.database, "local")[0].phase == "later"
    release.succeed()
