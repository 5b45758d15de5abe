"""Both homes of a database keep a transaction out whose release has lost the lock."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from xswarm_deploy import fence
from xswarm_deploy.database.client import Database, DatabaseError, Statement
from xswarm_deploy.errors import Locked
from xswarm_deploy.release import lock


def transaction(database: Database) -> None:
    database.transaction([Statement("INSERT INTO made VALUES (?)", (1,))])


def rebuilding(database: Database) -> None:
    database.transaction([Statement("INSERT INTO made VALUES (1)")], foreign_keys=False)


def replacing(database: Database) -> None:
    assert database.replace(["INSERT INTO made VALUES (1)"], database.position())


@pytest.mark.parametrize("write", [transaction, rebuilding, replacing])
def test_only_who_holds_the_lock_writes(
    database: Database, write: Callable[[Database], None]
) -> None:
    if write is replacing and database.url.startswith("d1:"):
        write = transaction  # D1 refuses to replace: tests/database/test_d1.py
    database.execute("CREATE TABLE made (v)")
    database.execute(lock.CREATE)
    held = "INSERT INTO _release_lock VALUES ('release', ?, '', '', '', '', '', ?, 0, 0, 0)"
    database.execute(held, ("a", 7))
    lease = lock.Lease(database, lambda: database, "a", 7, until=math.inf)
    with fence.fenced(lease):
        write(database)
        with pytest.raises(DatabaseError, match="no such table") as caught:
            database.transaction([Statement("SELECT 1"), Statement("SELECT * FROM none")])
        assert caught.value.statement == 1
        database.execute("UPDATE _release_lock SET owner = 'b', fence = 8")
        with pytest.raises(Locked, match="lost its lock"):
            write(database)
    assert [row.integer(0) for row in database.query("SELECT v FROM made")] == [1]
    write(database)
