from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.d1 import WITHOUT_D1
from xswarm_deploy.database import migrate, safe_restore, snapshot
from xswarm_deploy.database.client import Database, DatabaseError, Statement
from xswarm_deploy.database.migrate import Group
from xswarm_deploy.database.migrations import Migration, parse
from xswarm_deploy.errors import Refused

FIRST = parse(
    "first.sql",
    "-- migrate:up\n"
    "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, weight REAL);\n"
    "CREATE TABLE notes (id TEXT PRIMARY KEY, user_id INTEGER REFERENCES users (id));\n"
    "CREATE INDEX notes_user ON notes (user_id);\n"
    "-- migrate:down\nDROP TABLE notes; DROP TABLE users;\n",
)
ONE_WAY = parse(
    "merged.sql",
    "-- irreversible: names are merged\n-- migrate:up\n"
    "UPDATE users SET name = upper(name);\nALTER TABLE users ADD COLUMN motto TEXT;\n"
    "DROP TABLE notes;\nCREATE TABLE letters (id INTEGER PRIMARY KEY);\n",
)
HOUSE = (
    "CREATE TABLE _release_audit (v)",
    "CREATE TABLE monitoring_totals (id INTEGER PRIMARY KEY AUTOINCREMENT, v)",
    "INSERT INTO monitoring_totals (v) VALUES (1)",
)
ROWS = (
    "INSERT INTO users (name, weight) VALUES ('ann', 0.1), ('bob', 2.5), ('gone', 1.0)",
    "DELETE FROM users WHERE name = 'gone'",
    "INSERT INTO notes VALUES ('a', 1), ('b', 2)",
)
BY_RELEASE = (
    "INSERT INTO _release_audit VALUES ('x')",
    "INSERT INTO monitoring_totals VALUES (9, 2)",
)


@pytest.fixture
def backup(database: Database, tmp_path: Path) -> Path:
    """Fill a database, and return a copy of it as it was before the migration came."""
    migrate.apply(database, Group([FIRST]))
    database.transaction([Statement(sql) for sql in (*HOUSE, *ROWS)])
    snapshot.take(database, tmp_path / "backup.db")
    migrate.apply(database, Group([ONE_WAY]))
    database.transaction([Statement(sql) for sql in BY_RELEASE])
    return tmp_path / "backup.db"


@pytest.fixture
def put_back(database: Database, backup: Path, tmp_path: Path) -> Callable[..., None]:
    (tmp_path / "work").mkdir()

    def put(made: list[Migration] | None = None) -> None:
        safe_restore.put_back(
            database, backup, [ONE_WAY] if made is None else made, tmp_path / "work"
        )

    return put


def names(database: Database) -> list[str]:
    return [row.text("name") for row in database.query("SELECT name FROM users ORDER BY id")]


@WITHOUT_D1
def test_where_only_migrations_came_the_backup_is_put_back(
    database: Database, put_back: Callable[..., None]
) -> None:
    put_back()
    assert names(database) == ["ann", "bob"]
    assert database.query("SELECT id FROM notes ORDER BY id")[1].text("id") == "b"
    assert not database.query("SELECT 1 FROM sqlite_schema WHERE name = 'letters'")
    assert database.query("SELECT 1 FROM sqlite_schema WHERE name = 'notes_user'")
    assert [row.text("filename") for row in database.query("SELECT filename FROM _migrations")] == [
        "first.sql"
    ]
    database.execute("INSERT INTO users (name) VALUES ('next')")
    assert database.query("SELECT max(id) FROM users")[0].integer(0) == 4, "counters go on"


@WITHOUT_D1
def test_the_books_and_what_the_worker_measures_stay(
    database: Database, put_back: Callable[..., None]
) -> None:
    put_back()
    assert len(database.query("SELECT v FROM _release_audit")) == 1
    assert [row.integer("id") for row in database.query("SELECT id FROM monitoring_totals")] == [
        1,
        9,
    ]
    database.execute("INSERT INTO monitoring_totals (v) VALUES (3)")
    assert database.query("SELECT max(id) FROM monitoring_totals")[0].integer(0) == 10


@WITHOUT_D1
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("INSERT INTO users (name) VALUES ('carl')", "users has 3 rows and not 2"),
        ("UPDATE users SET weight = 0.30000000000000004 WHERE id = 1", "users has other rows"),
        ("DELETE FROM users WHERE id = 2", "users has 1 rows and not 2"),
        ("CREATE TABLE mine (v)", "table mine is too much"),
        ("CREATE INDEX mine ON users (name)", "index mine"),
        ("UPDATE sqlite_sequence SET seq = 7 WHERE name = 'users'", "a counter"),
    ],
    ids=["insert", "update", "delete", "table", "index", "inserted and deleted"],
)
def test_where_somebody_wrote_nothing_is_touched(
    database: Database, put_back: Callable[..., None], written: str, said: str
) -> None:
    database.execute(written)
    position = database.position()
    with pytest.raises(Refused, match="somebody else has written") as caught:
        put_back()
    assert said in caught.value.why
    assert database.position() == position
    assert names(database)[0] == "ANN"


@WITHOUT_D1
def test_what_is_written_between_looking_and_replacing_is_seen(
    database: Database, put_back: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = safe_restore._require_same

    def looked(expected: Path, found: Path) -> None:
        real(expected, found)
        database.execute("INSERT INTO users (name) VALUES ('late')")

    monkeypatch.setattr(safe_restore, "_require_same", looked)
    with pytest.raises(Refused, match="somebody else has written"):
        put_back()
    assert names(database) == ["ANN", "BOB", "late"]


@WITHOUT_D1
def test_who_only_renews_a_lease_meanwhile_is_waited_out(
    database: Database, put_back: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, times = safe_restore._require_same, iter((True, True, False))

    def looked(expected: Path, found: Path) -> None:
        real(expected, found)
        if next(times):
            database.execute("INSERT INTO _release_audit VALUES ('renewed')")

    monkeypatch.setattr(safe_restore, "_require_same", looked)
    put_back()
    assert names(database) == ["ann", "bob"]
    assert len(database.query("SELECT v FROM _release_audit")) == 3


@WITHOUT_D1
def test_a_replacement_that_fails_leaves_all_as_it_was(database: Database, backup: Path) -> None:
    position = database.position()
    with pytest.raises(DatabaseError):
        database.replace(["DROP TABLE users", "INSERT INTO nowhere VALUES (1)"], position)
    assert names(database) == ["ANN", "BOB"]
    assert database.replace(["DROP TABLE users"], "another position") is False
    assert names(database) == ["ANN", "BOB"]
    database.execute("INSERT INTO users (name) VALUES ('after')")
