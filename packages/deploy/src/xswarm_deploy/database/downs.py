"""Down parts for files that have none, where SQLite can tell what takes their schema back.

Drizzle, wrangler d1 and many a dbmate folder hold up parts only. What a file makes is asked of
SQLite on an empty copy of the schema: tables, indexes, views, triggers and columns that are new
are dropped again; and the copy has to be then as it was before, or there is no down part.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from xswarm_deploy.database import schema
from xswarm_deploy.database.effects import Column, SchemaCopy
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.schema import Objects, quoted

_NOTHING = "SELECT 1"  # a statement: there is nothing to take back
_ORDER = ("trigger", "view", "index", "table")


def complete(files: Sequence[Migration], wanted: Collection[str]) -> list[Migration]:
    """Return the files, with a down part or the reason why there is none.

    Args:
        files: in the order they run.
        wanted: the names of the files that need one; those before them just make the schema.
    """
    found = list(files)
    with SchemaCopy([]) as copy:
        for place, file in enumerate(files):
            if file.down or file.irreversible or file.name not in wanted:
                for fragment in file.up:
                    copy.effect(fragment.sql)
            else:
                found[place] = _completed(copy, file)
    return found


def _completed(copy: SchemaCopy, file: Migration) -> Migration:
    before, rows = copy.objects(), copy.columns()
    reasons: list[str] = []
    for fragment in file.up:
        effect = copy.effect(fragment.sql)
        changed = sorted(table for table in effect.writes if ("table", table) in before)
        reasons += [f"line {fragment.line} writes rows of {table}" for table in changed]
        reasons += [f"line {fragment.line} drops {table}" for table in effect.dropped]
        if not effect.known:
            reasons.append(f"SQLite here cannot read line {fragment.line}")
    down = _down(before, copy.objects(), rows, copy.columns())
    if not reasons and not copy.gives(down, before):
        reasons = _others(before, copy.objects())
    if reasons:
        return replace(file, options={**file.options, "irreversible": "; ".join(reasons)})
    return replace(file, made_down=";\n".join(down) or _NOTHING)


def _down(
    before: Objects,
    after: Objects,
    had: Mapping[str, Sequence[Column]],
    has: Mapping[str, Sequence[Column]],
) -> list[str]:
    """Return what drops all that is new, in an order that SQLite takes."""
    new = [key for key in after if key not in before]
    dropped = {name for kind, name in new if kind == "table"}
    statements = [
        f"DROP {kind.upper()} IF EXISTS {quoted(name)}"
        for kind in _ORDER
        for made, name in reversed(new)
        if made == kind
    ]
    columns = [
        f"ALTER TABLE {quoted(table)} DROP COLUMN {quoted(column.name)}"
        for table, names in has.items()
        if table in had and table not in dropped
        for column in reversed(names)
        if column.name not in {each.name for each in had[table]}
    ]
    return statements + columns


def _others(before: Objects, after: Objects) -> list[str]:
    """Return what cannot be taken back by dropping what is new."""
    changed = [
        f"{kind} {name}"
        for (kind, name), sql in before.items()
        if schema.tokens(after.get((kind, name), "")) != schema.tokens(sql)
    ]
    return [f"it changes {', '.join(changed)}" if changed else "SQLite cannot drop what it makes"]
