"""Down parts for files that have none, where SQLite can tell what takes their schema back.

Drizzle, wrangler d1 and many a dbmate folder hold up parts only. What a file makes is asked of
SQLite on an empty copy of the schema: tables, indexes, views, triggers and columns that are new
are dropped again; and the copy has to be then as it was before, or there is no down part.

What the database had already is not the file's, whatever the file says: ``CREATE TABLE IF NOT
EXISTS`` makes nothing there, and to drop it again would take all its rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from xswarm_deploy.database import schema
from xswarm_deploy.database.client import Row
from xswarm_deploy.database.effects import Column, SchemaCopy
from xswarm_deploy.database.migrations import Migration
from xswarm_deploy.database.schema import Objects, quoted
from xswarm_deploy.database.statements import folded

_NOTHING = "SELECT 1"  # a statement: there is nothing to take back
_ORDER = ("trigger", "view", "index", "table")


def complete(
    files: Sequence[Migration], wanted: Collection[str], there: Objects | None = None
) -> list[Migration]:
    """Return the files, with a down part or the reason why there is none.

    Args:
        files: in the order they run.
        wanted: the names of the files that need one; those before them just make the schema.
        there: what the database holds before them, where it is known.
    """
    held = {(kind, folded(name)) for kind, name in there or ()}
    found = list(files)
    with SchemaCopy([]) as copy:
        for place, file in enumerate(files):
            if file.down or file.irreversible or file.name not in wanted:
                for fragment in file.up:
                    copy.effect(fragment.sql)
            else:
                found[place] = _completed(copy, file, held)
    return found


def _completed(copy: SchemaCopy, file: Migration, held: Collection[tuple[str, str]]) -> Migration:
    before, rows = copy.objects(), copy.columns()
    reasons: list[str] = []
    for fragment in file.up:
        effect = copy.effect(fragment.sql)
        changed = sorted(table for table in effect.writes if ("table", table) in before)
        reasons += [f"line {fragment.line} writes rows of {table}" for table in changed]
        reasons += [f"line {fragment.line} drops {table}" for table in effect.dropped]
        if not effect.known:
            reasons.append(f"SQLite here cannot read line {fragment.line}")
    after = copy.objects()
    new = [key for key in after if key not in before]
    reasons += [f"{kind} {name} was there before it" for kind, name in _of(held, new)]
    down = _down(before, after, rows, copy.columns())
    if not reasons and not copy.gives(down, before):
        reasons = _others(before, copy.objects())
    if reasons:
        return replace(file, options={**file.options, "irreversible": "; ".join(reasons)})
    return replace(file, made_down=";\n".join(down) or _NOTHING)


def _of(held: Collection[tuple[str, str]], new: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(kind, name) for kind, name in new if (kind, folded(name)) in held]


def passed_over(rows: Sequence[Row], files: Sequence[Migration]) -> list[str]:
    """Return which down parts would drop a table that their file found there, and did not make.

    Args:
        rows: of the database's schema: type, name, tbl_name and sql.
        files: in the order they run.
    """
    found = []
    with SchemaCopy(rows) as copy:
        for file in files:
            dropped = {name for each in file.down if (name := _named(each.sql, _DROP))}
            for fragment in file.up:
                there = {folded(name) for name in copy.homes}
                effect = copy.effect(fragment.sql)
                name = _named(fragment.sql, _CREATE) if effect.known and not effect.made else ""
                if name in dropped & there and not file.made_down:
                    found.append(
                        f"{file.filename}:{fragment.line}: {name} is there already, so this makes"
                        " nothing, and the down part would drop it with all its rows"
                    )
    return found


_CREATE: Final = ("create", "table", "if", "not", "exists")
_DROP: Final = ("drop", "table")


def _named(sql: str, beginning: tuple[str, ...]) -> str:
    """Return the table that a statement of some beginning names; empty: it begins otherwise."""
    words = [word for word in schema.tokens(sql) if word != "virtual"]
    if tuple(words[: len(beginning)]) != beginning:
        return ""
    rest = words[len(beginning) :]
    rest = rest[2:] if rest[:2] == ["if", "exists"] else rest
    rest = rest[2:] if rest[1:2] == ["."] else rest
    return "".join(rest[:1])


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
