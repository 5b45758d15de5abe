"""Put a backup back where nobody but the release has written since: proven, not guessed.

What the database must hold is made here: the backup, with the release's own migrations applied
to it. Where it holds just that, row by row, going back loses nothing; where a row, a counter or
a table is another, somebody wrote, and nothing is touched. Between looking and replacing nobody
writes unseen: the write lock is taken, and the database must still stand where it stood before
it was looked at.

Neither looked at nor put back are the records of the releases, and what a Worker measures of
itself, which it writes down all the time.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from xswarm_deploy.database import digest, manifest, migrate, own, restore, schema, snapshot
from xswarm_deploy.database.client import Database
from xswarm_deploy.database.file import FileDatabase
from xswarm_deploy.database.manifest import Content
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.rows import Value
from xswarm_deploy.errors import DeployError, Refused

STAYS: Final = own.RELEASES | own.MONITORING
"""Which tables are neither looked at nor put back."""

_BOOKS: Final = own.Tables(own.MIGRATIONS.names | {"sqlite_sequence"})
"""When a migration was applied, and how fast; the counters are looked at by themselves."""

_TRIES: Final = 5  # to find a moment in which nobody writes, not even the lease's heartbeat


def put_back(
    database: Database,
    source: Path,
    made: Sequence[Migration],
    work: Path,
    beside: Sequence[str] = (),
) -> None:
    """Replace all a database holds by what a file holds, if only migrations came since.

    Args:
        database: either home.
        source: the database file of a backup, proven.
        made: the migrations that were applied since, in their order.
        work: a folder for scratch files.
        beside: SQL of the backup that plain SQLite cannot run.

    Raises:
        Refused: somebody else has written; what is different is named, nothing was changed.
        DeployError: nothing was changed; or it reads back as something else.
    """
    expected = _with_migrations(source, made, work / "expected.db")
    for _ in range(_TRIES):
        position = database.position()
        _require_same(expected, _copied(database, work / "found.db"))
        with closing(digest.open_readonly(source)) as connection:
            statements = restore.replacing(database, connection, beside, STAYS)
            if database.replace(statements, position):
                _require_schema(source, database)
                return
    raise Refused("others write all the time", f"something came between {_TRIES} times")


def _with_migrations(source: Path, made: Sequence[Migration], target: Path) -> Path:
    shutil.copyfile(source, target)
    with FileDatabase(target) as scratch:
        for group in migrate.groups(made):
            migrate.apply(scratch, group)
    return target


def _copied(database: Database, target: Path) -> Path:
    target.unlink(missing_ok=True)
    snapshot.take(database, target)
    return target


def _require_same(expected: Path, found: Path) -> None:
    lines = manifest.differences(_content(expected), _content(found))
    if _counters(expected) != _counters(found):
        lines.append("a counter (AUTOINCREMENT) went on")
    with FileDatabase(expected) as wanted, FileDatabase(found) as held:
        lines += schema.difference(schema.read(wanted), schema.read(held))
    if lines:
        raise Refused("somebody else has written since the backup", "; ".join(lines))


def _content(file: Path) -> Content:
    held = manifest.of_file(file)
    looked_at = {name: rows for name, rows in held.tables.items() if name not in STAYS | _BOOKS}
    return Content(looked_at, "", held.user_version, 0)


def _counters(file: Path) -> list[tuple[Value, Value]]:
    with closing(digest.open_readonly(file)) as connection:
        return restore.counters(connection, STAYS)


def _require_schema(source: Path, database: Database) -> None:
    with FileDatabase(source) as wanted:
        lines = schema.difference(schema.read(wanted), schema.read(database))
    if lines:
        raise DeployError("The database reads back as something else", "; ".join(lines))
