"""A database as SQL that SQLite and libSQL's server read back exactly."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import count
from typing import Any

from xswarm_deploy.database import digest, tables
from xswarm_deploy.database.schema import quoted
from xswarm_deploy.database.statements import first_words
from xswarm_deploy.database.tables import Table

_MOST_ROWS = 500
_LONGEST = 250_000  # characters of one INSERT, unless a single row is longer
_LONG = 1_000_000  # bytes; libSQL's server reads a literal of more than 5 MB as NULL
_SAFE_DIGITS = 15  # so many are a whole number below 2⁵³
_GREATEST_POWER = 62  # of two, that is an integer of SQLite's


Filling = Callable[[sqlite3.Connection, Table], Iterator[str]]
"""Return the SQL that brings a table's rows."""


def statements(
    connection: sqlite3.Connection,
    *,
    without: Collection[str] = (),
    filling: Filling | None = None,
) -> Iterator[str]:
    """Return the statements that make a database and fill it, without transaction.

    Args:
        connection: the database.
        without: names of tables to leave out.
        filling: what fills a table; by default INSERTs with the values themselves.
    """
    fill = filling or inserts
    present = [table for table in tables.read(connection) if table.name not in without]
    for table in present:
        if not table.made_along:
            yield table.sql
    for table in present:
        if table.made_along:
            yield f"DELETE FROM {quoted(table.name)}"  # noqa: S608
        if table.kind != "virtual":
            yield from fill(connection, table)
    virtual = {table.name for table in present if table.kind == "virtual"}
    yield from _others(connection, {*without, *virtual})
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    yield f"PRAGMA user_version = {version}"


def inserts(connection: sqlite3.Connection, table: Table) -> Iterator[str]:
    """Return the statements that fill a table, many rows each."""
    head = f"INSERT INTO {quoted(table.name)} ({table.list}) VALUES\n"
    return (sql for sql, _ in batches(connection, table, head))


def batches(connection: sqlite3.Connection, table: Table, head: str) -> Iterator[tuple[str, int]]:
    """Return statements that insert a table's rows, and how many rows are in each.

    Args:
        connection: the database.
        table: one of its tables.
        head: what comes before the values.
    """
    rows: list[str] = []
    length = 0
    for chunk in digest.chunks(connection, table.in_order):
        for row in chunk:
            text = f"({', '.join(map(literal, row))})"
            if rows and (len(rows) == _MOST_ROWS or length + len(text) > _LONGEST):
                yield head + ",\n".join(rows), len(rows)
                rows, length = [], 0
            rows.append(text)
            length += len(text)
    if rows:
        yield head + ",\n".join(rows), len(rows)


def literal(value: Any) -> str:
    """Write a value as SQL that every version of SQLite reads as that very value."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value) if value > -(2**63) else "(-9223372036854775807 - 1)"
    if isinstance(value, float):
        return _real(value)
    if isinstance(value, bytes):
        return _blob(value)
    return _text(value)


def _blob(value: bytes) -> str:
    """Write bytes so that a server that cannot hold them says so, and does not store NULL."""
    text = f"X'{value.hex()}'"
    if len(value) < _LONG:
        return text
    return f"CASE WHEN length(zeroblob({len(value)})) THEN {text} END"


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # text that is no UTF-8, kept by surrogate escapes
        return f"CAST({_blob(text.encode('utf-8', 'surrogateescape'))} AS TEXT)"
    quoted_text = "'" + text.replace("'", "''") + "'"
    if "\0" not in text and "\r" not in text:
        return quoted_text
    # A NUL ends what SQLite reads, and sqlite3 reads a line end of Windows as another.
    for letter in ("\0", "\r"):
        if letter in text:
            stand_in = _stand_in(text)
            text += stand_in
            written = quoted_text.replace(letter, stand_in)
            quoted_text = f"replace({written}, '{stand_in}', char({ord(letter)}))"
    return quoted_text


def _stand_in(text: str) -> str:
    """Return letters that a text does not hold."""
    return next(found for number in count() if (found := f"\\{number};") not in text)


def _real(number: float) -> str:
    """Write a real number: as a fraction of powers of ten where that is exact, else of two.

    SQLite's reading of decimals differs by version and processor in the last place, even of
    9384.821911; a whole number below 2⁵³ it always reads exactly, and what it computes of two
    such numbers is rounded as IEEE 754 says.
    """
    if math.isinf(number):
        return "9e999" if number > 0 else "-9e999"
    short = repr(number)
    whole, _, decimals = short.partition(".")
    if "e" not in short and sum(map(str.isdigit, short)) <= _SAFE_DIGITS:
        return short if decimals == "0" else f"{whole}{decimals}.0/1{'0' * len(decimals)}.0"
    fraction, exponent = math.frexp(number)
    parts = [f"{int(fraction * 2**53)}.0"]
    power = exponent - 53
    sign = "*" if power > 0 else "/"
    for _ in range(abs(power) // _GREATEST_POWER):
        parts.append(str(2**_GREATEST_POWER))
    if abs(power) % _GREATEST_POWER:
        parts.append(str(2 ** (abs(power) % _GREATEST_POWER)))
    return sign.join(parts)


def _others(connection: sqlite3.Connection, without: Collection[str]) -> Iterator[str]:
    """Return what makes indexes, views and triggers; after the rows, so that none fires.

    In the order they were made: what a trigger stands on came before it.
    """
    found: Sequence[tuple[str, str]] = connection.execute(
        "SELECT tbl_name, sql FROM sqlite_schema WHERE type IN ('index', 'view', 'trigger')"
        " AND sql IS NOT NULL AND tbl_name NOT IN"
        " (SELECT name FROM pragma_table_list WHERE type = 'shadow')"
        " ORDER BY rowid"
    ).fetchall()
    return (sql for table, sql in found if table not in without or _is_view(sql))


def _is_view(sql: str) -> bool:
    return first_words(sql, 2) == ("CREATE", "VIEW")
