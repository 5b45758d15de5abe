"""Put a backup back: the whole database or one table of it, wholly or not at all."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

from xswarm_deploy.console import Progress, no_progress
from xswarm_deploy.database import (
    counting,
    digest,
    dump,
    foreign_keys,
    manifest,
    schema,
    snapshot,
    staging,
    tables,
)
from xswarm_deploy.database.client import Database, Statement
from xswarm_deploy.database.effects import SchemaCopy
from xswarm_deploy.database.file import FileDatabase, translated
from xswarm_deploy.database.literals import literal
from xswarm_deploy.database.manifest import Content, Manifest
from xswarm_deploy.database.rows import Value
from xswarm_deploy.database.schema import quoted, vector_shadows
from xswarm_deploy.database.statements import folded
from xswarm_deploy.errors import DeployError, Refused

KEPT = "_release"
"""How the names begin of the tables a restore leaves as they are: the releases' own."""

_SEQUENCES = "sqlite_sequence"
_PATIENCE = 60.0  # seconds to wait for other writers


def whole(
    database: Database,
    source: Path,
    work: Path,
    *,
    proven: Manifest | None = None,
    along: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Content:
    """Replace all a database holds by what a file holds, and read it back.

    Args:
        database: either home.
        source: a database file, proven; it is changed.
        work: a folder for what is read back.
        proven: the backup's manifest, which the file was compared with.
        along: SQL about kept tables, run in the same transaction.
        progress: told rows and pages.

    Raises:
        DeployError: nothing was replaced; or it reads back as something else.
    """
    if isinstance(database, FileDatabase):
        journal_mode = proven.journal_mode if proven else "delete"
        _into_file(database, source, journal_mode, along, progress)
        if proven and _same_pages(source, database.path):
            return _without_kept(proven.content)
    else:
        beside = proven.beside if proven else ()
        _into_server(database, source, [*beside, *along], progress)
    expected = _without_kept(proven.content if proven else manifest.of_file(source))
    if not database.limits.user_version:
        expected = replace(expected, user_version=0)
    found = _read_back(database, work, sum(n for n, _ in expected.tables.values()), progress)
    _require_equal(expected, found)
    return found


def one_table(
    database: Database,
    source: Path,
    name: str,
    along: Sequence[str] = (),
    progress: Progress = no_progress,
) -> int:
    """Replace the rows of one table by what a file holds; return how many there are.

    Its triggers do not fire; a full-text index over it is made anew.

    Args:
        database: either home.
        source: a database file, proven.
        name: the table.
        along: SQL about kept tables, run in the same transaction.
        progress: told rows.

    Raises:
        Refused: it is not in both, or its columns are others.
        DeployError: nothing was replaced.
    """
    with closing(digest.open_readonly(source)) as connection:
        table = next((found for found in tables.read(connection) if found.name == name), None)
        if table is None or table.kind != "table":
            raise Refused(f"The backup has no table {name}", "", "inv backup.verify")
        _require_same_columns(database, table)
        _require_no_actions(database, name)
        staging.require_rows_fit(connection, [table], database.limits)
        count = _count(connection, table)
        with staging.stage(database, count, progress) as stage:
            stage.fill(connection, table)
            swap = [*_replacing(database, table, stage.moving(connection, table)), *along]
            database.transaction([Statement(sql) for sql in swap], foreign_keys=False)
    now = database.query(f"SELECT count(*) FROM {quoted(name)}")[0].integer(0)  # noqa: S608
    if now != count:
        raise DeployError(f"The table {name} has {now} rows and not {count}")
    return now


def _into_file(
    database: FileDatabase,
    source: Path,
    journal_mode: str,
    along: Sequence[str],
    progress: Progress,
) -> None:
    """Copy pages over a file in one transaction of SQLite's own."""
    database.close()  # opens again by itself
    with (
        closing(sqlite3.connect(source, isolation_level=None)) as restored,
        closing(sqlite3.connect(database.path, timeout=_PATIENCE, isolation_level=None)) as live,
    ):
        _carry_kept(live, restored)
        with translated():
            for sql in along:
                restored.execute(sql)
        try:
            if _page_size(live) != _page_size(restored):
                live.execute("PRAGMA journal_mode = DELETE")  # in WAL mode it cannot change
            snapshot.copy_pages(restored, live, "write", progress)
        except sqlite3.Error as error:
            raise DeployError("The file was not replaced", str(error), "end what uses it") from None
        if journal_mode == "wal":
            live.execute("PRAGMA journal_mode = WAL")


def _into_server(
    database: Database, source: Path, beside: Sequence[str], progress: Progress
) -> None:
    """Stage all rows; then, in one short transaction, let them take the place of what is there."""
    with closing(digest.open_readonly(source)) as connection:
        left = {_SEQUENCES, *_kept(connection, (KEPT,))}
        present = tables.read(connection)
        filled = [t for t in present if t.name not in left and t.kind != "virtual"]
        staging.require_rows_fit(connection, filled, database.limits)
        total = sum(_count(connection, table) for table in filled)
        with staging.stage(database, total, progress) as stage:
            for table in filled:
                stage.fill(connection, table)
            swap = replacing(database, connection, beside, filling=stage.moving)
            database.transaction([Statement(sql) for sql in swap], foreign_keys=False)


def replacing(
    database: Database,
    connection: sqlite3.Connection,
    beside: Sequence[str] = (),
    stays: tuple[str, ...] = (KEPT,),
    filling: dump.Filling | None = None,
) -> Iterator[str]:
    """Return the SQL that replaces all a database holds by what a file holds.

    Args:
        database: either home.
        connection: the file, open.
        beside: SQL that plain SQLite cannot run.
        stays: how the names begin of the tables that are left as they are.
        filling: what fills a table; by default INSERTs with the values themselves.
    """
    left_out = foreign_keys.left_out(connection)
    allowed = foreign_keys.count(connection, left_out)
    made = dump.statements(
        connection, without={_SEQUENCES, *_kept(connection, stays)}, filling=filling
    )
    if not database.limits.user_version:
        made = (sql for sql in made if not sql.startswith("PRAGMA user_version"))
    return chain(
        _drops(database, stays),
        made,
        _counters(connection, stays),
        beside,
        [_guard(allowed, left_out)],
    )


def _kept(connection: sqlite3.Connection, stays: tuple[str, ...]) -> set[str]:
    return {table.name for table in tables.read(connection) if table.name.startswith(stays)}


def _count(connection: sqlite3.Connection, table: tables.Table) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()  # noqa: S608
    return int(count)


def _guard(allowed: int, left_out: Sequence[str]) -> str:
    """Return the SQL that fails where more foreign keys point nowhere than may."""
    why = "'more foreign keys point nowhere than in the backup'"
    return counting.failing(f"{_violations(left_out)} > {allowed}", why)


def _violations(left_out: Sequence[str]) -> str:
    return f"(SELECT count(*) FROM {foreign_keys.broken(left_out)})"  # noqa: S608


def counters(connection: sqlite3.Connection, stays: tuple[str, ...]) -> list[tuple[Value, Value]]:
    """Return how far each table has counted that counts (AUTOINCREMENT), the kept ones left out.

    Anybody may write into that table of SQLite's, and anything: NULL for a name, too.
    """
    if not _counts(connection):
        return []
    rows = connection.execute(f"SELECT name, seq FROM {_SEQUENCES} ORDER BY name")  # noqa: S608
    return [(name, seq) for name, seq in rows if not str(name).startswith(stays)]


def _counters(connection: sqlite3.Connection, stays: tuple[str, ...]) -> Iterator[str]:
    """Return the SQL that sets the counters, which filling a table sets: an empty one's, too."""
    if not _counts(connection):
        return
    others = [f"substr(name, 1, {len(kept)}) IS NOT {literal(kept)}" for kept in stays]
    yield f"DELETE FROM {_SEQUENCES} WHERE {' AND '.join(others)}"  # noqa: S608
    for name, seq in counters(connection, stays):
        yield f"INSERT INTO {_SEQUENCES} VALUES ({literal(name)}, {literal(seq)})"  # noqa: S608


def _counts(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (_SEQUENCES,))
    return found.fetchone() is not None


def _drops(database: Database, stays: tuple[str, ...]) -> list[str]:
    """Return what empties a database, the kept tables left; indexes and triggers go along."""
    found, schema_rows = database.snapshot(
        [
            tables.SELECT,
            Statement("SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'index')"),
        ]
    )
    views = [row.text("name") for row in schema_rows.rows if row["type"] == "view"]
    indexes = [row.text("name") for row in schema_rows.rows if row["type"] == "index"]
    names = [row.text("name") for row in found.rows]
    of_vectors = vector_shadows(names, indexes)
    kinds = {"virtual": 0, "table": 1}
    dropped = sorted(
        (
            row
            for row in found.rows
            if row["type"] in kinds
            and not row.text("name").startswith((*stays, "sqlite_", "_cf_"))
            and row["name"] not in of_vectors
        ),
        key=lambda row: kinds[row.text("type")],
    )
    return [
        *(f"DROP VIEW {quoted(name)}" for name in views),
        *(f"DROP TABLE {quoted(row.text('name'))}" for row in dropped),
    ]


def _same_pages(one: Path, other: Path) -> bool:
    """Return whether two database files hold the same pages.

    Only the counters in the header may differ, which every write moves, and that of the schema,
    which SQLite's own copy sets to what the other file's was, and one more. While the log of a file
    in WAL mode is not yet in it, the answer is no.
    """
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        headers = [file.read(100) for file in (first, second)]
        if len({header[:18] + header[28:40] + header[44:92] for header in headers}) > 1:
            return False
        return all(
            piece == second.read(len(piece)) for piece in iter(lambda: first.read(1 << 20), b"")
        )


def _carry_kept(live: sqlite3.Connection, restored: sqlite3.Connection) -> None:
    """Take the kept tables from the live file into the one that replaces it."""
    restored.execute("PRAGMA foreign_keys = OFF")
    restored.execute("BEGIN")
    for table in tables.read(restored):
        if table.name.startswith(KEPT):
            restored.execute(f"DROP TABLE {quoted(table.name)}")
    names = [table.name for table in tables.read(live)]
    others = {name for name in names if not name.startswith(KEPT)}
    version = "PRAGMA user_version"
    for sql in dump.statements(live, without=others) if len(others) < len(names) else ():
        if not sql.startswith((version, "CREATE VIEW")):
            restored.execute(sql)
    restored.execute("COMMIT")


def _read_back(database: Database, work: Path, total: int, progress: Progress) -> Content:
    copy = work / "read-back.db"
    copy.unlink(missing_ok=True)
    snapshot.take(database, copy, progress)
    return _without_kept(manifest.of_file(copy, progress, total))


def _without_kept(content: Content) -> Content:
    held = {name: rows for name, rows in content.tables.items() if not name.startswith(KEPT)}
    return replace(content, tables=held, schema="")


def _require_equal(expected: Content, found: Content) -> None:
    lines = manifest.differences(expected, found)
    if lines:
        raise DeployError(
            "The restored database reads back as something else",
            "; ".join(lines),
            "restore again while nothing writes to it",
        )


def _page_size(connection: sqlite3.Connection) -> int:
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(size)


def _require_same_columns(database: Database, table: tables.Table) -> None:
    found, columns = database.snapshot([tables.SELECT, tables.SELECT_COLUMNS])
    live = {item.name: item for item in tables.tables(found.rows, columns.rows)}
    if table.name not in live:
        raise Refused(f"The database has no table {table.name}", "", "inv backup.restore FILE")
    if live[table.name].columns != table.columns:
        raise Refused(
            f"The table {table.name} has other columns than in the backup",
            f"{', '.join(live[table.name].columns)} and not {', '.join(table.columns)}",
            "restore the whole database, or bring its schema back first",
        )


def _require_no_actions(database: Database, name: str) -> None:
    """Refuse to empty a table whose rows others follow, where foreign keys cannot be lifted."""
    if database.limits.lifts_keys:
        return
    with SchemaCopy(database.query(schema.SELECT.sql)) as copy:
        acting = copy.acting_keys().get(folded(name), [])
    if acting:
        raise Refused(
            f"{database.limits.home} cannot lift foreign keys: with the rows of {name} others go",
            "; ".join(acting),
            "restore the whole database",
        )


def _replacing(database: Database, table: tables.Table, moving: Iterator[str]) -> Iterator[str]:
    made = schema.read(database)
    rows = database.query(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?)",
        [table.name],
    )
    left_out = foreign_keys.of_schema(database.query(schema.SELECT.sql))
    allowed = database.query(f"SELECT {_violations(left_out)}")[0].integer(0)
    for row in rows:
        yield f"DROP TRIGGER {quoted(row.text('name'))}"
    yield f"DELETE FROM {quoted(table.name)}"  # noqa: S608
    yield from moving
    for row in rows:
        yield row.text("sql")
    for (_, name), sql in made.items():
        if _is_index_over(sql, table.name):
            yield f"INSERT INTO {quoted(name)} ({quoted(name)}) VALUES ('rebuild')"  # noqa: S608
    yield _guard(allowed, left_out)


def _is_index_over(sql: str, table: str) -> bool:
    """Return whether SQL makes a full-text index over a table's content."""
    if not re.match(r"\s*CREATE\s+VIRTUAL\s+TABLE", sql, re.IGNORECASE):
        return False
    found = re.search(r"\bcontent\s*=\s*['\"]?([^'\",)]+)", sql, re.IGNORECASE)
    return found is not None and found[1].strip().lower() == table.lower()
