"""A file as of one moment: copied by SQLite, or by a program while nobody can write."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from xswarm_deploy import child
from xswarm_deploy.database import snapshot
from xswarm_deploy.database.client import connect

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no cp")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (v)")
        connection.execute("INSERT INTO t VALUES (1), (2)")
        yield connection


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a program that is run in the place of ``cp``, also for a small file."""
    file = tmp_path / "program"
    monkeypatch.setattr(snapshot, "_LARGE", 0)
    monkeypatch.setattr(child, "program", lambda _name: str(file))
    return file


def write(program: Path, body: str) -> None:
    program.write_text(f"#!{sys.executable}\nimport shutil, sqlite3, sys\n{body}\n")
    program.chmod(0o700)


def taken(tmp_path: Path) -> list[object]:
    target = tmp_path / "taken.db"
    with connect(f"file:{tmp_path / 'app.db'}") as database:
        snapshot.take(database, target)
    assert target.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(target)) as copy:
        return [v for (v,) in copy.execute("SELECT v FROM t ORDER BY v")]


def test_a_large_file_is_copied_by_a_program(
    source: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_LARGE", 0)
    monkeypatch.setattr(snapshot, "copy_pages", None)
    old_umask = os.umask(0)
    try:
        assert taken(tmp_path) == [1, 2]
    finally:
        os.umask(old_umask)
    assert (tmp_path / "taken.db").read_bytes() == (tmp_path / "app.db").read_bytes()


def test_nobody_can_write_while_it_is_copied(
    source: sqlite3.Connection, program: Path, tmp_path: Path
) -> None:
    other = "sqlite3.connect(sys.argv[2], timeout=0, isolation_level=None)"
    noted = f"open({str(tmp_path / 'noted')!r}, 'w').write(str(error))"
    write(
        program,
        f"try: {other}.execute('INSERT INTO t VALUES (3)')\n"
        f"except sqlite3.OperationalError as error: {noted}\n"
        "shutil.copyfile(sys.argv[2], sys.argv[3])",
    )
    assert taken(tmp_path) == [1, 2]
    assert (tmp_path / "noted").read_text() == "database is locked"
    source.execute("INSERT INTO t VALUES (3)")  # and then anybody can again


@pytest.mark.parametrize("body", ["sys.exit(1)", "pass"])
def test_where_the_program_fails_sqlite_copies(
    source: sqlite3.Connection, program: Path, tmp_path: Path, body: str
) -> None:
    write(program, f"open(sys.argv[3], 'w').write('no database')\n{body}")
    assert taken(tmp_path) == [1, 2]


def test_what_stands_in_a_write_ahead_log_is_copied_by_sqlite(
    source: sqlite3.Connection, program: Path, tmp_path: Path
) -> None:
    source.execute("PRAGMA journal_mode = WAL")
    source.execute("INSERT INTO t VALUES (3)")
    write(program, f"open({str(tmp_path / 'run')!r}, 'w')")
    assert taken(tmp_path) == [1, 2, 3]
    assert not (tmp_path / "run").exists()


def test_a_small_file_and_one_without_the_program_are_copied_by_sqlite(
    source: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken(tmp_path) == [1, 2]
    (tmp_path / "taken.db").unlink()
    monkeypatch.setattr(snapshot, "_LARGE", 0)
    monkeypatch.setattr(child, "program", lambda _name: None)
    assert taken(tmp_path) == [1, 2]


def test_it_is_told_how_far_the_program_is(
    source: sqlite3.Connection, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int, int | None, str]] = []
    monkeypatch.setattr(snapshot, "_TOLD", 0.01)
    write(
        program,
        "import time\ncontent = open(sys.argv[2], 'rb').read()\n"
        "with open(sys.argv[3], 'wb') as file:\n"
        "    file.write(content[:4096]); file.flush(); time.sleep(0.5); file.write(content[4096:])",
    )
    size = (tmp_path / "app.db").stat().st_size
    target = tmp_path / "taken.db"
    with connect(f"file:{tmp_path / 'app.db'}") as database:
        snapshot.take(database, target, lambda *each: told.append(each))
    assert ("copy", 4096, size, "bytes") in told
    assert told[-1] == ("copy", size, size, "bytes")
