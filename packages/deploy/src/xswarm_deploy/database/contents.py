"""Whether one table holds all rows of another, counted by the database itself.

Rows are matched by a key that both tables have: one walk through the old table, and one search in
the new one for each row. Without such a key equal rows are counted on both sides, which sorts them.
Values count as the same where nothing is lost between them: the text ``5`` and the number 5 are the
same, ``05`` and 5 are not, nor are ``A`` and ``a``, whatever the collation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from xswarm_deploy.database.schema import quoted
from xswarm_deploy.database.shapes import Field, Key, Shape

_NUMBERS: Final = frozenset({"INTEGER", "REAL", "NUMERIC"})
_COUNTS_A_CALL: Final = 30  # D1 takes at most 32 arguments, SQLite 127
_WIDE: Final = 500  # columns; SQLite gives at most 2,000 of a SELECT, and sorts by as many


class Table(NamedTuple):
    """A table as it is called at that moment."""

    name: str
    shape: Shape


class Counts(NamedTuple):
    """What is counted about rows that should be in another table.

    Args:
        sql: an expression, a JSON array: how many rows there are, how many of them are missing,
            and of each column how many values are others.
        columns: those columns.
    """

    sql: str
    columns: tuple[str, ...]


def common(old: Shape, new: Shape) -> list[str]:
    """Return the columns whose values the new table should have, in small letters."""
    return [name for name, each in old.fields.items() if each.stored and name in new.fields]


def same_values(columns: Sequence[str]) -> str:
    """Return what to select of rows, so that EXCEPT takes no value for another.

    It takes 1 for 1.0, and ``A`` for ``a`` where the column says so.

    Args:
        columns: as SQL.
    """
    types = _joined([f"typeof({column})" for column in columns])
    if len(columns) > _WIDE:
        return f"{types}, {_joined([f'hex(CAST({column} AS BLOB))' for column in columns])}"
    return ", ".join([types, *(f"(+{column}) COLLATE BINARY" for column in columns)])


def _joined(values: Sequence[str]) -> str:
    """Return the SQL that joins texts by commas."""
    pieces = [values[at : at + _COUNTS_A_CALL] for at in range(0, len(values), _COUNTS_A_CALL)]
    return " || ',' || ".join(
        f"printf('{','.join(['%s'] * len(piece))}', {', '.join(piece)})" for piece in pieces
    )


def counts(old: Table, new: Table, columns: Sequence[str], free: Collection[str] = ()) -> Counts:
    """Return how rows are compared.

    Args:
        old: which has the rows.
        new: which should have them.
        columns: that are compared, in small letters.
        free: those of them whose values may be others.
    """
    fixed = [name for name in columns if name not in free]
    key = _key(old.shape, new.shape, fixed)
    if key is None:
        return Counts(_unkeyed(old, new, fixed), ())
    names = tuple(_of(old, name).name for name in columns)
    return Counts(_keyed(old, new, key, columns, fixed), names)


def _key(old: Shape, new: Shape, columns: Collection[str]) -> Key | None:
    """Return a key of the old table that is one of the new one, too."""
    unique = {frozenset(key.columns) for key in new.keys}
    for key in old.keys:
        names = frozenset(key.columns)
        alike = all(
            name in columns and old.fields[name].affinity == new.fields[name].affinity
            for name in names
        )
        if alike and names in unique:
            return key
    return None


def _keyed(old: Table, new: Table, key: Key, columns: Sequence[str], fixed: Sequence[str]) -> str:
    pairs = [(old.shape.fields[name], new.shape.fields[name]) for name in key.columns]
    matched = " AND ".join(f"n.{quoted(n.name)} = o.{quoted(o.name)}" for o, n in pairs)
    there = f"n.{quoted(pairs[0][1].name)} IS NOT NULL"
    nulls = " OR ".join(f"{quoted(o.name)} IS NULL" for o, _ in pairs)
    of_nulls = f" + {_lost(old, new, fixed, nulls)}" * key.nullable
    numbers = ["count(*)", f"count(*) FILTER (WHERE NOT ({there}))"]
    numbers += [
        f"count(*) FILTER (WHERE {there} AND {_differs(old, new, name)})" for name in columns
    ]
    held = " AND ".join(f"o.{quoted(o.name)} IS NOT NULL" for o, _ in pairs)
    listed = f"SELECT {_array(numbers)} FROM {quoted(old.name)} AS o"  # noqa: S608
    found = f"({listed} LEFT JOIN {quoted(new.name)} AS n ON {matched} WHERE {held})"
    if not key.nullable:
        return found
    missing = f"json_extract(keyed, '$[1]'){of_nulls}"
    every = f"(SELECT count(*) FROM {quoted(old.name)})"  # noqa: S608
    with_nulls = f"json_set(keyed, '$[0]', {every}, '$[1]', {missing})"
    return f"(SELECT {with_nulls} FROM (SELECT {found} AS keyed))"  # noqa: S608


def _unkeyed(old: Table, new: Table, columns: Sequence[str]) -> str:
    every = f"(SELECT count(*) FROM {quoted(old.name)})"  # noqa: S608
    return f"({_array([every, _lost(old, new, columns, 'TRUE')])})"


def _lost(old: Table, new: Table, columns: Sequence[str], where: str) -> str:
    """Return how many rows of the old table the new one lacks, equal ones counted."""
    sides = [
        ", ".join([*_plain(side, old, new, columns), f"{sign}1 AS side"])
        for side, sign in ((old, ""), (new, "-"))
    ]
    terms = ", ".join(f"c{place} COLLATE BINARY" for place in range(len(columns)))
    grouped = f"GROUP BY {terms}" if terms else ""
    both = (
        f"SELECT {sides[0]} FROM {quoted(old.name)} WHERE {where} UNION ALL"  # noqa: S608
        f" SELECT {sides[1]} FROM {quoted(new.name)} WHERE {where}"
    )
    apart = f"SELECT sum(side) AS more FROM ({both}) {grouped}"  # noqa: S608
    return f"(SELECT ifnull(sum(more), 0) FROM ({apart}) WHERE more > 0)"  # noqa: S608


def _plain(side: Table, old: Table, new: Table, columns: Sequence[str]) -> list[str]:
    return [
        f"{_value(quoted(_of(side, name).name), _converts(old, new, name))} AS c{place}"
        for place, name in enumerate(columns)
    ]


def _differs(old: Table, new: Table, name: str) -> str:
    converts = _converts(old, new, name)
    one = _value(f"o.{quoted(_of(old, name).name)}", converts)
    two = _value(f"n.{quoted(_of(new, name).name)}", converts)
    return f"{one} COLLATE BINARY IS NOT {two}"


def _converts(old: Table, new: Table, name: str) -> bool:
    """Return whether a text may have become a number on the way, or a number a text."""
    kinds: set[str] = {_of(old, name).affinity, _of(new, name).affinity}
    return len(kinds) > 1 and not kinds <= _NUMBERS


def _of(table: Table, name: str) -> Field:
    return table.shape.fields[name]


def _value(column: str, converts: bool) -> str:
    """Return a value without its affinity; a number as the text that gives the number again."""
    if not converts:
        return f"(+{column})"
    text = f"CAST({column} AS TEXT)"
    return (
        f"(CASE typeof({column}) WHEN 'integer' THEN {text} WHEN 'real' THEN"
        f" CASE WHEN CAST({text} AS REAL) = {column} THEN {text} ELSE +{column} END"
        f" ELSE +{column} END)"
    )


def _array(numbers: Sequence[str]) -> str:
    pieces = [numbers[at : at + _COUNTS_A_CALL] for at in range(0, len(numbers), _COUNTS_A_CALL)]
    listed = " || ',' || ".join(
        f"printf('{','.join(['%d'] * len(piece))}', {', '.join(piece)})" for piece in pieces
    )
    return f"'[' || {listed} || ']'"
