"""A whole restore into a server whose users go on writing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from xswarm_deploy.database import backup, own, restore, staging
from xswarm_deploy.database.backup import BackupRequest
from xswarm_deploy.database.client import Database, DatabaseError, connect
from xswarm_deploy.database.manifest import Content
from xswarm_deploy.errors import DeployError

ROWS = 500
Restoring = Callable[[], restore.Replaced]


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow) for name in ("sqld", "d1")])
def server(request: pytest.FixtureRequest) -> Database:
    """A server with a table that has a constraint, counts, and holds each type."""
    made: Database = request.getfixturevalue({"sqld": "remote", "d1": "cloud"}[request.param])
    made.execute("CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, v)")
    values = {"a": "'text'", "b": "1.0", "c": "1", "d": "x'00ff'", "e": "NULL"}
    for name, value in values.items():
        made.execute(f"INSERT INTO users (name, v) VALUES ('{name}', {value})")
    made.execute("CREATE TABLE notes (text)")
    made.execute("INSERT INTO notes VALUES ('kept')")
    return made


@pytest.fixture
def restoring(server: Database, tmp_path: Path) -> Restoring:
    """Return what restores a backup of that server."""
    found = backup.make(server, tmp_path / "backups", BackupRequest("test"))
    server.execute("INSERT INTO users (name) VALUES ('later')")

    def restored() -> restore.Replaced:
        work = tmp_path / "work"
        work.mkdir()
        source = backup.unpack(found, work)
        return restore.whole(server, source, work, proven=found.manifest)

    return restored


def staged(server: Database) -> list[str]:
    rows = server.query("SELECT name FROM sqlite_schema WHERE name LIKE ?", (f"{own.STAGED}%",))
    return [row.text(0) for row in rows]


def writing_before_it_is_read(monkeypatch: pytest.MonkeyPatch, server: Database, *sql: str) -> None:
    """Let somebody write between the restore and its reading back."""
    real = restore._read_back

    def disturbed(*given: object) -> Content:
        for each in sql:
            server.execute(each)
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(restore, "_read_back", disturbed)


def after_filling(monkeypatch: pytest.MonkeyPatch, server: Database, sql: str) -> None:
    """Change each staged table, ``{}``, after a table's rows were sent."""
    real = staging.Stage.fill

    def disturbed(self: staging.Stage, *given: object) -> None:
        real(self, *given)  # type: ignore[arg-type]
        for name in staged(server):
            server.execute(sql.format(name))

    monkeypatch.setattr(staging.Stage, "fill", disturbed)


def test_nothing_is_told_where_nobody_wrote(server: Database, restoring: Restoring) -> None:
    assert restoring().told == ()
    assert staged(server) == []


def test_what_others_write_meanwhile_stays_and_is_told(
    server: Database, restoring: Restoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing_before_it_is_read(
        monkeypatch,
        server,
        "INSERT INTO users (name) VALUES ('of a user')",
        "UPDATE notes SET text = 'edited'",
        "CREATE TABLE monitoring_pushes (v)",  # a Worker's monitor: nobody is told of that
    )
    found = restoring()
    (told,) = found.told
    assert sorted(told.removeprefix("others have written since: ").split("; ")) == [
        "table notes has other rows",
        "table sqlite_sequence has other rows",
        "table users has 6 rows and not 5",
    ]
    names = [row[0] for row in server.query("SELECT name FROM users ORDER BY id")]
    assert names == ["a", "b", "c", "d", "e", "of a user"]
    assert staged(server) == []


def test_a_restore_succeeds_while_somebody_writes_all_the_time(
    server: Database, restoring: Restoring
) -> None:
    done = threading.Event()

    def write() -> None:
        number = 0
        with connect(server.url) if server.url.startswith("http") else server as other:
            while not done.is_set() and number < ROWS:
                number += 1
                other.execute("INSERT INTO notes VALUES (?)", (f"note {number}",))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        restoring()
    finally:
        done.set()
        writer.join()
    names = [row[0] for row in server.query("SELECT name FROM users ORDER BY id")]
    assert names == ["a", "b", "c", "d", "e"]


def test_rows_that_did_not_arrive_as_they_are_are_found_beside_writers(
    server: Database, restoring: Restoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_filling(monkeypatch, server, "UPDATE {} SET c1 = 'other' WHERE rowid = 1")
    writing_before_it_is_read(monkeypatch, server, "INSERT INTO notes VALUES ('of a user')")
    with pytest.raises(DeployError, match=r"The rows arrived as something else.*users"):
        restoring()
    assert staged(server) == []


def test_rows_that_get_lost_on_the_way_replace_nothing(
    server: Database, restoring: Restoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_filling(monkeypatch, server, "DELETE FROM {} WHERE rowid = 2")
    with pytest.raises(DeployError, match="users would hold 4 of the 5 rows"):
        restoring()
    assert server.query("SELECT count(*) FROM users")[0].integer(0) == 6


def test_a_table_that_is_missing_is_no_writing(
    server: Database, restoring: Restoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing_before_it_is_read(monkeypatch, server, "DROP TABLE notes")
    with pytest.raises(DeployError, match="table notes is missing"):
        restoring()


def test_a_restore_that_cannot_be_read_back_stands_by_what_was_sent(
    server: Database, restoring: Restoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking it back would take along what users have written since."""

    def broken(*_: object) -> Content:
        raise DatabaseError("unavailable", "the connection broke")

    monkeypatch.setattr(restore, "_read_back", broken)
    (told,) = restoring().told
    assert told.startswith("only what was sent was compared, not the tables: ")
    assert "the connection broke" in told
    assert server.query("SELECT count(*) FROM users")[0].integer(0) == 5


def test_a_stage_that_cannot_be_removed_is_told(
    server: Database, restoring: Restoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, swept = staging.sweep, []

    def sweep(database: Database) -> None:
        swept.append(database)
        if len(swept) > 1:
            raise DatabaseError("unavailable", "the connection broke")
        real(database)

    monkeypatch.setattr(staging, "sweep", sweep)
    (told,) = restoring().told
    assert told.startswith("the rows that waited are still there, until the next restore")
