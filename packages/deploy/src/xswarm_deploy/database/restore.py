"""Put a backup back: the whole database, wholly or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from xswarm_deploy.console import Progress, no_progress
from xswarm_deploy.database import (
    counting,
    digest,
    dump,
    foreign_keys,
    manifest,
    own,
    snapshot,
    staging,
    tables,
)
from xswarm_deploy.database.client import Database, DatabaseError, Statement
from xswarm_deploy.database.file import FileDatabase, translated
from xswarm_deploy.database.literals import literal
from xswarm_deploy.database.manifest import Content, Manifest
from xswarm_deploy.database.rows import Value
from xswarm_deploy.database.schema import quoted, vector_shadows
from xswarm_deploy.errors import DeployError

_SEQUENCES = "sqlite_sequence"
_PATIENCE = 60.0  # seconds to wait for other writers


@dataclass(frozen=True)
class Replaced:
    """What a database holds after a restore.

    Args:
        rows: how many were restored.
        told: what a person should know of it: that others wrote before all was read back; mostly
            nothing.
    """

    rows: int
    told: tuple[str, ...] = ()


def whole(
    database: Database,
    source: Path,
    work: Path,
    *,
    proven: Manifest | None = None,
    along: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Replaced:
    """Replace all a database holds by what a file holds, and read it back.

    A server's users go on writing. Where it reads back as something else, its tables were filled
    in one transaction that counted their rows, and what they were filled from still waits on the
    stage, where nobody else writes: that is read and compared in their place.

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
    held = proven.content if proven else manifest.of_file(source)
    expected = _without(_left(database, own.RELEASES), held)
    if not database.limits.user_version:
        expected = replace(expected, user_version=0)
    if not isinstance(database, FileDatabase):
        beside = proven.beside if proven else ()
        return _into_server(database, source, work, expected, [*beside, *along], progress)
    _into_file(database, source, proven.journal_mode if proven else "delete", along, progress)
    if not (proven and _same_pages(source, database.path)):
        _require_equal(expected, _read_back(database, work, expected.rows, progress))
    return Replaced(expected.rows)


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
        with translated():
            _carry_kept(live, restored)
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
    database: Database,
    source: Path,
    work: Path,
    expected: Content,
    beside: Sequence[str],
    progress: Progress,
) -> Replaced:
    """Stage all rows; then, in one short transaction, let them take the place of what is there."""
    with closing(digest.open_readonly(source)) as connection:
        left = {_SEQUENCES, *_kept(connection, _left(database, own.RELEASES))}
        present = tables.read(connection)
        filled = [t for t in present if t.name not in left and t.kind != "virtual"]
        staging.require_rows_fit(connection, filled, database.limits)
        total = sum(staging.count_of(connection, table) for table in filled)
        with staging.stage(database, total, progress) as stage:
            for table in filled:
                stage.fill(connection, table)
            swap = replacing(database, connection, beside, filling=stage.moving)
            _swap(database, [Statement(sql) for sql in swap])
            prove = partial(stage.require_sent, source, work, filled)
            told = _read_back_beside_others(database, work, expected, progress, prove)
    if stage.left:
        waiting = f"the rows that waited are still there, until the next restore: {stage.left}"
        told = (*told, waiting)
    return Replaced(expected.rows, told)


def _swap(database: Database, statements: Sequence[Statement]) -> None:
    try:
        database.transaction(statements, foreign_keys=False)
    except DatabaseError as error:
        if told := counting.told(error):
            raise DeployError("The database was not replaced", told) from None
        raise


def _read_back_beside_others(
    database: Database,
    work: Path,
    expected: Content,
    progress: Progress,
    prove: Callable[[], None],
) -> tuple[str, ...]:
    """Return that tables read back with other rows than were restored; what was sent is proven.

    It is not taken back because it cannot be read, now or while others write (D1): with it all
    would go that users have written since.

    Raises:
        DeployError: a table is missing, what nobody's writing explains is another, or what was sent
            arrived as something else.
    """
    try:
        found = _read_back(database, work, expected.rows, progress)
    except DeployError as error:
        prove()
        return (f"only what was sent was compared, not the tables: {error.what} ({error.why})",)
    if found.user_version != expected.user_version or expected.tables.keys() - found.tables.keys():
        _require_equal(expected, found)
    if found.tables != expected.tables:
        prove()
    written = "; ".join(_differences(expected, found))
    return (f"others have written since: {written}",) if written else ()


def replacing(
    database: Database,
    connection: sqlite3.Connection,
    beside: Sequence[str] = (),
    stays: own.Tables = own.RELEASES,
    filling: dump.Filling | None = None,
) -> Iterator[str]:
    """Return the SQL that replaces all a database holds by what a file holds.

    Args:
        database: either home.
        connection: the file, open.
        beside: SQL that plain SQLite cannot run.
        stays: which tables are left as they are.
        filling: what fills a table; by default INSERTs with the values themselves.
    """
    stays, left_out = _left(database, stays), foreign_keys.left_out(connection)
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
        [guard(allowed, left_out)],
    )


def _left(database: Database, stays: own.Tables) -> own.Tables:
    """Return what is neither dropped nor made: the server's own, too, which a file of D1's has."""
    return stays | own.Tables(frozenset(), database.limits.reserved)


def _kept(connection: sqlite3.Connection, stays: own.Tables) -> set[str]:
    return {table.name for table in tables.read(connection) if table.name in stays}


def guard(allowed: int, left_out: Sequence[str], than: str = "in the backup") -> str:
    """Return the SQL that fails where more foreign keys point nowhere than may."""
    why = literal(f"more foreign keys would point nowhere than {than}")
    return counting.failing(f"{violations(left_out)} > {allowed}", why)


def violations(left_out: Sequence[str]) -> str:
    """Return the SQL that counts the foreign keys that point nowhere."""
    return f"(SELECT count(*) FROM {foreign_keys.broken(left_out)})"  # noqa: S608


def counters(connection: sqlite3.Connection, stays: own.Tables) -> list[tuple[Value, Value]]:
    """Return how far each table has counted that counts (AUTOINCREMENT), the kept ones left out.

    Anybody may write into that table of SQLite's, and anything: NULL for a name, too.
    """
    if not _counts(connection):
        return []
    rows = connection.execute(f"SELECT name, seq FROM {_SEQUENCES} ORDER BY name")  # noqa: S608
    return [(name, seq) for name, seq in rows if str(name) not in stays]


def _counters(connection: sqlite3.Connection, stays: own.Tables) -> Iterator[str]:
    """Return the SQL that sets the counters, which filling a table sets: an empty one's, too."""
    if not _counts(connection):
        return
    kept = ", ".join(map(literal, sorted(stays.names)))
    yield f"DELETE FROM {_SEQUENCES} WHERE ifnull(name, '') NOT IN ({kept})"  # noqa: S608
    for name, seq in counters(connection, stays):
        yield f"INSERT INTO {_SEQUENCES} VALUES ({literal(name)}, {literal(seq)})"  # noqa: S608


def _counts(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (_SEQUENCES,))
    return found.fetchone() is not None


def _drops(database: Database, stays: own.Tables) -> list[str]:
    """Return what empties a database, the kept tables left; indexes and triggers go along."""
    found, schema_rows = database.snapshot(
        [
            tables.SELECT,
            Statement("SELECT type, name, sql FROM sqlite_schema WHERE type IN ('view', 'index')"),
        ]
    )
    views = [row.text("name") for row in schema_rows.rows if row["type"] == "view"]
    indexes = {r.text("name"): str(r["sql"]) for r in schema_rows.rows if r["type"] == "index"}
    names = [row.text("name") for row in found.rows]
    of_vectors = vector_shadows(names, indexes)
    kinds = {"virtual": 0, "table": 1}
    dropped = sorted(
        (
            row
            for row in found.rows
            if row["type"] in kinds
            and row.text("name") not in stays
            and not row.text("name").startswith("sqlite_")
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
        if table.name in own.RELEASES:
            restored.execute(f"DROP TABLE {quoted(table.name)}")
    names = [table.name for table in tables.read(live)]
    others = {name for name in names if name not in own.RELEASES}
    version = "PRAGMA user_version"
    for sql in dump.statements(live, without=others) if len(others) < len(names) else ():
        if not sql.startswith((version, "CREATE VIEW")):
            restored.execute(sql)
    restored.execute("COMMIT")


def _read_back(database: Database, work: Path, total: int, progress: Progress) -> Content:
    copy = work / "read-back.db"
    copy.unlink(missing_ok=True)
    snapshot.take(database, copy, progress)
    return _without(own.RELEASES, manifest.of_file(copy, progress, total))


def _without(stays: own.Tables, content: Content) -> Content:
    held = {name: rows for name, rows in content.tables.items() if name not in stays}
    return replace(content, tables=held, schema="")


def _require_equal(expected: Content, found: Content) -> None:
    if lines := _differences(expected, found):
        raise DeployError(
            "The restored database reads back as something else",
            "; ".join(lines),
            "restore again while nothing writes to it",
        )


def _differences(expected: Content, found: Content) -> list[str]:
    """Return where what was read back differs; the live Worker goes on measuring meanwhile."""
    measured = own.MONITORING
    return manifest.differences(_without(measured, expected), _without(measured, found))


def _page_size(connection: sqlite3.Connection) -> int:
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(size)
