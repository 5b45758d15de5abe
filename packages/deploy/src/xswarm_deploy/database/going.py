"""What goes with a schema that is taken back: rows of tables and values of columns that it drops.

Users may have written them since. Asked on a copy of the schema: a table that a down part makes
anew is there afterwards, and its rows are guarded as those of any other (``guards``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from xswarm_deploy.database import schema, script
from xswarm_deploy.database.client import Database, Statement
from xswarm_deploy.database.effects import SchemaCopy
from xswarm_deploy.database.migration_history import Applied
from xswarm_deploy.database.schema import Objects, quoted


class _Asked(NamedTuple):
    """Something that goes, and the SQL that counts what it holds."""

    what: str
    sql: str


def of(database: Database, chosen: Sequence[Applied]) -> list[str]:
    """Return what goes with migrations that are taken back, e.g. ``3 rows of invites``.

    Args:
        database: as it is now.
        chosen: applied migrations, in the order they are taken back.
    """
    with SchemaCopy(database.query(schema.SELECT.sql)) as copy:
        held = copy.objects()
        tables, columns = set(copy.homes), _columns(copy)
        for row in chosen:
            for fragment in script.parsed(row).down:
                copy.effect(fragment.sql)
        gone, now = sorted(tables - set(copy.homes)), _columns(copy)
        asked = [_rows(table) for table in gone if not _is_index(held, table)]
        asked += [
            _values(table, column, default)
            for (table, column), default in sorted(columns.items())
            if table not in gone and (table, column) not in now
        ]
    counted = database.snapshot([Statement(each.sql) for each in asked]) if asked else []
    counts = [result.rows[0].integer(0) for result in counted]
    return [f"{n} {each.what}" for n, each in zip(counts, asked, strict=True) if n]


def _columns(copy: SchemaCopy) -> dict[tuple[str, str], str]:
    """Return the columns that hold values, and the default of each."""
    return {
        (table, column.name): column.default
        for table, columns in copy.columns().items()
        for column in columns
    }


def _rows(table: str) -> _Asked:
    return _Asked(f"rows of {table}", f"SELECT count(*) FROM {quoted(table)}")  # noqa: S608


def _values(table: str, column: str, default: str) -> _Asked:
    written = f"{quoted(column)} IS NOT ({default or 'NULL'})"
    sql = f"SELECT count(*) FROM {quoted(table)} WHERE {written}"  # noqa: S608
    return _Asked(f"values of {table}.{column}", sql)


def _is_index(held: Objects, table: str) -> bool:
    """Return whether a full-text table only indexes what another holds."""
    return {"virtual", "content"} <= set(schema.tokens(held.get(("table", table), "")))
