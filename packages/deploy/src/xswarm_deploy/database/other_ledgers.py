"""The ledgers of other tools: what they applied is not applied again, and they are told in turn.

Where ``wrangler d1 migrations`` or dbmate has a ledger, what is applied here is entered there, too,
in the same transaction: else they would apply it once more.

Sources: wrangler (``d1_migrations``: names), dbmate and Rails (``schema_migrations``: the numbers
that names begin with), golang-migrate (a table of that name, too: the last number, and whether it
is ``dirty``), drizzle (``__drizzle_migrations``: SHA-256 of each file), prisma
(``_prisma_migrations``: names of folders), goose (``goose_db_version``), sqlx
(``_sqlx_migrations``), Atlas (``atlas_schema_revisions``), refinery
(``refinery_schema_history``) and diesel (``__diesel_schema_migrations``): numbers, sql-migrate
(``gorp_migrations``), Flyway (``flyway_schema_history``) and yoyo (``_yoyo_migration``): names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from xswarm_deploy.database.client import Database, DatabaseError, Statement
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.schema import Objects
from xswarm_deploy.errors import Refused

_GOLANG: Final = "golang-migrate"
_LEDGERS: Final = (
    ("wrangler d1", "SELECT name FROM d1_migrations ORDER BY id"),
    ("drizzle", "SELECT hash FROM __drizzle_migrations ORDER BY id"),
    (
        "goose",  # earlier versions of it write another row where one is taken back
        "SELECT version_id FROM goose_db_version AS said WHERE is_applied AND version_id <> 0"
        " AND id = (SELECT max(id) FROM goose_db_version WHERE version_id = said.version_id)",
    ),
    ("sql-migrate", "SELECT id FROM gorp_migrations ORDER BY applied_at"),
    (_GOLANG, "SELECT version FROM schema_migrations WHERE dirty IS NOT NULL"),
    ("dbmate", "SELECT version FROM schema_migrations ORDER BY version"),
    (
        "prisma",
        "SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL"
        " AND rolled_back_at IS NULL",
    ),
    ("sqlx", "SELECT version FROM _sqlx_migrations WHERE success"),
    ("Atlas", "SELECT version FROM atlas_schema_revisions WHERE applied = total"),
    ("Flyway", "SELECT script FROM flyway_schema_history WHERE success"),
    ("refinery", "SELECT version FROM refinery_schema_history"),
    ("diesel", "SELECT version FROM __diesel_schema_migrations"),
    ("yoyo", "SELECT migration_id FROM _yoyo_migration"),
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
_NUMBER: Final = re.compile(r"V?(?P<number>[\d-]*\d)(?=_|\.|$)", re.ASCII)
_LEADING: Final = re.compile(r"\d+", re.ASCII)


class Taken(NamedTuple):
    """What another tool has applied.

    Args:
        tool: its name; empty: none has a ledger that names one of the files.
        files: those of ours, in the order they run.
        missing: files before the last of them that it has not applied.
        unknown: how many entries of its ledger are of no file.
    """

    tool: str = ""
    files: Sequence[Migration] = ()
    missing: Sequence[Migration] = ()
    unknown: int = 0


def applied(database: Database, files: Sequence[Migration]) -> Taken:
    """Return which tool has applied which of these files.

    Args:
        database: without a ledger of ours.
        files: in the order they run.

    Raises:
        Refused: golang-migrate left one unfinished.
    """
    rows = database.query("SELECT name FROM sqlite_schema WHERE type = 'table'")
    there = {row.text("name") for row in rows}
    for tool, sql in _LEDGERS:
        if not any(f" {table} " in f"{sql} " for table in there):
            continue
        try:
            told = {str(row[0]) for row in database.query(sql)}
        except DatabaseError as error:
            if error.kind != "syntax":  # a table of that name, and of another's making
                raise
            continue
        taken = _taken(tool, files, told)
        if tool == _GOLANG and taken.files:
            _require_clean(database, taken.files[-1])
        if taken.files:
            return taken
    return Taken()


def _taken(tool: str, files: Sequence[Migration], told: set[str]) -> Taken:
    """Compare a ledger with the files."""
    names = [_names(file) for file in files]
    places = [place for place, each in enumerate(names) if not told.isdisjoint(each)]
    if not places:
        return Taken()
    last = places[-1]
    if tool == _GOLANG:  # it keeps the last one alone
        return Taken(tool, files[: last + 1])
    missing = [file for place, file in enumerate(files[:last]) if place not in places]
    return Taken(
        tool, [files[place] for place in places], missing, len(told - set[str]().union(*names))
    )


def _require_clean(database: Database, file: Migration) -> None:
    if any(row["dirty"] for row in database.query("SELECT dirty FROM schema_migrations")):
        raise Refused(
            f"{file.filename} was left unfinished by {_GOLANG} (dirty)",
            "how much of it was applied is unknown",
            f"bring the schema to what the file says; then: inv migrate.baseline --to {file.name}",
        )


def _names(file: Migration) -> set[str]:
    """Return how ledgers name a file: by its name, its folder, its number or its hash."""
    found = _NUMBER.match(file.name)
    number = found["number"].replace("-", "") if found else ""
    ends = hashlib.sha256(file.text.replace("\n", "\r\n").encode()).hexdigest()
    names = {file.filename, file.name, f"{file.name}/migration.sql", number, number.lstrip("0")}
    return {*names, file.checksum, ends} - {""}


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
        numbers = filter(None, map(_LEADING.match, filenames))
        yield from ((_DBMATES, "version", number[0]) for number in numbers)


def _has(sql: str, column: str) -> bool:
    return bool(column) and re.search(rf"\b{column}\b", sql) is not None
