"""The ledgers of other tools: what they applied must not be applied again.

Sources: wrangler (``d1_migrations``: names), dbmate (``schema_migrations``: the numbers that names
begin with), drizzle (``__drizzle_migrations``: SHA-256 of each file), prisma
(``_prisma_migrations``: names of folders), goose (``goose_db_version``: the numbers that names
begin with, without zeros before them), sql-migrate (``gorp_migrations``: names).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from xswarm_deploy.database.client import Database, DatabaseError
from xswarm_deploy.database.migrations import Migration

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
