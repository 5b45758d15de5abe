"""The ledgers of other tools: what they applied is not applied again, and they are told in turn.

Where ``wrangler d1 migrations`` or dbmate has a ledger, what is applied here is entered there, too,
in the same transaction: else they would apply it once more.

Sources: wrangler (``d1_migrations``: names), dbmate (``schema_migrations``: the numbers that names
begin with), drizzle (``__drizzle_migrations``: SHA-256 of each file), prisma
(``_prisma_migrations``: names of folders), goose (``goose_db_version``: the numbers that names
begin with, without zeros before them), sql-migrate (``gorp_migrations``: names).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from xswarm_deploy.database.client import Database, DatabaseError, Statement
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.schema import Objects

_LEDGERS: Final = (
    ("wrangler d1", "SELECT name FROM d1_migrations ORDER BY id"),
    ("drizzle", "SELECT hash FROM __drizzle_migrations ORDER BY id"),
    ("goose", "SELECT version_id FROM goose_db_version WHERE is_applied ORDER BY id"),
    ("sql-migrate", "SELECT id FROM gorp_migrations ORDER BY applied_at"),
    ("dbmate", "SELECT version FROM schema_migrations ORDER BY version"),
    (
        "prisma",
        "SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL"
        " ORDER BY started_at",
    ),
)
_READ: Final = re.compile(r"SELECT (?P<column>\w+) FROM (?P<table>\w+)")
_LEDGER_OF: Final = {
    found["table"]: found["column"] for _, sql in _LEDGERS if (found := _READ.match(sql))
}
"""Table → the column that tells what was applied."""
_WRANGLERS: Final = "d1_migrations"
_DBMATES: Final = "schema_migrations"
_DBMATES_OWN: Final = re.compile(
    r"\(\s*\"?version\"?\s+varchar\(\d+\)\s+primary\s+key\s*\)", re.IGNORECASE
)
"""How dbmate makes its ledger; others have tables of that name, with other columns."""
_NUMBER: Final = re.compile(r"\d+")


def applied(database: Database, files: Sequence[Migration]) -> tuple[str, list[Migration]]:
    """Return which tool has applied which of these files; nothing where there is no such ledger.

    Args:
        database: without a ledger of ours.
        files: in the order they run.
    """
    rows = database.query("SELECT name FROM sqlite_schema WHERE type = 'table'")
    there = {row.text("name") for row in rows}
    for tool, sql in _LEDGERS:
        if not any(f" {table} " in sql for table in there):
            continue
        try:
            told = {str(row[0]) for row in database.query(sql)}
        except DatabaseError as error:
            if error.kind != "syntax":  # a table of that name, and of another's making
                raise
            continue
        found = [file for file in files if _is_told(file, told)]
        if found:
            return tool, found
    return "", []


def _is_told(file: Migration, told: set[str]) -> bool:
    """Return whether a ledger names a file: by its name, its folder, its number or its hash."""
    number, folder = file.name.partition("_")[0], f"{file.name}/migration.sql"
    names = {file.filename, file.name, folder, number, number.lstrip("0"), file.checksum}
    return not told.isdisjoint(names - {""})


def ledgers(found: Objects) -> set[tuple[str, str]]:
    """Return the tables of a schema that are the ledger of another tool."""
    return {
        (kind, name)
        for (kind, name), sql in found.items()
        if kind == "table" and _has(sql, _LEDGER_OF.get(name, ""))
    }


def entering(found: Objects, filenames: Sequence[str]) -> list[Statement]:
    """Return the statements by which wrangler and dbmate know that files were applied."""
    return [
        Statement(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (name,))  # noqa: S608
        for table, column, name in _entries(found, filenames)
    ]


def leaving(found: Objects, filenames: Sequence[str]) -> list[Statement]:
    """Return the statements by which wrangler and dbmate know that files were taken back."""
    return [
        Statement(f"DELETE FROM {table} WHERE {column} = ?", (name,))  # noqa: S608
        for table, column, name in _entries(found, filenames)
    ]


def _entries(found: Objects, filenames: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield ledger, column, and how a file is called there; dbmate calls it by its number."""
    if ("table", _WRANGLERS) in ledgers(found):
        yield from ((_WRANGLERS, "name", name) for name in filenames)
    if _DBMATES_OWN.search(found.get(("table", _DBMATES), "")):
        numbers = filter(None, map(_NUMBER.match, filenames))
        yield from ((_DBMATES, "version", number[0]) for number in numbers)


def _has(sql: str, column: str) -> bool:
    return bool(column) and re.search(rf"\b{column}\b", sql) is not None
