from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from xswarm_deploy.database.loss import Loss, losses

THEN = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE TABLE twins (v)",
    "CREATE TABLE _release_audit (v)",
    "CREATE VIRTUAL TABLE notes USING fts5 (body)",
    "INSERT INTO notes VALUES ('a')",
    "CREATE TABLE _release_notes (v)",
    "CREATE TABLE keyed (id INTEGER PRIMARY KEY, v COLLATE NOCASE, n)",
    "INSERT INTO keyed VALUES (1, 'Ann', 1), (2, 'Ann', '1'), (3, x'00', NULL), (4, 'c', 2)",
    "CREATE TABLE mails (v COLLATE NOCASE, n)",
    "INSERT INTO mails VALUES ('Ann', 1), ('Ann', '1'), (x'00', NULL)",
    "INSERT INTO users VALUES (1, 'ann'), (2, NULL), (3, 'carl')",
    "INSERT INTO twins VALUES (1), (NULL)",
)


@pytest.mark.parametrize(
    ("since", "lost"),
    [
        ("SELECT 1", []),
        ("INSERT INTO users VALUES (4, 'dora')", [Loss("users", 4, 1)]),
        ("UPDATE users SET name = 'Ann' WHERE id = 1", [Loss("users", 3, 1)]),
        ("DELETE FROM users WHERE id = 1", []),
        ("INSERT INTO twins VALUES (1), (1), (NULL)", [Loss("twins", 5, 3)]),
        ("ALTER TABLE users ADD COLUMN motto DEFAULT 'x'", []),
        ("ALTER TABLE users ADD COLUMN state DEFAULT draft", []),
        ('ALTER TABLE users ADD COLUMN state DEFAULT "name"', []),
        (
            "ALTER TABLE users ADD COLUMN m; UPDATE users SET m = 1 WHERE id < 3",
            [Loss("users", 3, 2)],
        ),
        ("ALTER TABLE users ADD COLUMN m; UPDATE users SET m = 1, name = 2", [Loss("users", 3, 3)]),
        ("INSERT INTO notes VALUES ('b')", [Loss("notes_content", 2, 1)]),
        ("ALTER TABLE users RENAME COLUMN name TO Name", []),
        ("ALTER TABLE twins RENAME COLUMN v TO w", [Loss("twins", 2, 2)]),
        ("CREATE TABLE more AS SELECT * FROM users", [Loss("more", 3, 3)]),
        ("INSERT INTO _release_audit VALUES (1)", []),
        ("DROP TABLE twins", []),
        ("INSERT INTO _release_notes VALUES (1)", [Loss("_release_notes", 1, 1)]),
        ("UPDATE mails SET v = 'ANN' WHERE n = 1", [Loss("mails", 3, 1)]),
        ("UPDATE keyed SET v = 'ANN' WHERE id = 1", [Loss("keyed", 4, 1)]),
        ("UPDATE keyed SET n = 1.0 WHERE id = 1", [Loss("keyed", 4, 1)]),
        ("UPDATE keyed SET n = n + 1 WHERE id > 1", [Loss("keyed", 4, 2)]),
        ("UPDATE keyed SET id = id + 10 WHERE id > 2", [Loss("keyed", 4, 2)]),
        ("DELETE FROM keyed WHERE id < 4", []),
        ("UPDATE mails SET n = 1 WHERE n = '1'", [Loss("mails", 3, 1)]),
        ("UPDATE mails SET n = 1.0 WHERE n = 1", [Loss("mails", 3, 1)]),
        ("UPDATE mails SET n = '' WHERE n IS NULL", [Loss("mails", 3, 1)]),
    ],
)
def test_rows_that_the_backup_does_not_have_are_counted(
    tmp_path: Path, since: str, lost: list[Loss]
) -> None:
    for name, sql in (("then", THEN), ("now", (*THEN, since))):
        with closing(sqlite3.connect(tmp_path / name, isolation_level=None)) as connection:
            connection.executescript(";".join(sql))
    assert losses(tmp_path / "now", tmp_path / "then") == lost


def test_of_a_table_with_as_many_columns_as_there_can_be(tmp_path: Path) -> None:
    made = f"CREATE TABLE wide ({', '.join(f'c{place}' for place in range(2000))})"
    for name, value in (("then", "'a'"), ("now", "'A'")):
        with closing(sqlite3.connect(tmp_path / name, isolation_level=None)) as connection:
            connection.execute(made)
            connection.execute(f"INSERT INTO wide (c0, c1999) VALUES (1, {value}), (2, NULL)")
    assert losses(tmp_path / "now", tmp_path / "then") == [Loss("wide", 2, 1)]
    assert losses(tmp_path / "now", tmp_path / "now") == []


def test_of_one_table_alone(tmp_path: Path) -> None:
    for name, sql in (("then", THEN), ("now", (*THEN, "INSERT INTO users VALUES (9, 'x')"))):
        with closing(sqlite3.connect(tmp_path / name, isolation_level=None)) as connection:
            for each in sql:
                connection.execute(each)
    assert losses(tmp_path / "now", tmp_path / "then", "twins") == []
