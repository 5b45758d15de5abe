"""The ledger of applied migrations, in the database itself.

``_migrations`` has the columns earlier tools of this service used; beside it,
``_migration_texts`` keeps what each file said when it was applied, so that an edit
is shown as a difference, and taking back does not need the file; and, under ``owner:FILENAME``,
which Worker applied it, since several may share a database; and, under ``schema``, the schema as
the server had it after the last run, for what only that server can read; and, under
``down:FILENAME``, a down part that was made for a file that has none.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from xswarm_deploy.database.client import Database, DatabaseError, Row, Statement, Value
from xswarm_deploy.errors import Refused

if TYPE_CHECKING:
    from xswarm_deploy.database.migrations import Migration

SUCCESS, RUNNING = "success", "running"
_LONG = 4096  # characters from which a text is kept compressed

CREATE = (
    Statement(
        "CREATE TABLE IF NOT EXISTS _migrations (id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " filename TEXT NOT NULL UNIQUE, name TEXT NOT NULL, checksum TEXT NOT NULL,"
        " applied_at TEXT NOT NULL DEFAULT (datetime('now')), execution_time_ms INTEGER,"
        " status TEXT DEFAULT 'success')"
    ),
    Statement(
        "CREATE TABLE IF NOT EXISTS _migration_texts (checksum TEXT PRIMARY KEY, text NOT NULL)"
    ),
)
SELECT = Statement(
    "SELECT filename, name, checksum, applied_at, execution_time_ms, status, text,"
    " (SELECT text FROM _migration_texts WHERE checksum = 'owner:' || filename) AS owner,"
    " (SELECT text FROM _migration_texts WHERE checksum = 'down:' || filename) AS down"
    " FROM _migrations LEFT JOIN _migration_texts USING (checksum) ORDER BY id"
)
_SELECT_OF_OTHERS = (
    "SELECT filename, name, checksum, applied_at, execution_time_ms, status, NULL AS text,"
    " '' AS owner, '' AS down FROM _migrations ORDER BY id"
)


class Applied(NamedTuple):
    """One row of the ledger.

    Args:
        filename: e.g. ``teams.sql``.
        title: the name for people.
        checksum: SHA-256 of the file when it was applied.
        applied_at: UTC.
        milliseconds: how long it took.
        status: ``success``; anything else was left unfinished.
        text: what the file said; None where an earlier tool did not keep it.
        owner: the Worker whose migration it is; empty: not recorded.
        made_down: the down part that was made for it; empty: the file's own counts.
    """

    filename: str
    title: str
    checksum: str
    applied_at: str
    milliseconds: int
    status: str
    text: str | None
    owner: str = ""
    made_down: str = ""

    @property
    def name(self) -> str:
        """Return the name others depend on."""
        return self.filename.removesuffix(".sql")


def read(database: Database) -> list[Applied]:
    """Return what was applied, in that order; nothing where there is no ledger yet."""
    try:
        return rows(database.query(SELECT.sql))
    except DatabaseError as error:
        if error.kind != "syntax":
            raise
        return _read_partly(database)


def names(database: Database) -> list[str]:
    """Return the names of what was applied, in that order, without what the files said."""
    try:
        found = database.query("SELECT filename FROM _migrations ORDER BY id")
    except DatabaseError as error:
        if error.kind != "syntax":
            raise
        return [row.name for row in _read_partly(database)]
    return [row.text("filename").removesuffix(".sql") for row in found]


def texts(database: Database) -> dict[str, str]:
    """Return what files said when they were applied, by checksum; also of those taken back."""
    found = database.query("SELECT checksum, text FROM _migration_texts")
    return {row.text("checksum"): _unpack(row) or "" for row in found}


def rows(found: Sequence[Row]) -> list[Applied]:
    """Read the rows that :data:`SELECT` gives.

    Raises:
        Refused: one of them is not as this tool writes it.
    """
    return [_applied(row) for row in found]


def _applied(row: Row) -> Applied:
    try:
        return Applied(
            row.text("filename"),
            row.text("name"),
            row.text("checksum"),
            row.text("applied_at"),
            int(row["execution_time_ms"] or 0),
            str(row["status"] or SUCCESS),
            _unpack(row),
            str(row["owner"] or ""),
            str(row["down"] or ""),
        )
    except (TypeError, ValueError, zlib.error) as error:
        raise Refused(
            f"The row of {row['filename']!s} in _migrations or _migration_texts cannot be read",
            str(error),
            "it was written by hand or by another tool: correct it, or inv backup.restore",
        ) from None


def recording(migration: Migration, status: str = SUCCESS) -> Statement:
    """Return the statement that enters a migration, to run before its own.

    The name is unique: of several runners at once, this lets exactly one go on.
    """
    return Statement(
        "INSERT INTO _migrations (filename, name, checksum, applied_at, execution_time_ms,"
        " status) VALUES (?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 0, ?)",
        (migration.filename, migration.title, migration.checksum, status),
    )


def keeping(migrations: Sequence[Migration]) -> Statement:
    """Return the statement that keeps what files say."""
    values: list[Value] = []
    for migration in migrations:
        text = migration.text
        packed = zlib.compress(text.encode(), 9) if len(text) > _LONG else text
        values += [migration.checksum, packed]
    rows = ", ".join(["(?, ?)"] * len(migrations))
    return Statement(f"INSERT OR IGNORE INTO _migration_texts VALUES {rows}", values)  # noqa: S608


def owning(filenames: Sequence[str], owner: str) -> Statement:
    """Return the statement that keeps whose migrations these are."""
    rows = ", ".join(["('owner:' || ?, ?)"] * len(filenames))
    values = [value for filename in filenames for value in (filename, owner)]
    return Statement(f"INSERT OR REPLACE INTO _migration_texts VALUES {rows}", values)  # noqa: S608


def keeping_downs(migrations: Sequence[Migration]) -> list[Statement]:
    """Return the statements that keep the down parts that were made."""
    sql = "INSERT OR REPLACE INTO _migration_texts VALUES ('down:' || ?, ?)"
    return [Statement(sql, (m.filename, m.made_down)) for m in migrations if m.made_down]


def keeping_schema(select: Statement) -> Statement:
    """Return the statement that keeps the schema as it is now, to run after the last migration.

    Args:
        select: what gives its rows of type, name, tbl_name and sql.
    """
    return Statement(
        "INSERT OR REPLACE INTO _migration_texts SELECT 'schema', json_object('after',"  # noqa: S608
        " (SELECT filename FROM _migrations ORDER BY id DESC LIMIT 1), 'objects',"
        f" json_group_array(json_array(type, name, tbl_name, sql))) FROM ({select.sql})"
    )


def kept_schema(database: Database) -> list[Row] | None:
    """Return the schema's rows as the last migration left them; None: they were not kept."""
    try:
        found = database.query(
            "SELECT text FROM _migration_texts WHERE checksum = 'schema' AND json_extract(text,"
            " '$.after') IS (SELECT filename FROM _migrations ORDER BY id DESC LIMIT 1)"
        )
    except DatabaseError as error:
        if error.kind != "syntax":  # an earlier tool's ledger, or none
            raise
        return None
    if not found:
        return None
    columns = ("type", "name", "tbl_name", "sql")
    return [Row(columns, values) for values in json.loads(found[0].text(0))["objects"]]


def timing(migrations: Sequence[Migration]) -> Statement:
    """Return the statement that enters how long each took, to run after the last one.

    A migration ends when the one after it begins.
    """
    return Statement(
        "UPDATE _migrations SET status = 'success', execution_time_ms = round(("
        "julianday(ifnull((SELECT later.applied_at FROM _migrations AS later"
        " WHERE later.id > _migrations.id ORDER BY later.id LIMIT 1), 'now'))"
        " - julianday(applied_at)) * 86400000)"
        " WHERE filename IN (SELECT value FROM json_each(?))",
        (json.dumps([migration.filename for migration in migrations]),),
    )


def removing(filename: str) -> Statement:
    """Return the statement that takes a migration out."""
    return Statement("DELETE FROM _migrations WHERE filename = ?", (filename,))


def stamping(migration: Migration, owner: str = "") -> list[Statement]:
    """Return the statements that enter a migration as applied, whatever was entered before."""
    return [
        keeping([migration]),
        *([owning([migration.filename], owner)] if owner else []),
        *keeping_downs([migration]),
        Statement(
            "INSERT INTO _migrations (filename, name, checksum, applied_at, execution_time_ms,"
            " status) VALUES (?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 0, 'success')"
            " ON CONFLICT (filename) DO UPDATE SET name = excluded.name,"
            " checksum = excluded.checksum, status = 'success'",
            (migration.filename, migration.title, migration.checksum),
        ),
    ]


def _unpack(row: Row) -> str | None:
    text = row["text"]
    if isinstance(text, bytes):
        return zlib.decompress(text).decode()
    return text if text is None else str(text)


def _read_partly(database: Database) -> list[Applied]:
    """Read where there is no ledger, or one an earlier tool made."""
    named = database.query("SELECT name FROM sqlite_schema WHERE name = '_migrations'")
    if not named:
        return []
    try:
        return rows(database.query(_SELECT_OF_OTHERS))
    except DatabaseError as error:
        raise Refused(
            "The table _migrations is not this tool's",
            error.why,
            "rename it, then: inv migrate.baseline",
        ) from None
