from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from tests.support.waiting import until
from xswarm_deploy.database.client import Database, connect
from xswarm_deploy.errors import DeployError, Locked
from xswarm_deploy.release import lock, process_identity, records

Open = Callable[[], Database]


@pytest.fixture
def open_(tmp_path: Path) -> Iterator[Open]:
    opened: list[Database] = []

    def make() -> Database:
        opened.append(connect(f"file:{tmp_path / 'lock.db'}"))
        return opened[-1]

    records.prepare(make())
    yield make
    for database in opened:
        database.close()


def test_the_second_is_told_who_holds_it(open_: Open) -> None:
    lease = lock.acquire(open_(), open_, "deploy one")
    with pytest.raises(Locked) as caught:
        lock.acquire(open_(), open_, "deploy two")
    assert "deploy one" in caught.value.why
    lease.release()


def test_it_is_free_after_release_and_the_fence_rises(open_: Open) -> None:
    first = lock.acquire(open_(), open_, "one")
    first.release()
    second = lock.acquire(open_(), open_, "two")
    assert second.fence == first.fence + 1
    second.release()


def test_it_is_known_since_when_it_was_free(open_: Open) -> None:
    """What was read since then, no release has changed meanwhile."""
    first = lock.acquire(open_(), open_, "one")
    assert first.free_since == -math.inf, "there was none before"
    held = time.monotonic()
    time.sleep(0.05)
    first.release()
    freed = time.monotonic()
    time.sleep(0.05)
    second = lock.acquire(open_(), open_, "two")
    assert held < second.free_since
    assert second.free_since <= freed + 0.05, "by what the answer took"
    second.release()


def test_since_when_one_is_free_that_an_earlier_version_gave_back_is_not_known(open_: Open) -> None:
    database = open_()
    lock.acquire(database, open_, "one").freeing()
    database.execute("UPDATE _release_lock SET expires_at = 0")  # as it wrote
    began = time.monotonic()
    assert lock.acquire(database, open_, "two").free_since >= began


def test_who_takes_a_lock_off_frees_it_now(open_: Open) -> None:
    database = open_()
    lock.acquire(database, open_, "one").freeing()
    held = lock.holder(database)
    assert held
    began = time.monotonic()
    assert lock.take_off(database, held)
    assert lock.acquire(database, open_, "two").free_since >= began - 0.01


class Hasty(threading.Event):
    """A heart's pause that is a thousandth: a lease need not be short for it to beat soon."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout and timeout / 1000)


def hasty(lease: lock.Lease) -> lock.Lease:
    """Return a lease, of which no stall of the machine sees the end, a heart that beats soon."""
    lease.freeing()  # ends the heart that it has, and frees nothing yet
    return replace(lease, _ended=Hasty(), _thread=None).keep()


def run_out(open_: Open, by: lock.Holder) -> None:
    """Let a lease run out at once."""
    sql = "UPDATE _release_lock SET expires_at = acquired_at WHERE owner = ?"
    assert open_().execute(sql, (by.owner,)).rows_affected == 1


def test_a_dead_owners_lease_expires(open_: Open) -> None:
    dead = lock.acquire(open_(), open_, "dead", seconds=0.3)
    dead.freeing()  # its heart stops, but the lock is not given back
    until(lambda: lock.holder(open_()) is None)
    alive = lock.acquire(open_(), open_, "alive")
    assert alive.fence == dead.fence + 1
    dead.release()
    assert lock.holder(open_()) is not None, "a dead owner must not free another's lock"
    alive.release()


def test_the_heartbeat_keeps_it(open_: Open) -> None:
    lease = hasty(lock.acquire(open_(), open_, "long"))
    first = lock.holder(open_())
    assert first is not None
    database = open_()
    until(lambda: (now := lock.holder(database)) is not None and now.expires_at > first.expires_at)
    with pytest.raises(Locked):
        lock.acquire(open_(), open_, "other")
    lease.release()


def test_of_many_at_once_exactly_one_wins(open_: Open) -> None:
    won: list[lock.Lease] = []
    lost: list[Locked] = []
    barrier = threading.Barrier(8)

    def race() -> None:
        database = open_()
        barrier.wait()
        try:
            won.append(lock.acquire(database, open_, "race"))
        except Locked as error:
            lost.append(error)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    won[0].release()
    assert lock.holder(open_()) is None


def test_a_holder_that_died_here_is_not_waited_for(
    open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = lock.acquire(open_(), open_, "dead")
    dead._ended.set()
    monkeypatch.setattr(
        process_identity, "is_dead", lambda named: named == process_identity.identity()
    )
    found = lock.holder(open_())
    assert found is not None
    assert found.dead
    alive = lock.acquire(open_(), open_, "alive")
    assert alive.fence == dead.fence + 1
    alive.release()


@pytest.mark.parametrize("sql", ["acquired_at = 'soon'", "reason = x'ff'", "fence = 'none'"])
def test_a_row_that_somebody_wrote_into_is_told(open_: Open, sql: str) -> None:
    lease = lock.acquire(open_(), open_, "deploy")
    open_().execute(f"UPDATE _release_lock SET {sql}")
    with pytest.raises(DeployError, match="the row of _release_lock cannot be read") as caught:
        lock.holder(open_())
    open_().execute(caught.value.remedy.partition(";")[0])
    assert lock.holder(open_()) is None
    lease.release()


def test_a_login_name_that_is_no_text_is_taken_with_a_sign_in_its_place(
    open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "j\udcf6rg")
    lease = lock.acquire(open_(), open_, "deploy")
    found = lock.holder(open_())
    assert found is not None
    assert found.holder == "j\ufffdrg"
    lease.release()


def test_one_by_hand_stays_until_it_is_taken_off(
    open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_identity, "is_dead", lambda _named: True)
    lock.lock_by_hand(open_(), "looking at a hotfix")
    with pytest.raises(Locked, match="locked by a person") as caught:
        lock.acquire(open_(), open_, "deploy")
    assert "looking at a hotfix" in caught.value.why
    assert "deploy.unlock" in caught.value.remedy
    with pytest.raises(Locked):
        lock.lock_by_hand(open_(), "me too")
    held = lock.holder(open_())
    assert held is not None
    assert held.by_hand
    assert lock.take_off(open_(), held)
    assert not lock.take_off(open_(), held)
    lock.acquire(open_(), open_, "deploy").release()


def test_a_lock_taken_off_fences_its_holder(open_: Open) -> None:
    lease = lock.acquire(open_(), open_, "deploy")
    held = lock.holder(open_())
    assert held is not None
    assert lock.take_off(open_(), held)
    rows = open_().query(f"SELECT 1 WHERE {lock.HELD}", (lease.owner, lease.fence))
    assert rows == []
    lease.release()


def test_who_is_patient_waits_out_a_dead_lease(open_: Open) -> None:
    lock.acquire(open_(), open_, "dead").freeing()
    waited: list[lock.Holder] = []

    def waiting(by: lock.Holder) -> None:
        waited.append(by)
        if len(waited) == 2:
            run_out(open_, by)

    lease = lock.acquire_patiently(open_(), open_, "settling", waiting, pause=0.01)
    assert [by.reason for by in waited] == ["dead", "dead"]
    lease.release()


def test_who_is_patient_does_not_wait_for_the_living(open_: Open) -> None:
    alive = hasty(lock.acquire(open_(), open_, "alive"))
    with pytest.raises(Locked, match="under way"):
        lock.acquire_patiently(open_(), open_, "settling", lambda _by: None, pause=0.01)
    alive.release()


class Patient(threading.Event):
    """A pause that notes how long it was to be, and ends at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        return len(self.pauses) > 2


def test_it_is_renewed_twice_before_it_ends(open_: Open) -> None:
    """A renewal that fails once is followed by another one, while the lease still lasts."""
    lease = lock.acquire(open_(), open_, "deploy")
    lease.freeing()
    pauses = Patient()
    replace(lease, _ended=pauses, _thread=None)._beat()
    assert pauses.pauses == [lease.seconds / 3] * 3


def test_one_that_ran_out_is_renewed_once_for_a_whole_lease(open_: Open) -> None:
    """Who slept past the end asks the database; for as long as it granted, nobody asks again."""
    now = [0.0]
    lease = lock.acquire(open_(), open_, "deploy")
    lease.freeing()
    asked = Counting(open_())
    awake = replace(
        lease, database=cast(Database, asked), clock=lambda: now[0], until=0.0, _thread=None
    )
    for moment, times in ((100.0, 1), (100.0 + lease.seconds - 1, 1), (100.0 + lease.seconds, 2)):
        now[0] = moment
        awake.require_own()
        assert asked.executed == times, moment


class Counting:
    """A database that counts what is executed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.executed = 0

    def __getattr__(self, name: str) -> object:
        self.executed += name == "execute"
        return getattr(self._database, name)
