"""What a table's columns make of values, and what tells its rows apart: SQLite is the judge."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from xswarm_deploy.database import shapes
from xswarm_deploy.database.shapes import Key, Shape

# As which type each of these is kept tells every affinity from the others.
GIVEN = ("1", "1.0", 1.5, 1, b"1")
KEPT = {
    "INTEGER": ("integer", "integer", "real", "integer", "blob"),
    "TEXT": ("text", "text", "text", "text", "blob"),
    "BLOB": ("text", "text", "real", "integer", "blob"),
    "REAL": ("real", "real", "real", "real", "blob"),
    "NUMERIC": ("integer", "integer", "real", "integer", "blob"),
}


@pytest.fixture
def judge() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        yield connection


def read(judge: sqlite3.Connection, table: str = "t") -> Shape:
    return shapes.read(lambda sql, *given: judge.execute(sql, given).fetchall(), table)


@pytest.mark.parametrize(
    ("declared", "ending"),
    [
        *((kind, "") for kind in ("", "INT", "bigint", "POINT", "VARCHAR(20)", "clob", "TEXT")),
        *((kind, "") for kind in ("BLOB", "REAL", "float", "DOUBLE PRECISION", "DECIMAL(10,5)")),
        *((kind, "") for kind in ("BOOLEAN", "DATE", "ANY", "STRING", "CHARINT", "BLOBTEXT")),
        ("ANY", "STRICT"),
        ("any", "STRICT"),
    ],
)
def test_an_affinity_is_sqlites(judge: sqlite3.Connection, declared: str, ending: str) -> None:
    judge.execute(f"CREATE TABLE t (v {declared}) {ending}")
    judge.executemany("INSERT INTO t VALUES (?)", [(value,) for value in GIVEN])
    kept = tuple(kind for (kind,) in judge.execute("SELECT typeof(v) FROM t ORDER BY rowid"))
    assert kept == KEPT[read(judge).fields["v"].affinity]


@pytest.mark.parametrize(
    ("made", "keys"),
    [
        ("CREATE TABLE t (v)", ()),
        ("CREATE TABLE t (v INTEGER PRIMARY KEY)", (Key(("v",), False),)),
        ("CREATE TABLE t (v TEXT PRIMARY KEY)", (Key(("v",), True), Key(("v",), True))),
        ("CREATE TABLE t (v, w, PRIMARY KEY (w, v)) WITHOUT ROWID", (Key(("w", "v"), False),) * 2),
        ("CREATE TABLE t (V NOT NULL UNIQUE)", (Key(("v",), False),)),
        ("CREATE TABLE t (v, w); CREATE UNIQUE INDEX i ON t (w, v)", (Key(("w", "v"), True),)),
        ("CREATE TABLE t (v); CREATE UNIQUE INDEX i ON t (lower(v))", ()),
        ("CREATE TABLE t (v); CREATE UNIQUE INDEX i ON t (v) WHERE v > 1", ()),
        ("CREATE TABLE t (v); CREATE INDEX i ON t (v)", ()),
    ],
)
def test_keys_are_those_that_tell_all_rows_apart(
    judge: sqlite3.Connection, made: str, keys: tuple[Key, ...]
) -> None:
    judge.executescript(made)
    assert read(judge).keys == keys


def test_a_view_and_what_is_not_there_have_no_shape(judge: sqlite3.Connection) -> None:
    judge.execute("CREATE VIEW seen AS SELECT 1 AS v")
    assert read(judge, "seen") == read(judge, "missing") == Shape()
