"""Rows on their way into a database: many short requests first, then the one that counts.

What the database holds stays as it is meanwhile, for whoever reads and writes it. So a
restore needs no request as large as the database, and holds the write lock only while the
database itself moves the rows. What a killed restore left is swept by the next one, and by
whoever undoes its release; no backup of a server holds it.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from xswarm_deploy.console import Progress, no_progress
from xswarm_deploy.database import counting, digest, dump, own, snapshot
from xswarm_deploy.database.client import Database, DatabaseError, Statement, Value
from xswarm_deploy.database.contents import same_values
from xswarm_deploy.database.limits import Limits
from xswarm_deploy.database.literals import is_utf8, literal
from xswarm_deploy.database.schema import quoted
from xswarm_deploy.database.tables import Table
from xswarm_deploy.errors import DeployError, Refused

_LARGEST: Final = 2_000_000  # characters of one request, unless a single row is longer
_HEAD: Final = 200  # bytes of a statement beside its rows
_PIECE: Final = 900_000
"""Bytes that are sent at once: D1 takes them as hexadecimal digits, and a text of 2 MB at most."""


class Stage:
    """Tables without types or keys, in which rows wait as they are.

    Args:
        database: either home.
        total: how many rows will come.
        progress: told how many have come.
    """

    left = ""
    """Why it could not be removed at the end; empty: it was."""

    def __init__(self, database: Database, total: int, progress: Progress) -> None:
        self._database, self._total, self._progress = database, total, progress
        self._done = 0
        self._token = secrets.token_hex(4)
        self._names: dict[str, str] = {}

    def fill(self, source: sqlite3.Connection, table: Table) -> None:
        """Bring a table's rows, in as many requests as they need."""
        name = self._names[table.name] = f"{own.STAGED}{self._token}_{len(self._names)}"
        waiting = [Statement(f"CREATE TABLE {name} ({_columns(table)})")]
        length = rows = 0
        for statement, count in self._inserts(source, table, name):
            size = len(statement.sql) + sum(map(_size, statement.parameters))
            if length + size > _LARGEST:
                self._send(table, waiting, rows)
                waiting, length, rows = [], 0, 0
            waiting.append(statement)
            length += size
            rows += count
        self._send(table, waiting, rows)

    def moving(self, source: sqlite3.Connection, table: Table) -> Iterator[str]:
        """Return the SQL that writes a table's rows where they belong, and fails where one lacks.

        Its stage stays: it tells what was sent, whatever others write into the table.
        """
        yield self.moved(table)
        yield self.held(table, count_of(source, table))

    def moved(self, table: Table) -> str:
        """Return the SQL that writes a table's rows where they belong."""
        return f"INSERT INTO {quoted(table.name)} ({table.list}) {self._reading(table)}"

    def compared(self, table: Table) -> str:
        """Return the SQL that fails where a table holds a value otherwise than it was sent."""
        sent = [f"c{place}" for place in range(len(table.copied))]
        held = map(quoted, table.copied)
        sides = [
            f"SELECT {same_values(columns)} FROM {name}"  # noqa: S608
            for columns, name in (
                (sent, self._names[table.name]),
                (list(held), quoted(table.name)),
            )
        ]
        told = "'its columns are of another kind: it would hold values otherwise'"
        return counting.failing(f"EXISTS ({sides[0]} EXCEPT {sides[1]})", told)

    def held(self, table: Table, count: int) -> str:
        """Return the SQL that fails where a constraint of today has left rows out."""
        now = f"(SELECT count(*) FROM {quoted(table.name)})"  # noqa: S608
        who = literal(f"{table.name} would hold ")
        told = f"{who} || {now} || ' of the {count} rows in the backup'"
        return counting.failing(f"{now} <> {count}", told)

    def require_sent(self, source: Path, work: Path, tables: Sequence[Table]) -> None:
        """Compare what waits on the stage with what was to be sent, value by value.

        Args:
            source: the file that the rows came from.
            work: a folder for what is read.
            tables: those that were filled.

        Raises:
            DeployError: a table arrived as something else.
        """
        copy = work / "staged.db"
        copy.unlink(missing_ok=True)
        snapshot.staged(self._database, copy)
        wanted = digest.of_file(source, {each.name: each.in_order for each in tables}, _silent)
        found = digest.of_file(copy, {each.name: self._reading(each) for each in tables}, _silent)
        others = [name for name, rows in wanted.items() if found[name] != rows]
        if others:
            raise DeployError("The rows arrived as something else", ", ".join(others))

    def _reading(self, table: Table) -> str:
        return f"SELECT {_columns(table)} FROM {self._names[table.name]} ORDER BY rowid"  # noqa: S608

    def dropped(self, table: Table) -> str:
        """Return the SQL that ends the stage of a table."""
        return f"DROP TABLE {self._names[table.name]}"

    def _inserts(
        self, source: sqlite3.Connection, table: Table, name: str
    ) -> Iterator[tuple[Statement, int]]:
        """Return what sends a table's rows; a row too long for a statement as parameters."""
        head, most = f"INSERT INTO {name} VALUES\n", self._database.limits.statement
        if most is None:
            for sql, count in dump.batches(source, table, head):
                yield Statement(sql), count
            return
        waiting: list[str] = []
        length = 0
        for chunk in digest.chunks(source, table.in_order):
            for row in chunk:
                text = f"({', '.join(map(literal, row))})"
                size = _size(text) + len(",\n")
                if waiting and length + size > most - _HEAD:
                    yield Statement(head + ",\n".join(waiting)), len(waiting)
                    waiting, length = [], 0
                if size > most - _HEAD:
                    for number, statement in enumerate(_row(name, row)):
                        yield statement, int(not number)
                else:
                    waiting.append(text)
                    length += size
        if waiting:
            yield Statement(head + ",\n".join(waiting)), len(waiting)

    def _send(self, table: Table, statements: list[Statement], rows: int) -> None:
        try:
            self._database.transaction(statements)
        except DatabaseError as error:
            if error.kind != "too large":
                raise
            raise Refused(
                f"A row of the table {table.name} is larger than the database takes", error.why
            ) from None
        self._done += rows
        self._progress("send", self._done, self._total, "rows")


@contextmanager
def stage(database: Database, total: int, progress: Progress = no_progress) -> Iterator[Stage]:
    """Return a stage, of which nothing is left at the end, whatever fails.

    Args:
        database: either home.
        total: how many rows will come.
        progress: told how many have come.
    """
    sweep(database)
    made = Stage(database, total, progress)
    try:
        yield made
    finally:
        try:
            sweep(database)
        except DatabaseError as error:  # what was done, or failed, says more; the next one sweeps
            made.left = error.why


def sweep(database: Database) -> None:
    """Remove what a restore that was killed left on its stage."""
    pattern = own.STAGED.replace("_", "\\_") + "%"
    found = database.query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE ? ESCAPE '\\'",
        (pattern,),
    )
    drops = [Statement(f"DROP TABLE IF EXISTS {quoted(row.text(0))}") for row in found]
    if drops:
        database.transaction(drops)


def count_of(connection: sqlite3.Connection, table: Table) -> int:
    """Return how many rows a table has."""
    (count,) = connection.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()  # noqa: S608
    return int(count)


def _silent(_done: int) -> None:
    """Show no progress: it is what was read before, once more."""


def _size(value: Value) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogateescape"))
    return len(value) if isinstance(value, bytes) else 8


def _row(name: str, row: Sequence[Value]) -> Iterator[Statement]:
    """Return what adds one row by parameters: the beginnings of long bytes, then their pieces."""
    values = [_sent(value) for value in row]
    places = ", ".join(f"CAST(? AS {kind})" if kind else "?" for kind, _ in values)
    first = [pieces[0] for _, pieces in values]
    yield Statement(f"INSERT INTO {name} VALUES\n({places})", first)
    for column, (kind, pieces) in enumerate(values):
        for piece in pieces[1:]:
            yield Statement(
                f"UPDATE {name} SET c{column} = CAST(c{column} || ? AS {kind})"  # noqa: S608
                f" WHERE rowid = (SELECT max(rowid) FROM {name})",
                [piece],
            )


def _sent(value: Value) -> tuple[str, Sequence[Value]]:
    """Return a value in the pieces that are sent, and what bytes are made again of them."""
    if isinstance(value, str) and not is_utf8(value):
        return "TEXT", _pieces(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, bytes):
        return "BLOB", _pieces(value)
    return "", [value]


def _pieces(value: bytes) -> Sequence[bytes]:
    return [value[at : at + _PIECE] for at in range(0, len(value), _PIECE)] or [value]


def _columns(table: Table) -> str:
    return ", ".join(f"c{place}" for place in range(len(table.copied)))


def require_rows_fit(source: sqlite3.Connection, tables: Sequence[Table], limits: Limits) -> None:
    """Look at rows before the first of them is sent.

    Args:
        source: the file that holds them.
        tables: those that are sent.
        limits: of the home they go to.

    Raises:
        Refused: a table has rows that are longer than the home takes.
    """
    if limits.row is None:
        return
    found = {table.name: _longer_rows(source, table, limits.row) for table in tables}
    told = [
        f"{name} has {count:,}, the longest of {longest:,} bytes"
        for name, (count, longest) in found.items()
        if count
    ]
    if told:
        raise Refused(
            f"{limits.home} takes rows of at most {limits.row:,} bytes",
            "; ".join(told),
            "keep what is larger in R2 and its key in the row, or choose another home",
        )


def _longer_rows(source: sqlite3.Connection, table: Table, most: int) -> tuple[int, int]:
    """Return how many rows of a table are longer, and the length of the longest in bytes."""
    sizes = " + ".join(f"ifnull(length(CAST({quoted(name)} AS BLOB)), 0)" for name in table.copied)
    count, longest = source.execute(
        f"SELECT count(*), ifnull(max(size), 0) FROM (SELECT {sizes} AS size"  # noqa: S608
        f" FROM {quoted(table.name)}) WHERE size > ?",
        [most],
    ).fetchone()
    return int(count), int(longest)
