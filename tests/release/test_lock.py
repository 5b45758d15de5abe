from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployment.database.client import Database, connect
from deployment.errors import Locked
from deployment.release import ledger, lock

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
