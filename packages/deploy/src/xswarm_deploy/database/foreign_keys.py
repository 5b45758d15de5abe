"""Rows whose foreign key points nowhere, asked of every table that SQLite can ask.

Where the columns that a key names are not unique, SQLite reports a "foreign key mismatch", and no
answer for any table; such a table is left out, and the others are asked one after the other.

Source: https://www.sqlite.org/foreignkeys.html#fk_indexes (which keys are in error).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Final

from xswarm_deploy.database.literals import literal
from xswarm_deploy.database.rows import Row

MISMATCH: Final = "foreign key mismatch"


def broken(left_out: Sequence[str] = ()) -> str:
    """Return what a query reads from, to have a row for each key that points nowhere.

    Args:
        left_out: tables that SQLite cannot ask.
    """
    if not left_out:
        return "pragma_foreign_key_check"
    names = ", ".join(map(literal, left_out))
    return (
        "(SELECT found.* FROM sqlite_schema AS child CROSS JOIN"  # noqa: S608
        " pragma_foreign_key_check(child.name) AS found"
        f" WHERE child.type = 'table' AND child.name NOT IN ({names}))"
    )


def left_out(connection: sqlite3.Connection) -> list[str]:
    """Return the tables that SQLite cannot ask; none, as nearly always, in one look."""
    try:
        count(connection)
    except sqlite3.OperationalError as error:
        if MISMATCH not in str(error):
            raise
        return mismatched(connection)
    return []


def mismatched(connection: sqlite3.Connection) -> list[str]:
    """Return the tables with a key to columns that are not unique."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return [name for (name,) in names if not _can_be_asked(connection, name)]


def of_schema(rows: Sequence[Row]) -> list[str]:
    """Return the tables with such a key of a database elsewhere.

    Args:
        rows: of its schema: type, name, tbl_name and sql.
    """
    with closing(sqlite3.connect(":memory:")) as copy:
        for row in sorted(rows, key=lambda row: row["type"] != "table"):
            with suppress(sqlite3.Error):  # what SQLite here cannot make names no key
                copy.execute(row.text("sql"))
        return mismatched(copy)


def count(connection: sqlite3.Connection, left_out: Sequence[str] = ()) -> int:
    """Return how many keys point nowhere."""
    (found,) = connection.execute(f"SELECT count(*) FROM {broken(left_out)}").fetchone()  # noqa: S608
    return int(found)


def _can_be_asked(connection: sqlite3.Connection, table: str) -> bool:
    try:
        connection.execute("SELECT 1 FROM pragma_foreign_key_check(?) LIMIT 1", (table,)).fetchone()
    except sqlite3.OperationalError as error:
        if MISMATCH not in str(error):
            raise
        return False
    return True
