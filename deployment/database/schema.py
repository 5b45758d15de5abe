"""What a database is made of: read, compared, and shown as a difference."""

from __future__ import annotations

import difflib
import re
import sqlite3
from collections.abc import Mapping, Sequence
from functools import cache

from deployment.database.client import Database, Row, Statement
from deployment.database.migrations import Migration
from deployment.errors import Refused

Objects = Mapping[tuple[str, str], str]
"""(type, name) → the SQL that makes it."""

HOUSE = ("_migration", "_release", "monitoring_")
"""How the names begin of the tables that this house keeps for itself."""

SELECT = Statement(
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name NOT IN"
    " (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY type, name"
)


@cache
def _token() -> re.Pattern[str]:
    """Give the pattern of one token; compiled when schemas are compared."""
    return re.compile(
        r"""
        (?P<skip>[ \t-\r]+|--[^\n]*|/\*(?s:.*?)(?:\*/|\Z))
        | (?P<text>'(?:[^']|'')*(?:'|\Z))
        | "(?P<double>(?:[^"]|"")*)(?:"|\Z) | `(?P<back>(?:[^`]|``)*)(?:`|\Z)
        | \[(?P<square>[^\]]*)(?:\]|\Z)
        | (?P<word>[A-Za-z0-9_$\x80-\U0010ffff]+)
        | (?P<sign>.)
        """,
        re.VERBOSE,
    )


def quoted(name: str) -> str:
    """Write a name so that SQL reads it as one, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def read(database: Database) -> Objects:
    """Give the tables, indexes, views and triggers, the house's own left out."""
    return objects(database.query(SELECT.sql))


def objects(found: Sequence[Row]) -> Objects:
    """Read the rows that :data:`SELECT` gives."""
    texts = [map(str, row.values_in_order) for row in found]
    return {(kind, name): sql for kind, name, table, sql in texts if not table.startswith(HOUSE)}


def of_migrations(migrations: Sequence[Migration]) -> Objects:
    """Give what migrations make of an empty database.

    Raises:
        Refused: SQLite does not take one of them.
    """
    scratch = sqlite3.connect(":memory:", isolation_level=None)
    try:
        scratch.execute("PRAGMA recursive_triggers = ON")
        for migration in migrations:
            for fragment in migration.up:
                _try(scratch, migration, fragment.sql, fragment.line)
        columns = ("type", "name", "tbl_name", "sql")
        return objects([Row(columns, row) for row in scratch.execute(SELECT.sql)])
    finally:
        scratch.close()


def difference(expected: Objects, found: Objects) -> list[str]:
    """Say what differs, as lines of a diff; empty: nothing that matters.

    Spaces, comments, quotes around names and the case of words do not matter.
    """
    lines: list[str] = []
    for key in sorted({*expected, *found}):
        wanted, had = expected.get(key, ""), found.get(key, "")
        if tokens(wanted) != tokens(had):
            label = " ".join(key)
            lines += difflib.unified_diff(
                wanted.splitlines(),
                had.splitlines(),
                f"{label} (files)",
                f"{label} (database)",
                lineterm="",
            )
    return lines


def tokens(sql: str) -> list[str]:
    """Give the words and signs of a statement, as far as they matter."""
    found = []
    for token in _token().finditer(sql):
        kind = token.lastgroup
        if kind == "skip" or kind is None:
            continue
        found.append(token[kind] if kind in ("text", "sign") else token[kind].lower())
    return found


def rows_by_table(database: Database) -> dict[str, int]:
    """Count the rows of every table, the house's own left out."""
    tables = [name for kind, name in read(database) if kind == "table"]
    if not tables:
        return {}
    counts = database.snapshot(
        [Statement(f"SELECT count(*) FROM {quoted(table)}") for table in tables]  # noqa: S608
    )
    return {table: count.rows[0].integer(0) for table, count in zip(tables, counts, strict=True)}


def _try(scratch: sqlite3.Connection, migration: Migration, sql: str, line: int) -> None:
    try:
        scratch.execute(sql)
    except sqlite3.Error as error:
        raise Refused(
            f"{migration.filename}:{line} cannot be run on an empty database", str(error)
        ) from None
