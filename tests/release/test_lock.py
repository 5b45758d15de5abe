from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployment.database.client import Database, connect
from deployment.errors import Locked
from deployment.release import ledger, lock, process

Open = Callable[[], Database]


@pytest.fixture
def open_(tmp_path: Path) -> Iterator[Open]:
    opened: list[Database] = []

    def make() -> Database:
        opened.append(connect(f"file:{tmp_path / 'lock.db'}"))
        return opened[-1]

    ledger.prepare(make())
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


def test_a_dead_owners_lease_expires(open_: Open) -> None:
    dead = lock.acquire(open_(), open_, "dead", seconds=0.3)
    dead._ended.set()  # its heart stops, but the lock is not given back
    time.sleep(0.4)
    alive = lock.acquire(open_(), open_, "alive")
    assert alive.fence == dead.fence + 1
    dead.release()
    assert lock.holder(open_()) is not None, "a dead owner must not free another's lock"
    alive.release()


def test_the_heartbeat_keeps_it(open_: Open) -> None:
    lease = lock.acquire(open_(), open_, "long", seconds=0.3)
    time.sleep(0.8)
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
    monkeypatch.setattr(process, "is_dead", lambda named: named == process.identity())
    found = lock.holder(open_())
    assert found is not None
    assert found.dead
    alive = lock.acquire(open_(), open_, "alive")
    assert alive.fence == dead.fence + 1
    alive.release()


def test_one_by_hand_stays_until_it_is_taken_off(
    open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "is_dead", lambda _named: True)
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
    dead = lock.acquire(open_(), open_, "dead", seconds=0.5)
    dead._ended.set()
    waited: list[lock.Holder] = []
    lease = lock.acquire_patiently(open_(), open_, "settling", waited.append, pause=0.1)
    assert waited
    assert waited[0].reason == "dead"
    lease.release()


def test_who_is_patient_does_not_wait_for_the_living(open_: Open) -> None:
    alive = lock.acquire(open_(), open_, "alive", seconds=0.6)
    with pytest.raises(Locked, match="under way"):
        lock.acquire_patiently(open_(), open_, "settling", lambda _by: None, pause=0.1)
    alive.release()
