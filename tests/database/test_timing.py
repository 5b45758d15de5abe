"""How long migrations take is told from the numbers of rows, and what takes too long is divided."""

from __future__ import annotations

import pytest

from xswarm_deploy.database import limits, schema, timing
from xswarm_deploy.database.client import Database, Row, connect
from xswarm_deploy.database.migrations import Migration, parse
from xswarm_deploy.database.timing import Duration
from xswarm_deploy.errors import Refused

MILLION = {"users": 1_000_000, "posts": 3_000_000}


@pytest.fixture
def made(local: Database) -> list[Row]:
    local.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, tier INT)")
    local.execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, owner INT, body TEXT)")
    local.execute("CREATE INDEX by_owner ON posts (owner)")
    return local.query(schema.SELECT.sql)


def file(up: str, name: str = "a.sql", down: str = "SELECT 1", header: str = "") -> Migration:
    return parse(name, f"{header}-- migrate:up\n{up};\n-- migrate:down\n{down}")


@pytest.mark.parametrize(
    ("sql", "rows", "moved"),
    [
        ("UPDATE users SET tier = 1", 1_000_000, 0),
        ("UPDATE main.[users] SET tier = 1 WHERE id = 3", 0, 0),
        ("UPDATE posts SET body = ''", 3_000_000, 0),
        ("UPDATE posts SET owner = owner + 1", 3_000_000, 3_000_000),
        ("UPDATE posts SET body = '' WHERE owner = 3", 0, 0),
        ("DELETE FROM posts WHERE body = ''", 3_000_000, 3_000_000),
        ("CREATE UNIQUE INDEX i ON users (name)", 1_000_000, 0),
        ("ALTER TABLE users DROP COLUMN tier", 1_000_000, 0),
        ("ALTER TABLE users ADD COLUMN more TEXT", 0, 0),
        ("CREATE TABLE new (v); INSERT INTO new VALUES (1)", 0, 0),
        ("CREATE TABLE n AS SELECT * FROM users; CREATE INDEX i ON n (name)", 2_000_000, 0),
        (
            "CREATE TABLE n (id INTEGER PRIMARY KEY, name); INSERT INTO n SELECT id, name FROM"
            " users; DROP TABLE users; ALTER TABLE n RENAME TO users; UPDATE users SET name = 1",
            2_000_000,
            0,
        ),
    ],
)
def test_what_walks_through_a_whole_table_counts(
    made: list[Row], sql: str, rows: int, moved: int
) -> None:
    (found,) = timing.durations(made, [file(sql)], MILLION)
    assert (found.rows, found.moved) == (rows, moved)


def seconds(*each: float, down: str = "SELECT 1", header: str = "") -> list[Duration]:
    return [
        Duration(file("SELECT 1", f"{place}.sql", down, header), int(length * timing.ROWS_A_SECOND))
        for place, length in enumerate(each)
    ]


def names(found: list[list[Migration]]) -> list[list[str]]:
    return [[each.name for each in part] for part in found]


def test_files_that_are_short_alone_are_divided_where_they_can_be_taken_back() -> None:
    assert names(timing.divided(seconds(1, 1), limits.LIBSQL)) == [["0", "1"]]
    assert names(timing.divided(seconds(3, 1, 3, 4), limits.LIBSQL)) == [["0", "1"], ["2"], ["3"]]
    assert names(timing.divided(seconds(30, 40), limits.FILE)) == [["0", "1"]]
    one_way = seconds(3, 3, down="", header="-- irreversible: rows\n")
    with pytest.raises(Refused, match=r"they cannot be divided: 0\.sql cannot be taken back"):
        timing.divided(one_way, limits.LIBSQL)


def test_a_file_that_takes_too_long_is_refused_with_the_way_on() -> None:
    with pytest.raises(Refused, match="would take about 12 s") as caught:
        timing.divided(seconds(1, 12), limits.LIBSQL)
    assert "-- accepts: long-transaction" in caught.value.remedy
    accepted = seconds(1, 12, header="-- accepts: long-transaction\n")
    assert names(timing.divided(accepted, limits.LIBSQL)) == [["0", "1"]]
    too_long = seconds(40, header="-- accepts: long-transaction\n")
    with pytest.raises(Refused, match="D1 ends a transaction after 30 s") as caught:
        timing.divided(too_long, limits.D1)
    assert "accepts" not in caught.value.remedy


def test_each_home_says_what_it_allows() -> None:
    with connect("file:x.db") as database:
        assert database.limits.transaction is None
    with connect("http://127.0.0.1:1") as database:
        assert database.limits.transaction == limits.LONGEST_TRANSACTION
