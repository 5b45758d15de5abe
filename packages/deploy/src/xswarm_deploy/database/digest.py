"""Count and hash the rows of a database file; of a large one, in a process of its own.

Python's interpreter lock lets such work and the packing of a backup hinder each other,
although both cores are there. This file imports nothing of the house, so that it runs as a
program, too, which starts in a moment: it reads a request (the file, and the SQL that reads
each table), says how many rows it has read, and in the end what it found.
"""

from __future__ import annotations

import gc
import hashlib
import json
import marshal
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

CHUNK = 1000
"""How many rows are hashed as one list; the hash of a table depends on it."""

_HELD = 8_000_000
"""Bytes of rows that are read at a time, about."""

_NEEDED = ("LD_LIBRARY_PATH", "SYSTEMROOT")
"""What a Python needs of the environment to start."""

Digests = dict[str, tuple[int, str]]
"""Name of a table → how many rows it has, and their hash."""

Reading = Callable[[Path, Mapping[str, str], Callable[[int], None]], Digests]
"""Counts and hashes the rows of one file, as :func:`of_file` does."""

_LARGE = 8_000_000  # bytes of a file whose rows are worth a process


def of_file(path: Path, selects: Mapping[str, str], told: Callable[[int], None]) -> Digests:
    """Count and hash the rows of tables.

    Args:
        path: the file, which nobody writes to meanwhile.
        selects: the name of each table, and the SQL that reads it in the order of its key.
        told: how many rows were read so far.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with reader(path.stat().st_size) as read:
        return read(path, selects, told)


@contextmanager
def reader(size: int) -> Iterator[Reading]:
    """Yield what reads one file as :func:`of_file` does: for a large one, a process that starts.

    Args:
        size: of the file, bytes; it need not be there yet.
    """
    if size < _LARGE:
        yield _here
        return
    command = [sys.executable, "-I", "-S", __file__]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same, of Windows
        env={name: os.environ[name] for name in _NEEDED if name in os.environ},
    ) as child:
        try:
            yield partial(_apart, child)
        finally:
            child.kill()  # where it is still at it, nobody waits for it any more


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open a database file that must not be changed; end it with ``closing``."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )


def chunks(connection: sqlite3.Connection, select: str) -> Iterator[list[tuple[Any, ...]]]:
    """Read rows, some at a time.

    Text that is no UTF-8 is kept by Python's surrogate escapes.
    """
    given = 0
    try:
        for chunk in _fetched(connection, select):
            yield chunk
            given += 1
    except sqlite3.OperationalError as error:
        if "decode to UTF-8" not in str(error):
            raise
        connection.text_factory = _lenient
        try:
            for number, chunk in enumerate(_fetched(connection, select)):
                if number >= given:
                    yield chunk
        finally:
            connection.text_factory = str


def main() -> None:
    """Answer one request: lines of JSON, a number of rows while it reads, then the digests."""
    gc.disable()  # rows refer to nothing, so looking for circles among them finds none
    request = json.load(sys.stdin)
    try:
        with closing(open_readonly(Path(request["path"]))) as connection:
            found = _of_connection(connection, request["selects"], lambda done: _say(done))
    except sqlite3.Error as error:
        _say([getattr(error, "sqlite_errorname", ""), str(error)])
    else:
        _say(found)


def _here(path: Path, selects: Mapping[str, str], told: Callable[[int], None]) -> Digests:
    with closing(open_readonly(path)) as connection:
        return _of_connection(connection, selects, told)


def _apart(
    child: subprocess.Popen[bytes],
    path: Path,
    selects: Mapping[str, str],
    told: Callable[[int], None],
) -> Digests:
    """Let a process of its own do it; it ends by itself where nobody listens any more."""
    asked, answered = _pipes(child)
    request = json.dumps({"path": str(path.absolute()), "selects": dict(selects)})
    with suppress(BrokenPipeError), asked:  # one that died says nothing, which is told below
        asked.write(request.encode())
    for line in answered:
        said = json.loads(line)
        if isinstance(said, dict):
            return {name: (int(rows), str(digest)) for name, (rows, digest) in said.items()}
        if isinstance(said, list):
            raise _error(*said)
        told(said)
    raise sqlite3.OperationalError(f"reading rows ended with code {child.wait()}")


def _pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("a process without pipes")
    return child.stdin, child.stdout


def _error(name: str, message: str) -> sqlite3.Error:
    error = sqlite3.DatabaseError(message)
    error.sqlite_errorname = name
    return error


def _say(what: object) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - the answer of a program


def _of_connection(
    connection: sqlite3.Connection, selects: Mapping[str, str], told: Callable[[int], None]
) -> Digests:
    found: Digests = {}
    done = 0
    for name, select in selects.items():
        digest, count = _Digest(connection, select), 0
        for number, rows in enumerate(chunks(connection, select), start=1):
            digest.update(rows)
            count += len(rows)
            if number % 20 == 0:
                told(done + count)
        found[name] = count, digest.hexdigest()
        done += count
        told(done)
    return found


class _Digest:
    """Hash rows as lists of :data:`CHUNK` each, in marshal's form, however they are read.

    A list's form begins with its length, so a list that is read in parts needs to know how many
    rows there are; they are counted only where rows are that large.
    """

    def __init__(self, connection: sqlite3.Connection, select: str) -> None:
        self._hash = hashlib.sha256()
        self._count = f"SELECT count(*) FROM ({select})"  # noqa: S608 - our own select
        self._connection = connection
        self._total = -1
        self._done = 0

    def update(self, rows: list[tuple[Any, ...]]) -> None:
        """Add the next rows; all of a list, or a part that ends at its end at the latest."""
        if self._done % CHUNK == 0 and len(rows) == CHUNK:
            self._hash.update(marshal.dumps(rows, 2))
        else:
            self._add_part(rows)
        self._done += len(rows)

    def hexdigest(self) -> str:
        """Return the hash of all rows so far."""
        return self._hash.hexdigest()

    def _add_part(self, rows: list[tuple[Any, ...]]) -> None:
        whole = marshal.dumps(rows, 2)
        if self._done % CHUNK == 0:
            length = min(CHUNK, self._rows() - self._done)
            self._hash.update(whole[:1] + length.to_bytes(4, "little"))
        self._hash.update(whole[_HEAD:])

    def _rows(self) -> int:
        if self._total < 0:
            (self._total,) = self._connection.execute(self._count).fetchone()
        return self._total


_HEAD = 5  # bytes before the first item of a list in marshal's form: its type, its length


def _fetched(connection: sqlite3.Connection, select: str) -> Iterator[list[tuple[Any, ...]]]:
    """Read rows, a list at a time; where they are large a part of one, that ends with it."""
    cursor = connection.execute(select)
    held: list[tuple[Any, ...]] = []
    size, place, step = 0, 0, _FIRST_STEP
    while rows := cursor.fetchmany(min(step, CHUNK - place)):
        held += rows
        place = (place + len(rows)) % CHUNK
        each = max(_size(rows[0]), _size(rows[-1]))
        size += each * len(rows)
        step = max(1, min(step * 2, _MOST_STEP, _HELD // each))
        if place == 0 or size > _HELD:
            yield held
            held, size = [], 0
    if held:
        yield held


_FIRST_STEP, _MOST_STEP = 32, 250  # rows that are read before it is looked how large they are


def _size(row: tuple[Any, ...]) -> int:
    """Return about the bytes of a row."""
    return sum(len(cell) if isinstance(cell, (str, bytes)) else 8 for cell in row) + 1


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    main()
