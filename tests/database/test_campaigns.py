"""Long campaigns: random databases, writers during backups, and kill -9 at any moment.

Each runs few rounds; DATABASE_ROUNDS sets another number (1000, 100 or 200 are the full
ones).
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.d1 import again
from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.database import (
    backup,
    json_rows,
    migrate,
    migration_history,
    restore,
    staging,
    workspace,
)
from xswarm_deploy.database.backup import BackupRequest
from xswarm_deploy.database.client import Database, DatabaseError, Row, Statement, connect
from xswarm_deploy.database.schema import quoted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def rounds(usual: int) -> int:
    return int(os.environ.get("DATABASE_ROUNDS", usual))


# --- random databases ---------------------------------------------------------------

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
).filter(lambda name: not name.lower().startswith(("sqlite_", "_release", "libsql_")))
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.sampled_from(["\0", "a\0b", "'", '"', "🐝", "{", '["', "null", "\r\n", "\ufeff", -0.0]),
)
TYPES = st.sampled_from(["", "INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "VARCHAR(3)"])


@st.composite
def table(draw: st.DrawFn, name: str) -> tuple[str, str, list[list[Any]]]:
    """A table: its name, what makes it, and its rows, the first column being its key."""
    columns = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.lower))
    kind = draw(st.sampled_from(["rowid", "integer key", "any key", "without rowid", "counted"]))
    first = {
        "rowid": "",
        "integer key": " INTEGER PRIMARY KEY",
        "any key": " PRIMARY KEY",
        "without rowid": " PRIMARY KEY NOT NULL",
        "counted": " INTEGER PRIMARY KEY AUTOINCREMENT",
    }[kind]
    parts = [f"{quoted(columns[0])}{first}"]
    parts += [f"{quoted(column)} {draw(TYPES)}" for column in columns[1:]]
    if draw(st.booleans()):
        parts.append(f"{quoted('made ' + '·')} AS (length({quoted(columns[0])}) + 1)")
    without = " WITHOUT ROWID" if kind == "without rowid" else ""
    count = draw(st.integers(0, 6))
    keys = draw(st.lists(st.integers(-(2**40), 2**40), min_size=count, max_size=count, unique=True))
    rows = [[key, *draw(st.tuples(*[VALUES] * (len(columns) - 1)))] for key in keys]
    listed = ", ".join(map(quoted, columns))
    return (
        f"INSERT INTO {quoted(name)} ({listed})",
        (f"CREATE TABLE {quoted(name)} ({', '.join(parts)}){without}"),
        rows,
    )


@st.composite
def databases(draw: st.DrawFn) -> list[tuple[str, list[Any]]]:
    """The statements that make a random database, each with its parameters."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.lower))
    made: list[tuple[str, list[Any]]] = []
    for name in names:
        head, create, rows = draw(table(name))
        made.append((create, []))
        places = ", ".join("?" for _ in rows[0]) if rows else ""
        made += [(f"{head} VALUES ({places})", row) for row in rows]
    if draw(st.booleans()):
        made.append(("CREATE VIRTUAL TABLE 'full text' USING fts5 (a, b)", []))
        made.append(("INSERT INTO 'full text' VALUES (?, 'second')", [draw(st.text(max_size=9))]))
    if draw(st.booleans()):
        made.append((f"CREATE VIEW 'a view' AS SELECT * FROM {quoted(names[0])}", []))
        made.append(("CREATE TABLE 'hen ' (id INTEGER PRIMARY KEY, e REFERENCES 'egg ')", []))
        made.append(("CREATE TABLE 'egg ' (id INTEGER PRIMARY KEY, h REFERENCES 'hen ')", []))
        made.append(("INSERT INTO 'hen ' VALUES (1, NULL)", []))
        made.append(("INSERT INTO 'egg ' VALUES (1, 1)", []))
        made.append(("UPDATE 'hen ' SET e = 1", []))
    made.append((f"PRAGMA user_version = {draw(st.integers(0, 2**31 - 1))}", []))
    return made


class Text(bytes):
    """Text as its bytes, told apart from a blob."""

    def __repr__(self) -> str:
        return f"text {super().__repr__()}"


def contents(path: Path) -> dict[str, list[str]]:
    """Read a file independently of what is tested: text as its bytes, blobs as blobs."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = Text
        schema = connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
        found = {"schema": sorted(map(repr, schema))}
        found["version"] = [repr(connection.execute("PRAGMA user_version").fetchone())]
        for kind, name, sql in schema:
            text = name.decode()
            if kind != b"table" or (sql or b"").startswith(b"CREATE VIRTUAL"):
                continue
            rowless = b"WITHOUT ROWID" in sql or b"fts5" in sql or name == b"sqlite_sequence"
            columns = connection.execute(
                f"SELECT {'*' if rowless else 'rowid, *'} FROM {quoted(text)}"
            ).fetchall()
            found[text] = sorted(map(repr, columns))
        return found


def build(path: Path, made: list[tuple[str, list[Any]]]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for sql, parameters in made:
            connection.execute(sql, parameters)
        connection.execute("COMMIT")


RANDOM = settings(
    max_examples=rounds(25),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)


@given(databases(), st.sampled_from(["db", "sql"]))
@RANDOM
def test_random_files_come_back(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[str, list[Any]]], format: Any
) -> None:
    folder = tmp_path_factory.mktemp("random")
    build(folder / "a.db", made)
    with connect(f"file:{folder / 'a.db'}") as one, connect(f"file:{folder / 'b.db'}") as two:
        kept = backup.make(one, folder / "backups", BackupRequest("test", format))
        two.execute("CREATE TABLE before (v)")
        restore.whole(two, backup.unpack(kept, folder), folder)
    assert contents(folder / "b.db") == contents(folder / "a.db")


@given(databases(), st.sampled_from([4_000_000, 1000, 200, 1]))
@RANDOM
def test_random_files_come_back_through_libsqls_server(
    tmp_path_factory: pytest.TempPathFactory,
    sqld_url: str,
    made: list[tuple[str, list[Any]]],
    largest: int,
) -> None:
    """File → server → file: whatever the server or its protocol loses would show.

    With a small limit, rows come in many texts and requests, or each by itself.
    """
    folder = tmp_path_factory.mktemp("random")
    build(folder / "a.db", made)
    with (
        pytest.MonkeyPatch.context() as patch,
        connect(f"file:{folder / 'a.db'}") as one,
        connect(sqld_url) as server,
        connect(f"file:{folder / 'b.db'}") as two,
    ):
        for room in (json_rows, staging):
            patch.setattr(room, "_LARGEST", largest)
        # What is on the stage is compared, too, as where others write meanwhile.
        patch.setattr(restore, "_read_back_beside_others", lambda *given: given[-1]() or ())
        first = backup.make(one, folder / "first", BackupRequest("test"))
        (folder / "x").mkdir()
        restore.whole(server, backup.unpack(first, folder / "x"), folder / "x")
        second = backup.make(server, folder / "second", BackupRequest("test"))
        (folder / "y").mkdir()
        restore.whole(two, backup.unpack(second, folder / "y"), folder / "y")
    assert contents(folder / "b.db") == contents(folder / "a.db")


# --- writers during backups ----------------------------------------------------------


def test_paired_counters_are_equal_in_every_backup(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE pair (id INTEGER PRIMARY KEY, n INTEGER)")
    database.execute("INSERT INTO pair VALUES (1, 0), (2, 0)")
    database.execute("CREATE TABLE log (v)")
    stop = threading.Event()
    written = [0] * 4

    def write(number: int) -> None:
        both = [
            Statement("UPDATE pair SET n = n + 1 WHERE id = 1"),
            Statement("INSERT INTO log VALUES (randomblob(200))"),
            Statement("UPDATE pair SET n = n + 1 WHERE id = 2"),
        ]
        with again(database) as own:
            while not stop.is_set():
                try:
                    own.transaction(both)
                    written[number] += 1
                except DatabaseError as error:
                    if error.kind != "busy":
                        raise

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    try:
        seen = [_pair(database, tmp_path) for _ in range(rounds(10))]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert all(one == two == log for one, two, log in seen), seen
    assert seen[-1][0] > seen[0][0], "writers wrote meanwhile"
    assert sum(written) == database.query("SELECT count(*) FROM log")[0][0]


def _pair(database: Database, folder: Path) -> tuple[int, int, int]:
    made = backup.make(database, folder / "backups", BackupRequest("test"))
    restored = backup.unpack(made, folder)
    with closing(sqlite3.connect(restored)) as connection:
        (one,), (two,) = connection.execute("SELECT n FROM pair ORDER BY id").fetchall()
        (log,) = connection.execute("SELECT count(*) FROM log").fetchone()
    restored.unlink()
    return int(one), int(two), int(log)


# --- kill -9 --------------------------------------------------------------------------

PROGRAM = """
import os, sys
from pathlib import Path
from xswarm_deploy.database import backup, migration_history, migrate, restore
from xswarm_deploy.database.client import connect
from xswarm_deploy.database.d1 import D1Access
from xswarm_deploy.database.migrations import parse
from xswarm_deploy.secret import Secret
url, folder, action = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
way = D1Access(os.environ["D1_ACCOUNT"], Secret(os.environ["D1_TOKEN"]), os.environ["D1_BASE"])
files = [parse(f"m{i}.sql", f"-- migrate:up\\nCREATE TABLE t{i} (v);\\n"
         f"INSERT INTO t{i} WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c"
         f" WHERE i < 3000) SELECT i FROM c;\\n-- migrate:down\\nDROP TABLE t{i};")
         for i in range(20)]
with connect(url, None, way) as database:
    print("ready", flush=True)
    if action == "migrate":
        migrate.apply(database, migrate.Group(files))
    elif action == "down":
        rows = migration_history.read(database)
        migrate.take_back(database, migrate.chosen_down(rows, steps=len(rows)))
    elif action == "backup":
        backup.make(database, folder / "backups", backup.BackupRequest("test"))
    else:
        found = backup.read_folder(folder / "kept")[0]
        with backup.workspace(folder / "kept") as work:
            restore.whole(database, backup.unpack(found, work), work)
print("done", flush=True)
"""


@pytest.fixture(autouse=True)
def the_way_to_d1(d1_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other processes reach the twin's D1, too."""
    for name, value in {"ACCOUNT": ACCOUNT.id, "TOKEN": ACCOUNT.token, "BASE": d1_api.base}.items():
        monkeypatch.setenv(f"D1_{name}", value)


def run_and_kill(url: str, folder: Path, action: str, after: float | None) -> bool:
    """Run an action in a process of its own, kill it; return whether it had ended.

    Args:
        url: of the database.
        folder: where backups are.
        action: which.
        after: seconds; None: when it has ended.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, str(folder), action], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"ready\n"
        if after is None:
            ended = child.stdout.readline() == b"done\n"
        else:
            time.sleep(after)
            child.send_signal(signal.SIGKILL)
            ended = child.stdout.readline() == b"done\n"
    child.wait()
    return ended


def check(database: Database) -> list[Row]:
    """Let SQLite check a database."""
    return database.query(f"PRAGMA {database.limits.integrity}")


def wholly(database: Database) -> str:
    """Return which of the two states a database is in; anything between fails."""
    rows = len(migration_history.read(database))
    tables = database.query("SELECT count(*) FROM sqlite_schema WHERE name LIKE 't%'")[0][0]
    assert rows == tables
    assert rows in (0, 20)
    assert [row[0] for row in check(database)] == ["ok"]
    if rows:
        counts = database.query("SELECT count(*) FROM t0 UNION ALL SELECT count(*) FROM t19")
        assert [row[0] for row in counts] == [3000, 3000]
    return "after" if rows else "before"


def test_kill_9_leaves_migrations_wholly_before_or_after(
    database: Database, tmp_path: Path
) -> None:
    source = random.Random(9)
    states = set()
    longest = 0.25
    for number in range(rounds(6)):
        action = "migrate" if wholly(database) == "before" else "down"
        after = None if number == 1 else source.uniform(0, longest)
        ended = run_and_kill(database.url, tmp_path, action, after)
        longest *= 0.8 if ended else 1.25  # some get to their end, however slow the machine is
        deadline = time.monotonic() + 60  # the server ends what the dead client began
        while True:
            try:
                database.transaction([Statement("SELECT 1")])
                break
            except DatabaseError as error:
                if error.kind != "busy" or time.monotonic() > deadline:
                    raise
        states.add((action, wholly(database)))
    assert len(states) > 1


def test_kill_9_leaves_no_unproven_backup(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute("CREATE TABLE t (v)")
    database.transaction(
        [Statement("INSERT INTO t VALUES (randomblob(2000))") for _ in range(3000)]
    )
    source = random.Random(9)
    for _ in range(rounds(3)):
        run_and_kill(database.url, tmp_path, "backup", source.uniform(0, 0.8))
    for found in backup.read_folder(tmp_path / "backups"):
        (tmp_path / "work").mkdir(exist_ok=True)
        assert backup.verify(found, tmp_path / "work").tables["t"][0] == 3000
        (tmp_path / "work" / "unpacked.db").unlink()
    monkeypatch.setattr(workspace, "_A_MOMENT", 0.0)  # nobody is making a folder this moment
    backup.make(database, tmp_path / "backups", BackupRequest("test"))
    left = [path.name for path in (tmp_path / "backups").iterdir()]
    assert not [name for name in left if name.startswith(".")]


def test_kill_9_leaves_a_restore_wholly_before_or_after(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE t (v)")
    database.transaction([Statement("INSERT INTO t VALUES (randomblob(900))") for _ in range(3000)])
    backup.make(database, tmp_path / "kept", BackupRequest("test"))
    digest = "SELECT count(*), ifnull(sum(length(v)), 0) FROM t"
    database.execute("DELETE FROM t")
    database.execute("INSERT INTO t VALUES (randomblob(5))")
    before, after = (1, 5), (3000, 2_700_000)
    source = random.Random(9)
    for _ in range(rounds(3)):
        run_and_kill(database.url, tmp_path, "restore", source.uniform(0, 0.8))
        database.transaction([Statement("SELECT 1")])
        found = database.query(digest)[0].values_in_order
        assert found in (before, after)
        assert [row[0] for row in check(database)] == ["ok"]
        if found == after:
            database.transaction(
                [Statement("DELETE FROM t"), Statement("INSERT INTO t VALUES (randomblob(5))")]
            )
    made = backup.make(database, tmp_path / "fresh", BackupRequest("test"))
    restore.whole(database, backup.unpack(made, tmp_path), tmp_path)
    staged = "SELECT name FROM sqlite_schema WHERE name LIKE '\\_release%' ESCAPE '\\'"
    assert not database.query(staged), "nothing is left over"


def test_five_processes_at_once_apply_once(database: Database, tmp_path: Path) -> None:
    for _ in range(rounds(2)):
        command = [sys.executable, "-c", PROGRAM, database.url, str(tmp_path), "migrate"]
        children = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(5)]
        assert [child.wait() for child in children] == [0] * 5
        assert wholly(database) == "after"
        rows = migration_history.read(database)
        migrate.take_back(database, migrate.chosen_down(rows, steps=len(rows)))
