"""A database as SQL that SQLite and libSQL's server read back exactly."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence

from xswarm_deploy.database import digest, tables
from xswarm_deploy.database.literals import literal
from xswarm_deploy.database.schema import quoted
from xswarm_deploy.database.statements import first_words
from xswarm_deploy.database.tables import Table

_MOST_ROWS = 500
_LONGEST = 250_000  # characters of one INSERT, unless a single row is longer


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


def batches(
    connection: sqlite3.Connection, table: Table, head: str, longest: int = _LONGEST
) -> Iterator[tuple[str, int]]:
    """Return statements that insert a table's rows, and how many rows are in each.

    Args:
        connection: the database.
        table: one of its tables.
        head: what comes before the values.
        longest: characters of one statement's values, unless a single row is longer.
    """
    rows: list[str] = []
    length = 0
    for chunk in digest.chunks(connection, table.in_order):
        for row in chunk:
            text = f"({', '.join(map(literal, row))})"
            if rows and (len(rows) == _MOST_ROWS or length + len(text) > longest):
                yield head + ",\n".join(rows), len(rows)
                rows, length = [], 0
            rows.append(text)
            length += len(text)
    if rows:
        yield head + ",\n".join(rows), len(rows)


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
