"""What goes into a database and what comes out: values, statements, rows, results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, overload

from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.database.statements import is_blank

Value = int | float | str | bytes | None
"""The five types of SQLite. A bool is taken as the integer it is."""

_LEAST_INTEGER, _GREATEST_INTEGER = -(2**63), 2**63 - 1


class Row(Mapping[str, Value]):
    """Hold one row: by column name, or by place.

    Args:
        columns: the names, in order; of two alike the first is found by name.
        values: the values, in the same order.
    """

    __slots__ = ("columns", "values_in_order")

    def __init__(self, columns: Sequence[str], values: Sequence[Value]) -> None:
        self.columns = columns
        self.values_in_order = tuple(values)

    @overload
    def __getitem__(self, key: str) -> Value: ...
    @overload
    def __getitem__(self, key: int) -> Value: ...
    def __getitem__(self, key: str | int) -> Value:
        if isinstance(key, int):
            return self.values_in_order[key]
        try:
            return self.values_in_order[self.columns.index(key)]
        except ValueError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self.columns))

    def __len__(self) -> int:
        return len(self.values_in_order)

    def __repr__(self) -> str:
        return f"Row({dict(self)!r})"

    def integer(self, key: str | int) -> int:
        """Return a value that is an integer by the query that made it."""
        value = self[key]
        if not isinstance(value, int):
            raise TypeError(f"{key} is no integer but {type(value).__name__}")
        return value

    def text(self, key: str | int) -> str:
        """Return a value that is text by the query that made it."""
        value = self[key]
        if not isinstance(value, str):
            raise TypeError(f"{key} is no text but {type(value).__name__}")
        return value


class Statement(NamedTuple):
    """One SQL statement and its positional parameters."""

    sql: str
    parameters: Sequence[Value] = ()


class Result(NamedTuple):
    """What one statement did.

    Args:
        rows_affected: rows inserted, updated or deleted; 0 for all else.
        last_insert_rowid: the rowid given, where the statement inserted a row.
        rows: what the statement returned.
        seconds: how long the database took.
    """

    rows_affected: int
    last_insert_rowid: int | None
    rows: list[Row]
    seconds: float = 0.0


def check(statement: Statement) -> None:
    """Refuse what one home would take and the other not.

    Raises:
        DatabaseError: kind ``syntax``, for no statement; kind ``value``, naming the
            place of a value that SQLite cannot hold.
    """
    if is_blank(statement.sql):
        raise DatabaseError("syntax", "there is no statement")
    for place, value in enumerate(statement.parameters, start=1):
        reason = _reason_against(value)
        if reason:
            raise DatabaseError("value", f"parameter {place} is {reason}")


def _reason_against(value: object) -> str:
    if value is None or isinstance(value, bytes):
        return ""
    if isinstance(value, int):
        inside = _LEAST_INTEGER <= value <= _GREATEST_INTEGER
        return "" if inside else "an integer outside 64 bits"
    if isinstance(value, float):
        return "not a number (NaN), which SQLite turns into NULL" if math.isnan(value) else ""
    if isinstance(value, str):
        return "" if _is_unicode(value) else "text with a lone surrogate, which is no Unicode"
    return f"of type {type(value).__name__}, which SQLite does not know"


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
