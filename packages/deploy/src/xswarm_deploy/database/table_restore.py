"""Put one table of a backup back: its rows, wholly and as they were, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from xswarm_deploy.console import Progress, no_progress
from xswarm_deploy.database import (
    counting,
    digest,
    foreign_keys,
    fulltext,
    own,
    schema,
    staging,
    tables,
)
from xswarm_deploy.database.client import Database, DatabaseError, Statement
from xswarm_deploy.database.effects import SchemaCopy
from xswarm_deploy.database.restore import guard, violations
from xswarm_deploy.database.schema import Objects, quoted
from xswarm_deploy.database.staging import Stage, count_of
from xswarm_deploy.database.statements import folded
from xswarm_deploy.database.tables import Table
from xswarm_deploy.errors import Refused

_WHOLE = "restore the whole database, or bring its schema back first"


def one_table(
    database: Database,
    source: Path,
    name: str,
    along: Sequence[str] = (),
    progress: Progress = no_progress,
) -> int:
    """Replace the rows of one table by what a file holds; return how many there are.

    Its triggers do not fire; a full-text index over it is made anew.

    Args:
        database: either home.
        source: a database file, proven.
        name: the table.
        along: SQL about kept tables, run in the same transaction.
        progress: told rows.

    Raises:
        Refused: it is not in both, its columns are others, or it would hold the values otherwise.
        DeployError: nothing was replaced.
    """
    require_fits(database, source, name)
    with closing(digest.open_readonly(source)) as connection:
        table = _in_backup(connection, name)
        count = count_of(connection, table)
        with staging.stage(database, count, progress) as stage:
            stage.fill(connection, table)
            swap = [*_replacing(database, table, stage, count), *along]
            _swap(database, name, swap)
    return count


def require_fits(database: Database, source: Path, name: str) -> None:
    """Refuse a table that cannot be restored alone, before anything is changed.

    Raises:
        Refused: see :func:`one_table`.
    """
    with closing(digest.open_readonly(source)) as connection:
        table = _in_backup(connection, name)
        _require_same_columns(database, table)
        _require_no_actions(database, name)
        staging.require_rows_fit(connection, [table], database.limits)


def _in_backup(connection: sqlite3.Connection, name: str) -> Table:
    if name in own.RELEASES | own.MIGRATIONS or name.startswith("sqlite_"):
        raise Refused(
            f"The table {name} is not restored alone",
            "the records of releases and migrations, and SQLite's own tables, go with the rest",
            "restore the whole database",
        )
    table = next((found for found in tables.read(connection) if found.name == name), None)
    if table is None or table.kind != "table":
        raise Refused(f"The backup has no table {name}", "", "inv backup.verify")
    return table


def _swap(database: Database, name: str, swap: Sequence[str]) -> None:
    try:
        database.transaction([Statement(sql) for sql in swap], foreign_keys=False)
    except DatabaseError as error:
        if told := counting.told(error):
            raise Refused(f"The table {name} was not replaced", told, _WHOLE) from None
        raise


def _require_same_columns(database: Database, table: Table) -> None:
    found, columns = database.snapshot([tables.SELECT, tables.SELECT_COLUMNS])
    live = {item.name: item for item in tables.tables(found.rows, columns.rows)}
    if table.name not in live:
        raise Refused(f"The database has no table {table.name}", "", "inv backup.restore FILE")
    if live[table.name].copied != table.copied:
        raise Refused(
            f"The table {table.name} has other columns than in the backup",
            f"{', '.join(live[table.name].copied)} and not {', '.join(table.copied)}",
            _WHOLE,
        )


def _require_no_actions(database: Database, name: str) -> None:
    """Refuse to empty a table whose rows others follow, where foreign keys cannot be lifted."""
    if database.limits.lifts_keys:
        return
    with SchemaCopy(database.query(schema.SELECT.sql)) as copy:
        acting = copy.acting_keys().get(folded(name), [])
    if acting:
        raise Refused(
            f"{database.limits.home} cannot lift foreign keys: with the rows of {name} others go",
            "; ".join(acting),
            "restore the whole database",
        )


def _replacing(database: Database, table: Table, stage: Stage, count: int) -> Iterator[str]:
    made = schema.read(database)
    rows = database.query(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?)",
        [table.name],
    )
    left_out = foreign_keys.of_schema(database.query(schema.SELECT.sql))
    allowed = database.query(f"SELECT {violations(left_out)}")[0].integer(0)
    for row in rows:
        yield f"DROP TRIGGER {quoted(row.text('name'))}"
    yield f"DELETE FROM {quoted(table.name)}"  # noqa: S608
    yield stage.moved(table)
    yield stage.held(table, count)
    if schema.tokens(made.get(("table", table.name), "")) != schema.tokens(table.sql):
        yield stage.compared(table)
    yield stage.dropped(table)
    for row in rows:
        yield row.text("sql")
    for index in _indexes_over(made, table.name):
        yield f"INSERT INTO {quoted(index)} ({quoted(index)}) VALUES ('rebuild')"  # noqa: S608
    yield guard(allowed, left_out, "now")


def _indexes_over(made: Objects, table: str) -> list[str]:
    """Return the full-text indexes over a table's content, be it by way of views."""
    reached = {folded(table)}
    views = {folded(name): sql for (kind, name), sql in made.items() if kind == "view"}
    while more := {name for name in views.keys() - reached if reached & _names(views[name])}:
        reached |= more
    return [name for name, of in fulltext.contents(made).items() if folded(of) in reached]


def _names(sql: str) -> set[str]:
    return {folded(text) for _, text in schema.lexed(sql)}
