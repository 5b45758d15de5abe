"""Rows counted and hashed in a process of its own are those counted and hashed here."""

from __future__ import annotations

import hashlib
import marshal
import sqlite3
import sys
import threading
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from xswarm_deploy.database import digest, manifest
from xswarm_deploy.database.client import DatabaseError

SELECTS = {"t": "SELECT rowid, v FROM t ORDER BY rowid", 'odd "é🐝"': 'SELECT * FROM "odd ""é🐝"""'}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a b.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (v)")
        connection.execute('CREATE TABLE "odd ""é🐝""" (a, b)')
        rows = [(value,) for value in (None, 2**63 - 1, -0.0, 0.1, "a\0b", b"\0\xff", "é🐝")]
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?)", rows * 4000)
        connection.execute("INSERT INTO t VALUES (CAST(x'61ff62' AS TEXT)), (9e999)")
        connection.execute("COMMIT")
    return file


def test_both_find_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here: list[int] = []
    apart: list[int] = []
    found = digest.of_file(path, SELECTS, here.append)
    assert found["t"][0] == 28_002
    assert found['odd "é🐝"'][0] == 0
    monkeypatch.setattr(digest, "_LARGE", 0)
    assert digest.of_file(path, SELECTS, apart.append) == found
    assert apart == here
    assert here[0] == 20_000


def test_a_file_that_cannot_be_read_is_named_as_everywhere(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "_LARGE", 0)
    raw = bytearray(path.read_bytes())
    raw[4096 * 20 : 4096 * 40] = bytes(4096 * 20)
    path.write_bytes(raw)
    with pytest.raises(DatabaseError) as caught:
        manifest.of_file(path)
    assert caught.value.kind == "corrupt"


def test_a_reader_that_dies_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "_LARGE", 0)
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(sqlite3.OperationalError, match="ended with code 1"):
        digest.of_file(path, SELECTS, lambda _: None)


@pytest.mark.parametrize(
    ("rows", "size"),
    [(0, 1), (1, 1), (999, 3), (1000, 3), (1001, 3), (30, 1_000_000), (1100, 20_000)],
)
def test_digests_of_earlier_backups_stay_valid(rows: int, size: int) -> None:
    """Rows are hashed as lists of a thousand, however few of them are read at a time."""
    with closing(_large_rows(rows, size)) as connection:
        select = "SELECT a, b FROM t ORDER BY a"
        earlier, cursor = hashlib.sha256(), connection.execute(select)
        while chunk := cursor.fetchmany(1000):
            earlier.update(marshal.dumps(chunk, 2))
        found = digest._of_connection(connection, {"t": select}, lambda _: None)
    assert found == {"t": (rows, earlier.hexdigest())}


@pytest.mark.slow
def test_large_rows_are_held_by_megabytes_and_not_by_thousands() -> None:
    with closing(_large_rows(300, 500_000)) as connection:  # 150 MB
        tracemalloc.start()
        digest._of_connection(connection, {"t": "SELECT a, b FROM t"}, lambda _: None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 60_000_000


def _large_rows(rows: int, size: int) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    values = (("x" * (size - number % 7) if number % 3 else 0.5,) for number in range(rows))
    connection.executemany("INSERT INTO t (b) VALUES (?)", values)
    return connection


def test_a_reader_that_is_not_asked_or_is_left_ends(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(digest, "_LARGE", 0)
    with digest.reader(0):
        pass
    select = "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i FROM c"
    ended: list[BaseException] = []

    def read(rows: digest.Reading) -> None:
        try:
            rows(path, {"t": select}, lambda _: begun.set())
        except sqlite3.OperationalError as error:
            ended.append(error)

    begun = threading.Event()
    with digest.reader(0) as rows:
        reading = threading.Thread(target=read, args=(rows,))
        reading.start()
        assert begun.wait(60)
    reading.join(60)
    assert "ended with code -9" in str(ended[0])
    assert capfd.readouterr().err == ""
