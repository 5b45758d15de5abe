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
from xswarm_deploy.database import json_rows, survey
from xswarm_deploy.database.client import DatabaseError, Row, Statement
from xswarm_deploy.database.d1 import D1Database
from xswarm_deploy.database.loading import Loading, as_bytes
from xswarm_deploy.database.survey import Measured, Survey
from xswarm_deploy.errors import Refused

_SMALL: Final = 8_000_000  # bytes that come in one answer; D1 gives at most 50 MB
_GROWS: Final = 2  # times that a row grows as JSON, about
_MOST_ROWS: Final = 5_000
_TRIES: Final = 4
_ALL: Final = -1  # of LIMIT: no limit


class _Other(Exception):
    """What came is not what D1 measures."""


def take(database: D1Database, target: Path, progress: Progress) -> list[str]:
    """Copy a database into a file; return the SQL that SQLite here cannot run.

    Raises:
        DatabaseError: it could not be read.
        Refused: somebody writes all the time; or a value does not survive.
    """
    plain = True
    for _ in range(_TRIES):
        target.write_bytes(b"")
        before = database.position()
        found = survey.of(database)
        small = sum(each.rows * each.largest for each in found.present) * _GROWS <= _SMALL
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            loading = Loading(copy, found, progress)
            loading.prepare()
            try:
                if small:
                    _at_once(database, found, loading, copy, plain=plain)
                else:
                    _by_pages(database, found, loading, copy, plain=plain)
                    if database.position() != before:
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
    asked += [json_rows.page(each.table, _ALL, "", plain=plain) for each in filled]
    schema, *answers = database.snapshot([Statement(sql) for sql in asked])
    if [row.values_in_order for row in schema.rows] != [r.values_in_order for r in found.schema]:
        raise _Other
    for each, size, page in zip(
        filled, answers[: len(filled)], answers[len(filled) :], strict=True
    ):
        loading.empty(each.table)
        _insert(loading, each, page.rows)
        _require_same(copy, each, size.rows[0])


def _by_pages(
    database: D1Database, found: Survey, loading: Loading, copy: sqlite3.Connection, *, plain: bool
) -> None:
    for each in _filled(found):
        loading.empty(each.table)
        for rows in _pages(database, each, plain=plain):
            _insert(loading, each, rows)
        _require_same(copy, each, database.query(json_rows.measuring(each.table, total=True))[0])


def _pages(database: D1Database, each: Measured, *, plain: bool) -> Iterator[Sequence[Row]]:
    count = max(1, min(_MOST_ROWS, _SMALL // max(1, each.largest * _GROWS)))
    after = ""
    while True:
        rows = database.query(json_rows.page(each.table, count, after, plain=plain))
        yield rows
        if len(rows) < count:
            return
        after = str(rows[-1][0])


def _filled(found: Survey) -> list[Measured]:
    return [each for each in found.present if each.table.kind != "virtual"]


def _insert(loading: Loading, each: Measured, rows: Sequence[Row]) -> None:
    texts = [row.text(1) for row in rows]
    odd = any('{"t":' in text for text in texts)
    values = [json.loads(text, object_hook=as_bytes) for text in texts]
    loading.insert(each.table, values, odd=odd)


def _require_same(copy: sqlite3.Connection, each: Measured, told: Row) -> None:
    """Compare the number of rows, and their bytes, with what D1 counts."""
    held = copy.execute(json_rows.measuring(each.table, total=True)).fetchone()
    if tuple(held) != told.values_in_order:
        raise _Other
