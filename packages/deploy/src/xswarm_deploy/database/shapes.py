"""The columns and keys of one table, as far as two tables are compared by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from xswarm_deploy.database.client import Value
from xswarm_deploy.database.statements import folded

Affinity = Literal["INTEGER", "TEXT", "BLOB", "REAL", "NUMERIC"]
Ask = Callable[..., Sequence[tuple[Value, ...]]]
"""Run a query with parameters, and return its rows."""

_AFFINITIES: Final[tuple[tuple[Affinity, tuple[str, ...]], ...]] = (
    ("INTEGER", ("INT",)),
    ("TEXT", ("CHAR", "CLOB", "TEXT")),
    ("BLOB", ("BLOB",)),
    ("REAL", ("REAL", "FLOA", "DOUB")),
)


@dataclass(frozen=True)
class Field:
    """A column.

    Args:
        name: its name.
        affinity: what a value becomes in it.
        stored: it holds values; a generated one does not.
    """

    name: str
    affinity: Affinity
    stored: bool


@dataclass(frozen=True)
class Key:
    """Columns that tell the rows of a table apart.

    Args:
        columns: their names, in small letters.
        nullable: one of them may be NULL, in any number of rows.
    """

    columns: tuple[str, ...]
    nullable: bool


@dataclass(frozen=True)
class Shape:
    """A table's columns, by their names in small letters, and its keys, the primary key first."""

    fields: dict[str, Field] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()


def read(ask: Ask, table: str) -> Shape:
    """Read the shape of a table; of a virtual one, there is none."""
    kinds = ask(
        "SELECT type, wr, strict FROM pragma_table_list"
        " WHERE schema = 'main' AND name = ? COLLATE NOCASE",
        table,
    )
    if not kinds or kinds[0][0] != "table":
        return Shape()
    strict = bool(kinds[0][2])
    columns = ask(
        'SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid', table
    )
    fields = {
        folded(str(name)): Field(str(name), affinity(str(kind), strict=strict), not hidden)
        for name, kind, _, _, hidden in columns
    }
    needed = {folded(str(name)) for name, _, filled, _, _ in columns if filled}
    indexes = ask(
        'SELECT name, origin FROM pragma_index_list(?) WHERE "unique" AND NOT partial'
        " ORDER BY origin <> 'pk'",
        table,
    )
    primary = sorted((int(str(row[3])), folded(str(row[0]))) for row in columns if row[3])
    keys = []
    if primary:
        names = tuple(name for _, name in primary)
        is_rowid = not any(origin == "pk" for _, origin in indexes)
        keys.append(Key(names, not (kinds[0][1] or is_rowid or needed.issuperset(names))))
    for index, _ in indexes:
        parts = ask("SELECT name FROM pragma_index_info(?) ORDER BY seqno", str(index))
        if all(name is not None for (name,) in parts):
            names = tuple(folded(str(name)) for (name,) in parts)
            keys.append(Key(names, not needed.issuperset(names)))
    return Shape(fields, tuple(keys))


def affinity(kind: str, *, strict: bool = False) -> Affinity:
    """Return what a declared type makes of values.

    Source: https://www.sqlite.org/datatype3.html#determination_of_column_affinity and, for ANY in a
    STRICT table, https://www.sqlite.org/stricttables.html
    """
    if not kind or (strict and kind.upper() == "ANY"):
        return "BLOB"
    for found, words in _AFFINITIES:
        if any(word in kind.upper() for word in words):
            return found
    return "NUMERIC"
