"""Foreign keys that SQLite cannot ask: what names columns that are not unique blocks nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.d1 import WITHOUT_D1
from xswarm_deploy.database import backup, foreign_keys, manifest, migrate, restore, table_restore
from xswarm_deploy.database.backup import BackupRequest
from xswarm_deploy.database.client import Database, Statement
from xswarm_deploy.database.migrate import Group
from xswarm_deploy.database.migrations import Migration, parse
from xswarm_deploy.database.statements import split
from xswarm_deploy.errors import DeployError

MISMATCHED = """
CREATE TABLE people (name TEXT);
CREATE TABLE letters (whose TEXT REFERENCES people (name));
CREATE TABLE shelves (id INTEGER PRIMARY KEY);
CREATE TABLE books (shelf REFERENCES shelves);
INSERT INTO shelves VALUES (1);
INSERT INTO books VALUES (1), (9);
"""
ONE_IS_BROKEN = 1  # the book on shelf 9


def migration(sql: str) -> Migration:
    return parse("1.sql", f"-- irreversible: a test\n{sql}")


@pytest.fixture
def house(database: Database) -> Database:
    statements = [Statement(each.sql) for each in split(MISMATCHED)]
    database.transaction(statements, foreign_keys=False)
    return database


@pytest.fixture
def judge(tmp_path: Path) -> Path:
    path = tmp_path / "judge.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(MISMATCHED)
    return path


def test_sqlite_itself_answers_for_no_table(judge: Path) -> None:
    with closing(sqlite3.connect(judge)) as connection:
        with pytest.raises(sqlite3.OperationalError, match=foreign_keys.MISMATCH):
            connection.execute("PRAGMA foreign_key_check")
        assert foreign_keys.left_out(connection) == ["letters"]
        assert foreign_keys.count(connection, ["letters"]) == ONE_IS_BROKEN
        connection.execute("CREATE UNIQUE INDEX people_name ON people (name)")
        assert foreign_keys.left_out(connection) == []
        assert foreign_keys.count(connection) == ONE_IS_BROKEN
    assert manifest.of_file(judge).violations == ONE_IS_BROKEN


@WITHOUT_D1
@pytest.mark.parametrize(
    "sql", ["CREATE TABLE more (a)", "CREATE UNIQUE INDEX people_name ON people (name)"]
)
def test_it_is_migrated_and_may_be_mended(house: Database, sql: str) -> None:
    migrate.apply(house, Group([migration(sql)]))
    assert house.query("SELECT count(*) FROM _migrations")[0][0] == 1


@WITHOUT_D1
def test_the_other_keys_are_guarded_as_ever(house: Database) -> None:
    sql = (
        "PRAGMA foreign_keys = OFF; CREATE TABLE n (id INTEGER PRIMARY KEY);"
        " INSERT INTO n SELECT id + 1 FROM shelves; DROP TABLE shelves;"
        " ALTER TABLE n RENAME TO shelves"
    )
    with pytest.raises(DeployError, match="shelves"):
        migrate.apply(house, Group([migration(f"-- changes: shelves.id\n{sql}")]))


def test_a_migration_that_makes_such_a_key_is_refused_by_name(database: Database) -> None:
    sql = "CREATE TABLE people (name); CREATE TABLE letters (whose REFERENCES people (name))"
    with pytest.raises(DeployError, match="a foreign key to columns that are not unique") as caught:
        migrate.apply(database, Group([migration(sql)]))
    assert "CREATE UNIQUE INDEX" in caught.value.remedy


@WITHOUT_D1
def test_it_is_backed_up_and_restored(house: Database, tmp_path: Path) -> None:
    made = backup.make(house, tmp_path / "backups", BackupRequest("test"))
    house.execute("DELETE FROM books WHERE shelf = 1")
    (tmp_path / "work").mkdir()
    source = backup.unpack(made, tmp_path / "work")
    assert table_restore.one_table(house, source, "books") == 2
    house.execute("DROP TABLE books")
    restore.whole(house, source, tmp_path, proven=made.manifest)
    assert [row[0] for row in house.query("SELECT shelf FROM books ORDER BY 1")] == [1, 9]
