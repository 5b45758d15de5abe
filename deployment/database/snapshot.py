"""A database as of one moment, as a SQLite file.

From a file it is SQLite's own copy of pages. From libSQL's server it is one cursor
in one read transaction: the server joins up to 500 rows at a time into a JSON text,
in which, unlike in its own ``/dump``, every value survives. It makes no text of more
than 5 MB; where rows are too large for that, each comes by itself, value by value.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployment.cli.console import Progress, no_progress
from deployment.database import hrana, staging, tables
from deployment.database.client import Database, DatabaseError, Row, Statement
from deployment.database.file import FileDatabase, translated
from deployment.database.schema import quoted
from deployment.database.tables import Table
from deployment.database.turso import TursoDatabase
from deployment.errors import Refused

_MOST_ROWS = 500
_LARGEST = 4_000_000  # bytes that one JSON text may come to
_SWELLING = 6  # times that a text grows in JSON at most: by \\u0001 for a byte
_TRIES = 3
_PAGES = 2000  # copied at a time, between which progress is told
_PATIENCE = 60.0  # seconds to wait for writers, who come first while no one reads
_BEFORE_ROWS = 3  # BEGIN, the schema, user_version
_SCHEMA = "SELECT type, name, sql, tbl_name FROM sqlite_schema ORDER BY rowid"


@dataclass(frozen=True)
class Taken:
    """What a snapshot says besides the file.

    Args:
        beside: SQL that plain SQLite cannot run, such as libSQL's vector indexes.
        journal_mode: of the file it was taken from.
    """

    beside: Sequence[str] = ()
    journal_mode: str = "delete"


class _Changed(Exception):
    """The schema changed between looking at it and reading the rows."""


class _Text(bytes):
    """Text that is no UTF-8."""


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
    if isinstance(database, TursoDatabase):
        return _of_server(database, target, progress)
    raise TypeError(f"no snapshot of a {type(database).__name__}")


def _of_file(path: Path, target: Path, progress: Progress) -> Taken:
    with (
        translated(),
        closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as source,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        copy.execute("PRAGMA journal_mode = OFF")  # what is cut off is thrown away
        copy.execute("PRAGMA synchronous = OFF")
        (mode,) = source.execute("PRAGMA journal_mode").fetchone()
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_schema").fetchone()  # from here on: one moment
        copy_pages(source, copy, "copy", progress)
        copy.execute("PRAGMA journal_mode = DELETE")
    return Taken(journal_mode=mode)


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


def _of_server(database: TursoDatabase, target: Path, progress: Progress) -> Taken:
    plain = True
    for _ in range(_TRIES):
        target.write_bytes(b"")
        try:
            return _copy(database, target, progress, plain=plain)
        except _Changed:
            continue
        except DatabaseError as error:
            if error.kind not in ("value", "unavailable", "too large") or not plain:
                raise
            # A text that is no UTF-8 breaks the server's answer off: read texts as hexadecimal.
            # A row larger than any that was measured may have come meanwhile: measure again.
            plain = False
    raise Refused("The schema changes while the backup is taken", "", "run it again later")


def _copy(database: TursoDatabase, target: Path, progress: Progress, *, plain: bool) -> Taken:
    schema, present, total = _look(database)
    statements = ["BEGIN", _SCHEMA, "PRAGMA user_version"]
    statements += [_reading(table, size, plain=plain) for table, _, size in present]
    with (
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
        database.cursor([*statements, "COMMIT"]) as entries,
    ):
        loading = _Loading(copy, schema, [table for table, _, _ in present], progress, total)
        loading.prepare()
        loading.read(entries, len(statements))
        return Taken(beside=loading.finish())


def _look(database: TursoDatabase) -> tuple[list[Row], list[tuple[Table, int, int]], int]:
    """Read the schema, and of every table how many rows it has and how large they get."""
    schema, found, columns = database.snapshot(
        [Statement(_SCHEMA), tables.SELECT, tables.SELECT_COLUMNS]
    )
    indexes = [row.text("name") for row in schema.rows if row["type"] == "index"]
    every = tables.tables(found.rows, columns.rows)
    of_vectors = tables.vector_shadows([table.name for table in every], indexes)
    held = [
        table
        for table in every
        if table.name not in of_vectors and not table.name.startswith(staging.PREFIX)
    ]
    sizes = database.snapshot(
        [Statement(_measuring(table)) for table in held if table.kind != "virtual"]
    )
    measured = iter(sizes)
    present = []
    for table in held:
        if table.kind == "virtual":
            present.append((table, 0, 0))
        else:
            row = next(measured).rows[0]
            present.append((table, row.integer(0), int(row[1] or 0)))
    return schema.rows, present, sum(rows for _, rows, _ in present)


def _measuring(table: Table) -> str:
    sizes = [f"ifnull(length(CAST({quoted(c)} AS BLOB)), 4)" for c in table.columns]
    size = " + ".join(f"({' + '.join(part)})" for part in _parts(sizes))
    return f"SELECT count(*), max({size}) FROM {quoted(table.name)}"  # noqa: S608


def _reading(table: Table, largest: int, *, plain: bool) -> str:
    """Give the SQL that reads a table as JSON texts of many rows each.

    Where the rowid can be named, the server walks it, so that it neither sorts nor holds the
    table. Every name is told by its table: any column may be called like one of these.
    """
    if table.kind == "virtual":
        return "SELECT NULL WHERE 0"
    held, row = f"main.{quoted(table.name)} AS held", _row(table, plain=plain)
    rows = min(_MOST_ROWS, _LARGEST // max(1, largest * _SWELLING))
    if not rows:
        return f"SELECT {_cells(table)} FROM {held}"  # noqa: S608
    if not table.number:
        numbered = f"SELECT {row} AS r, (row_number() OVER () - 1) / {rows} AS g FROM {held}"  # noqa: S608
        return f"SELECT '[' || group_concat(r) || ']' FROM ({numbered}) GROUP BY g"  # noqa: S608
    number = f"held.{quoted(table.number)}"
    return (
        f"WITH RECURSIVE start (k) AS (SELECT min({number}) FROM {held} UNION ALL"  # noqa: S608
        f" SELECT (SELECT {number} FROM {held} WHERE {number} >= start.k"
        f" ORDER BY {number} LIMIT 1 OFFSET {rows}) FROM start WHERE start.k IS NOT NULL)"
        f" SELECT (SELECT '[' || group_concat(r) || ']' FROM (SELECT {row} AS r FROM {held}"
        f" WHERE {number} >= start.k ORDER BY {number} LIMIT {rows}))"
        " FROM start WHERE start.k IS NOT NULL"
    )


_VALUES_A_CALL = 60  # SQLite takes at most 127 arguments, and expressions 1,000 deep


def _row(table: Table, *, plain: bool) -> str:
    """Give the SQL that writes a row as a JSON array."""
    joined = _joined([_value(quoted(column), plain=plain) for column in table.copied])
    return f"'[' || {joined} || ']'"


def _joined(values: Sequence[str]) -> str:
    """Give the SQL that joins texts by commas."""
    return " || ',' || ".join(
        f"printf('{','.join(['%s'] * len(part))}', {', '.join(part)})" for part in _parts(values)
    )


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _VALUES_A_CALL):
        yield values[start : start + _VALUES_A_CALL]


def _cells(table: Table) -> str:
    """Give the columns that carry a row by itself: first its types, then each value."""
    columns = [quoted(column) for column in table.copied]
    cells = [
        f"CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB)"
        f" WHEN 'real' THEN {_real(column)} ELSE {column} END"
        for column in columns
    ]
    return ", ".join([_joined([f"typeof({column})" for column in columns]), *cells])


def _value(column: str, *, plain: bool) -> str:
    text = f"json_quote({column})" if plain else f"'{{\"t\":\"' || hex({column}) || '\"}}'"
    return (
        f"CASE typeof({column}) WHEN 'integer' THEN {column} WHEN 'null' THEN 'null'"
        f" WHEN 'text' THEN {text} WHEN 'blob' THEN '{{\"b\":\"' || hex({column}) || '\"}}'"
        f" ELSE {_real(column)} END"
    )


def _real(column: str) -> str:
    """Give the SQL that writes a real number as JSON.

    Not by quote(): it knows neither the sign of zero nor JSON's way to infinity, and of one
    number in 60,000 it gives a neighbour, which SQLite itself reads as the same.
    """
    return (
        f"CASE WHEN {column} = 0 THEN iif(atan2(0.0, {column}) > 1, '-0.0', '0.0')"
        f" WHEN abs({column}) > 1.7976931348623157e308 THEN iif({column} > 0, '1e999', '-1e999')"
        f" ELSE printf('%!.17g', {column}) END"
    )


class _Loading:
    """A snapshot on its way into a file.

    Args:
        copy: the file.
        schema: the rows of the server's schema.
        present: the tables, in the order their rows come.
        progress: told how many rows came.
        total: how many there were when last counted.
    """

    def __init__(
        self,
        copy: sqlite3.Connection,
        schema: Sequence[Row],
        present: Sequence[Table],
        progress: Progress,
        total: int,
    ) -> None:
        self._copy, self._schema, self._present = copy, schema, present
        self._progress, self._total, self._done = progress, total, 0

    def prepare(self) -> None:
        """Make the tables; all else comes after the rows."""
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "foreign_keys = OFF",
            "ignore_check_constraints = ON",
        ):
            self._copy.execute(f"PRAGMA {pragma}")
        self._copy.execute("BEGIN")
        for table in self._present:
            if not table.made_along:
                self._make(table)

    def read(self, entries: Iterator[hrana.Json], count: int) -> None:
        """Take the rows in.

        Args:
            entries: of the cursor.
            count: how many statements come before COMMIT.
        """
        step, schema = -1, []
        for entry in entries:
            kind = entry.get("type", "")
            if kind == "step_begin":
                step = int(entry["step"])
                self._empty(step)
            elif kind in ("step_error", "error"):
                raise hrana.failure(entry["error"])
            elif kind == "row" and step == 1:
                schema.append([hrana.decode(cell, "schema") for cell in entry["row"]])
            elif kind == "row" and step == 2:
                version = hrana.decode(entry["row"][0], "user_version")
                self._copy.execute(f"PRAGMA user_version = {version!r}")
            elif kind == "row":
                self._insert(self._present[step - _BEFORE_ROWS], entry["row"])
            if kind == "step_end" and step == 1:
                self._require_unchanged(schema)
        if step != count:
            raise DatabaseError("unavailable", "the snapshot broke off", remedy="run it again")

    def finish(self) -> list[str]:
        """Make indexes, views and triggers; give the SQL that only libSQL can run."""
        beside = []
        kinds = ("index", "view", "trigger")
        held = {table.name for table in self._present}
        rows = [
            row
            for row in self._schema
            if row["sql"] and row["type"] in kinds
            if row["type"] != "index" or row["tbl_name"] in held
        ]
        for row in sorted(rows, key=lambda row: kinds.index(row.text("type"))):
            if not self._try(row):
                beside.append(row.text("sql"))
        self._copy.execute("COMMIT")
        return beside

    def _empty(self, step: int) -> None:
        """Empty a table that was filled along with another one, before its own rows come."""
        place = step - _BEFORE_ROWS
        if 0 <= place < len(self._present) and self._present[place].made_along:
            self._copy.execute(f"DELETE FROM {quoted(self._present[place].name)}")  # noqa: S608

    def _make(self, table: Table) -> None:
        try:
            self._copy.execute(table.sql)
        except sqlite3.Error as error:
            raise Refused(
                f"SQLite {sqlite3.sqlite_version} here cannot hold the table {table.name}",
                str(error),
                "install a Python with a newer SQLite",
            ) from None

    def _try(self, row: Row) -> bool:
        shadows = {table.name for table in self._present if table.kind == "shadow"}
        try:
            self._copy.execute(row.text("sql"))
        except sqlite3.Error:
            # Made together with its virtual table, or known to libSQL only.
            made = self._copy.execute(
                "SELECT tbl_name FROM sqlite_schema WHERE name = ?", (row["name"],)
            ).fetchone()
            return made is not None and made[0] in shadows
        return True

    def _require_unchanged(self, schema: Sequence[Sequence[Any]]) -> None:
        if [tuple(row) for row in schema] != [row.values_in_order for row in self._schema]:
            raise _Changed

    def _insert(self, table: Table, cells: Sequence[hrana.Json]) -> None:
        if len(cells) > 1:
            rows = [_read_cells(cells, table.copied)]
            odd = any(isinstance(value, _Text) for value in rows[0])
        else:
            text = cells[0]["value"]
            rows = json.loads(text, object_hook=_bytes)
            odd = '{"t":' in text
        head = f"INSERT INTO {quoted(table.name)} ({table.list}) VALUES"
        if odd:
            for row in rows:
                places = ["CAST(? AS TEXT)" if isinstance(v, _Text) else "?" for v in row]
                self._copy.execute(f"{head} ({', '.join(places)})", row)
        else:
            places = ["?"] * len(table.copied)
            self._copy.executemany(f"{head} ({', '.join(places)})", rows)
        self._done += len(rows)
        self._progress("read rows", self._done, self._total, "rows")


def _read_cells(cells: Sequence[hrana.Json], columns: Sequence[str]) -> list[Any]:
    """Give the values of a row that came by itself."""
    kinds = str(cells[0]["value"]).split(",")
    values = map(hrana.decode, cells[1:], columns)
    return [_read_cell(kind, value) for kind, value in zip(kinds, values, strict=True)]


def _read_cell(kind: str, value: Any) -> Any:
    if kind == "real":
        return json.loads(value)
    if kind != "text":
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _Text(value)


def _bytes(found: dict[str, str]) -> bytes:
    """Give the blob, or the text as bytes, that a JSON object stands for."""
    return bytes.fromhex(found["b"]) if "b" in found else _Text(bytes.fromhex(found["t"]))
