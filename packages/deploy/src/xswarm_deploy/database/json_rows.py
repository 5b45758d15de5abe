"""SQL by which a server writes rows as JSON texts, in which every value survives.

A server makes no text of more than 5 MB, D1 none of more than 2 MB; where rows are too large for
that, each comes by itself, value by value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xswarm_deploy.database.schema import quoted
from xswarm_deploy.database.tables import Table

_MOST_ROWS = 500
_LARGEST = 4_000_000  # bytes that one JSON text may come to
_SWELLING = 6  # times that a text grows in JSON at most: by \\u0001 for a byte


def measuring(table: Table, *, total: bool = False) -> str:
    """Return the SQL that counts a table's rows, and measures the largest; or all of them.

    A real number counts as its eight bytes: one SQLite writes it with 15 digits, a newer one, as
    D1's, with 17.
    """
    sizes = [
        f"CASE typeof({c}) WHEN 'real' THEN 8 ELSE ifnull(length(CAST({c} AS BLOB)), 4) END"
        for c in map(quoted, table.columns)
    ]
    size = " + ".join(f"({' + '.join(part)})" for part in _parts(sizes))
    return f"SELECT count(*), {'sum' if total else 'max'}({size}) FROM {quoted(table.name)}"  # noqa: S608


def reading(table: Table, largest: int, *, plain: bool) -> str:
    """Return the SQL that reads a table as JSON texts of many rows each.

    Where the rowid can be named, the server walks it, so that it neither sorts nor holds the
    table. Every name is told by its table: any column may be called like one of these.
    """
    if table.kind == "virtual":
        return "SELECT NULL WHERE 0"
    held, written = f"main.{quoted(table.name)} AS held", row(table, plain=plain)
    rows = min(_MOST_ROWS, _LARGEST // max(1, largest * _SWELLING))
    if not rows:
        return f"SELECT {_cells(table)} FROM {held}"  # noqa: S608
    if not table.number:
        numbered = f"SELECT {written} AS r, (row_number() OVER () - 1) / {rows} AS g FROM {held}"  # noqa: S608
        return f"SELECT '[' || group_concat(r) || ']' FROM ({numbered}) GROUP BY g"  # noqa: S608
    number = f"held.{quoted(table.number)}"
    return (
        f"WITH RECURSIVE start (k) AS (SELECT min({number}) FROM {held} UNION ALL"  # noqa: S608
        f" SELECT (SELECT {number} FROM {held} WHERE {number} >= start.k"
        f" ORDER BY {number} LIMIT 1 OFFSET {rows}) FROM start WHERE start.k IS NOT NULL)"
        f" SELECT (SELECT '[' || group_concat(r) || ']' FROM (SELECT {written} AS r FROM {held}"
        f" WHERE {number} >= start.k ORDER BY {number} LIMIT {rows}))"
        " FROM start WHERE start.k IS NOT NULL"
    )


_VALUES_A_CALL = 30  # D1 takes at most 32 arguments, SQLite 127 and expressions 1,000 deep


def row(table: Table, *, plain: bool) -> str:
    """Return the SQL that writes a row as a JSON array.

    Args:
        table: one with rows.
        plain: texts are written as they are, and not as hexadecimal digits.
    """
    joined = _joined([_value(quoted(column), plain=plain) for column in table.copied])
    return f"'[' || {joined} || ']'"


def _joined(values: Sequence[str]) -> str:
    """Return the SQL that joins texts by commas."""
    return " || ',' || ".join(
        f"printf('{','.join(['%s'] * len(part))}', {', '.join(part)})" for part in _parts(values)
    )


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _VALUES_A_CALL):
        yield values[start : start + _VALUES_A_CALL]


def _cells(table: Table, *, plain: bool = False) -> str:
    """Return the columns that carry a row by itself: first its types, then each value."""
    columns = [quoted(column) for column in table.copied]
    text = "{}" if plain else "CAST({} AS BLOB)"
    cells = [
        f"CASE typeof({column}) WHEN 'text' THEN {text.format(column)}"
        f" WHEN 'integer' THEN CAST({column} AS TEXT)"  # D1 would give it as a double
        f" WHEN 'real' THEN {_real(column)} ELSE {column} END"
        for column in columns
    ]
    return ", ".join([_joined([f"typeof({column})" for column in columns]), *cells])


def _value(column: str, *, plain: bool) -> str:
    text = f"json_quote({column})" if plain else f"'{{\"t\":\"' || hex({column}) || '\"}}'"
    return (
        f"CASE typeof({column}) WHEN 'integer' THEN {column} WHEN 'null' THEN 'null'"
        f" WHEN 'text' THEN {text} WHEN 'blob' THEN '{{\"b\":\"' || hex({column}) || '\"}}'"
        f" ELSE {_real(column)} END"
    )


def _real(column: str) -> str:
    """Return the SQL that writes a real number as JSON.

    Not by quote(): it knows neither the sign of zero nor JSON's way to infinity, and of one
    number in 60,000 it gives a neighbour, which SQLite itself reads as the same.
    """
    return (
        f"CASE WHEN {column} = 0 THEN iif(atan2(0.0, {column}) > 1, '-0.0', '0.0')"
        f" WHEN abs({column}) > 1.7976931348623157e308 THEN iif({column} > 0, '1e999', '-1e999')"
        f" ELSE printf('%!.17g', {column}) END"
    )


def page(table: Table, rows: int, after: str, *, plain: bool, wide: bool = False) -> str:
    """Return the SQL that reads some rows, each as one JSON text; before it, where it stands.

    Args:
        table: one with rows.
        rows: how many at most.
        after: where the last page ended; empty: this is the first one.
        plain: texts are written as they are.
        wide: not as one text, which would be too long, but its types and then each value.
    """
    held = f"main.{quoted(table.name)} AS held"
    written = _cells(table, plain=plain) if wide else row(table, plain=plain)
    if not table.number:
        ordered = ", ".join(f"held.{quoted(key)}" for key in table.keys)
        start = int(after or 0)
        return (
            f"SELECT row_number() OVER (ORDER BY {ordered}), {written} FROM {held}"  # noqa: S608
            f" ORDER BY {ordered} LIMIT {rows} OFFSET {start}"
        )
    number = f"held.{quoted(table.number)}"
    where = f" WHERE {number} > {after}" if after else ""
    return (
        f"SELECT CAST({number} AS TEXT), {written} FROM {held}{where}"  # noqa: S608
        f" ORDER BY {number} LIMIT {rows}"
    )
