"""A database as of one moment, as a SQLite file.

From a file it is SQLite's own copy of pages; from a server, see ``server_snapshot``.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from xswarm_deploy import child, running
from xswarm_deploy.console import Progress, no_progress
from xswarm_deploy.database.client import Database
from xswarm_deploy.database.file import FileDatabase, translated

_PAGES = 2000  # copied at a time, between which progress is told
_LARGE = 8_000_000  # bytes of a file that are worth a program
_TOLD = 1.0  # seconds between two looks at how far it is
_PATIENCE = 60.0  # seconds to wait for writers, who come first while no one reads


@dataclass(frozen=True)
class Taken:
    """What a snapshot says besides the file.

    Args:
        beside: SQL that plain SQLite cannot run, such as libSQL's vector indexes.
        journal_mode: of the file it was taken from.
    """

    beside: Sequence[str] = ()
    journal_mode: str = "delete"


def take(database: Database, target: Path, progress: Progress = no_progress) -> Taken:
    """Copy a database into a new file.

    Args:
        database: either home.
        target: the file, which does not exist yet.
        progress: told how many rows, or pages, were copied.

    Raises:
        DatabaseError: it could not be read.
        Refused: it holds what SQLite here cannot hold; it is named.
    """
    target.touch(0o600)
    if isinstance(database, FileDatabase):
        return _of_file(database.path, target, progress)
    from xswarm_deploy.database import server_snapshot

    return Taken(beside=server_snapshot.take(database, target, progress))


def staged(database: Database, target: Path) -> None:
    """Copy the tables of a server in which rows wait for a restore, and no others.

    Args:
        database: a server.
        target: the file, which does not exist yet.

    Raises:
        DatabaseError: they could not be read.
    """
    from xswarm_deploy.database import server_snapshot

    target.touch(0o600)
    server_snapshot.take(database, target, no_progress, staged=True)


def _of_file(path: Path, target: Path, progress: Progress) -> Taken:
    with (
        translated(),
        closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as source,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_schema").fetchone()  # from here on: one moment
        (mode,) = source.execute("PRAGMA journal_mode").fetchone()
        if mode == "wal" or not _copied(path, target, progress):
            copy.execute("PRAGMA journal_mode = OFF")  # what is cut off is thrown away
            copy.execute("PRAGMA synchronous = OFF")
            copy_pages(source, copy, "copy", progress)
            copy.execute("PRAGMA journal_mode = DELETE")
    return Taken(journal_mode=mode)


def _copied(path: Path, target: Path, progress: Progress) -> bool:
    """Copy a large file that nobody can write to now, in a third of the time; return whether.

    Who holds a read transaction may do so where there is no write-ahead log, by another program:
    a file that this process closes would let go of its locks (sqlite.org/backup.html).
    """
    size = path.stat().st_size
    program = child.program("cp") if size >= _LARGE else None
    if program is None:
        return False
    command = [program, "--", str(path), str(target)]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, env=child.environment()) as copying,
        running.ended(copying),
    ):
        while copying.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                copying.communicate(timeout=_TOLD)
            progress("copy", target.stat().st_size, size, "bytes")
    if copying.returncode or target.stat().st_size != size:
        os.truncate(target, 0)
        return False
    return True


def copy_pages(
    source: sqlite3.Connection, target: sqlite3.Connection, label: str, progress: Progress
) -> None:
    """Copy all pages in one transaction of the target, and tell how far it is.

    Raises:
        sqlite3.OperationalError: another connection kept its lock for longer than the
            target's timeout.
    """
    (page,) = source.execute("PRAGMA page_size").fetchone()

    def told(status: int, left: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):  # Python would try for ever
            raise sqlite3.OperationalError("database is locked")
        progress(label, (total - left) * page, total * page, "bytes")

    source.backup(target, pages=_PAGES, progress=told)
