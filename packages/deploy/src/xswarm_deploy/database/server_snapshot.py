"""A database on a server as of one moment, as a SQLite file.

From libSQL's server it is one cursor in one read transaction: the server joins up to 500 rows at
a time into a JSON text, in which, unlike in its own ``/dump``, every value survives. From D1 it is
one request, or several between which nobody wrote (``d1_snapshot``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from xswarm_deploy.console import Progress
from xswarm_deploy.database import d1_snapshot, json_rows, survey
from xswarm_deploy.database.client import Database, DatabaseError
from xswarm_deploy.database.d1 import D1Database
from xswarm_deploy.database.loading import Changed, Loading
from xswarm_deploy.database.turso import TursoDatabase
from xswarm_deploy.errors import Refused

_TRIES = 3


def take(
    database: Database, target: Path, progress: Progress, *, staged: bool = False
) -> Sequence[str]:
    """Copy a database into a new file; return the SQL that plain SQLite cannot run.

    Args:
        database: on a server.
        target: the file, which is empty.
        progress: told how many rows were copied.
        staged: copy the tables in which rows wait for a restore, and no others.

    Raises:
        DatabaseError: it could not be read.
        Refused: it holds what SQLite here cannot hold; it is named.
    """
    if isinstance(database, TursoDatabase):
        return _of_turso(database, target, progress, staged)
    if isinstance(database, D1Database):
        return d1_snapshot.take(database, target, progress, staged=staged)
    raise TypeError(f"no snapshot of a {type(database).__name__}")


def _of_turso(
    database: TursoDatabase, target: Path, progress: Progress, staged: bool
) -> Sequence[str]:
    plain = True
    for _ in range(_TRIES):
        target.write_bytes(b"")
        try:
            return _copy(database, target, progress, plain=plain, staged=staged)
        except Changed:
            continue
        except DatabaseError as error:
            if error.kind not in ("value", "unavailable", "too large") or not plain:
                raise
            # A text that is no UTF-8 breaks the server's answer off: read texts as hexadecimal.
            # A row larger than any that was measured may have come meanwhile: measure again.
            plain = False
    raise Refused("The schema changes while the backup is taken", "", "run it again later")


def _copy(
    database: TursoDatabase, target: Path, progress: Progress, *, plain: bool, staged: bool
) -> Sequence[str]:
    found = survey.of(database, staged=staged)
    statements = ["BEGIN", survey.SCHEMA, "PRAGMA user_version"]
    statements += [
        json_rows.reading(each.table, each.largest, plain=plain) for each in found.present
    ]
    with (
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
        database.cursor([*statements, "COMMIT"]) as entries,
    ):
        loading = Loading(copy, found, progress)
        loading.prepare()
        loading.read(entries, len(statements))
        return loading.finish()
