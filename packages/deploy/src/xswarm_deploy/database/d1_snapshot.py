"""A D1 database as of one moment, as a SQLite file.

A small one is read in one request, which is one transaction. A larger one is read page by page, and
counts only if its bookmark is the same before and after: nobody wrote meanwhile. D1's answers are
JavaScript's, which knows neither large whole numbers nor text that is no UTF-8: so rows are read as
JSON texts, and what came is measured against what D1 itself measures.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from xswarm_deploy.console import Progress
from xswarm_deploy.database import json_rows, limits, survey
from xswarm_deploy.database.client import DatabaseError, Row, Statement
from xswarm_deploy.database.d1 import D1Database
from xswarm_deploy.database.loading import Loading, Text, as_bytes, typed
from xswarm_deploy.database.survey import Measured, Survey
from xswarm_deploy.errors import Refused

_SMALL: Final = 8_000_000  # bytes that come in one answer; D1 gives at most 50 MB
_GROWS: Final = 2  # times that a row grows as JSON, about; as hexadecimal digits exactly
_GROWS_WIDE: Final = 4  # times that bytes grow as a list of numbers
_AROUND: Final = 64  # bytes around a value in JSON, at most
_MOST_ROWS: Final = 5_000
_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
_TRIES: Final = 4
_ALL: Final = -1  # of LIMIT: no limit


class _Other(Exception):
    """What came is not what D1 measures."""


def take(
    database: D1Database, target: Path, progress: Progress, *, staged: bool = False
) -> list[str]:
    """Copy a database into a file; return the SQL that SQLite here cannot run.

    Args:
        database: which.
        target: the file, which is empty.
        progress: told how many rows were copied.
        staged: copy the tables in which rows wait for a restore, to which nobody else writes, and
            no others.

    Raises:
        DatabaseError: it could not be read.
        Refused: somebody writes all the time; or a value does not survive.
    """
    plain = True
    for _ in range(_TRIES):
        target.write_bytes(b"")
        before = database.position()
        found = survey.of(database, staged=staged)
        small = sum(each.rows * each.largest for each in found.present) * _GROWS <= _SMALL
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            loading = Loading(copy, found, progress)
            loading.prepare()
            try:
                if small:
                    _at_once(database, found, loading, copy, plain=plain)
                else:
                    _by_pages(database, found, loading, copy, plain=plain)
                    if not staged and database.position() != before:
                        continue
            except _Other:
                plain = False  # a text that is no UTF-8, or somebody wrote: read it again
                continue
            except DatabaseError as error:
                if not plain or error.kind not in ("value", "syntax", "too large"):
                    raise
                plain = False  # such a text may also break the answer off
                continue
            return loading.finish()
    raise Refused(
        "The database changes while the backup is taken",
        f"somebody wrote during each of {_TRIES} tries",
        "run it again in a quiet hour; or: wrangler d1 export",
    )


def _at_once(
    database: D1Database, found: Survey, loading: Loading, copy: sqlite3.Connection, *, plain: bool
) -> None:
    filled = _filled(found)
    asked = [survey.SCHEMA]
    asked += [json_rows.measuring(each.table, total=True) for each in filled]
    asked += [
        json_rows.page(each.table, _ALL, "", plain=plain, wide=_is_wide(each)) for each in filled
    ]
    schema, *answers = database.snapshot([Statement(sql) for sql in asked])
    if [row.values_in_order for row in schema.rows] != [r.values_in_order for r in found.schema]:
        raise _Other
    for each, size, page in zip(
        filled, answers[: len(filled)], answers[len(filled) :], strict=True
    ):
        loading.empty(each.table)
        _insert(loading, each, page.rows, plain=plain)
        _require_same(copy, each, size.rows[0])


def _by_pages(
    database: D1Database, found: Survey, loading: Loading, copy: sqlite3.Connection, *, plain: bool
) -> None:
    for each in _filled(found):
        loading.empty(each.table)
        for rows in _pages(database, each, plain=plain):
            _insert(loading, each, rows, plain=plain)
        _require_same(copy, each, database.query(json_rows.measuring(each.table, total=True))[0])


def _pages(database: D1Database, each: Measured, *, plain: bool) -> Iterator[Sequence[Row]]:
    wide = _is_wide(each)
    grown = each.largest * (_GROWS_WIDE if wide else _GROWS)
    count = max(1, min(_MOST_ROWS, _SMALL // max(1, grown)))
    after = ""
    while True:
        rows = database.query(json_rows.page(each.table, count, after, plain=plain, wide=wide))
        yield rows
        if len(rows) < count:
            return
        after = str(rows[-1][0])


def _filled(found: Survey) -> list[Measured]:
    return [each for each in found.present if each.table.kind != "virtual"]


def _is_replaced(rows: Sequence[Row]) -> bool:
    cells = (cell for row in rows for cell in row.values_in_order)
    return any(isinstance(cell, str) and _REPLACED in cell for cell in cells)


def _is_wide(each: Measured) -> bool:
    """Return whether a row may be too long for one text of D1's."""
    written = each.largest * _GROWS + len(each.table.copied) * _AROUND
    return written > (limits.D1.row or 0)


def _insert(loading: Loading, each: Measured, rows: Sequence[Row], *, plain: bool) -> None:
    if plain and _is_replaced(rows):
        raise _Other  # it may stand there, or for bytes that are no UTF-8, even for as many
    if _is_wide(each):
        values = [typed(row.text(1), row.values_in_order[2:]) for row in rows]
        odd = any(isinstance(value, Text) for row in values for value in row)
    else:
        texts = [row.text(1) for row in rows]
        values = [json.loads(text, object_hook=as_bytes) for text in texts]
        odd = any('{"t":' in text for text in texts)
    loading.insert(each.table, values, odd=odd)


def _require_same(copy: sqlite3.Connection, each: Measured, told: Row) -> None:
    """Compare the number of rows, and their bytes, with what D1 counts."""
    held = copy.execute(json_rows.measuring(each.table, total=True)).fetchone()
    if tuple(held) != told.values_in_order:
        raise _Other
