"""What goes with a schema that is taken back: rows of tables and values of columns that it drops.

Users may have written them since. Asked on a copy of the schema: a table that a down part makes
anew is there afterwards, and its rows are guarded as those of any other (``guards``); what it
gives another name stays, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from xswarm_deploy.database import fulltext, schema, script
from xswarm_deploy.database.client import Database, Statement
from xswarm_deploy.database.effects import Column, SchemaCopy
from xswarm_deploy.database.migration_history import Applied
from xswarm_deploy.database.schema import default_value, quoted


class _Place(NamedTuple):
    """Where rows are, or values: a table, or a column of it."""

    table: str
    column: str = ""


def of(database: Database, chosen: Sequence[Applied]) -> list[str]:
    """Return what goes with migrations that are taken back, e.g. ``3 rows of invites``.

    Args:
        database: as it is now.
        chosen: applied migrations, in the order they are taken back.
    """
    with SchemaCopy(database.query(schema.SELECT.sql)) as copy:
        indexes, before = fulltext.contents(copy.objects()), _places(copy)
        moved = _take_back(copy, chosen)
        now = _places(copy)
    gone = [place for place in sorted(before) if place not in now and moved[place] not in now]
    tables = [place.table for place in gone if not place.column]
    counting = {f"rows of {table}": _rows(table) for table in tables if table not in indexes}
    for place in gone:
        if place.column and place.table not in tables:
            counting[f"values of {place.table}.{place.column}"] = _values(place, before[place])
    counted = database.snapshot([Statement(sql) for sql in counting.values()]) if counting else []
    counts = [result.rows[0].integer(0) for result in counted]
    return [f"{count} {what}" for count, what in zip(counts, counting, strict=True) if count]


def _places(copy: SchemaCopy) -> dict[_Place, str]:
    """Return all places of a schema; of a column, with its default as it was written."""
    tables = {_Place(table): "" for table in copy.homes}
    return tables | {
        _Place(table, column.name): column.default
        for table, columns in copy.columns().items()
        for column in columns
    }


def _take_back(copy: SchemaCopy, chosen: Sequence[Applied]) -> Mapping[_Place, _Place]:
    """Run the down parts on a copy; return where each place is then, whatever it is called."""
    moved = {place: place for place in _places(copy)}
    for fragment in (each for row in chosen for each in script.parsed(row).down):
        before = copy.columns()
        effect = copy.effect(fragment.sql)
        renamed = _renamed(before, copy.columns(), effect.renamed)
        moved = {place: renamed.get(now, now) for place, now in moved.items()}
    return moved


def _renamed(
    before: Mapping[str, Sequence[Column]],
    after: Mapping[str, Sequence[Column]],
    tables: Mapping[str, str],
) -> dict[_Place, _Place]:
    """Return the new names that one statement gave.

    A table has as many columns then only where one of them was renamed, or none.
    """
    found: dict[_Place, _Place] = {_Place(old): _Place(new) for old, new in tables.items()}
    for table, columns in before.items():
        name = tables.get(table, table)
        now = after.get(name, ())
        if len(now) == len(columns):
            pairs = zip(columns, now, strict=True)
            found |= {_Place(table, old.name): _Place(name, new.name) for old, new in pairs}
    return found


def _rows(table: str) -> str:
    return f"SELECT count(*) FROM {quoted(table)}"  # noqa: S608


def _values(place: _Place, default: str) -> str:
    written = f"{quoted(place.column)} IS NOT {default_value(default)}"
    return f"SELECT count(*) FROM {quoted(place.table)} WHERE {written}"  # noqa: S608
