"""A snapshot of a server on its way into a file: tables, rows as they come, and all else."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from xswarm_deploy.console import Progress
from xswarm_deploy.database import hrana
from xswarm_deploy.database.client import DatabaseError, Row
from xswarm_deploy.database.schema import quoted
from xswarm_deploy.database.survey import Survey
from xswarm_deploy.database.tables import Table
from xswarm_deploy.errors import Refused

_BEFORE_ROWS = 3  # BEGIN, the schema, user_version


class Changed(Exception):
    """The schema changed between looking at it and reading the rows."""


class Text(bytes):
    """Text that is no UTF-8."""


class Loading:
    """A snapshot on its way into a file.

    Args:
        copy: the file.
        found: what comes: the tables in the order their rows come.
        progress: told how many rows came.
    """

    def __init__(self, copy: sqlite3.Connection, found: Survey, progress: Progress) -> None:
        self._copy, self._schema, self._present = copy, found.schema, found.tables
        self._progress, self._total, self._done = progress, found.rows, 0

    def prepare(self) -> None:
        """Make the tables; all else comes after the rows."""
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "foreign_keys = OFF",
            "ignore_check_constraints = ON",
        ):
            self._copy.execute(f"PRAGMA {pragma}")
        self._copy.execute("BEGIN")
        for table in self._present:
            if not table.made_along:
                self._make(table)

    @hrana.understood
    def read(self, entries: Iterator[hrana.Json], count: int) -> None:
        """Take the rows in.

        Args:
            entries: of the cursor.
            count: how many statements come before COMMIT.
        """
        step, schema = -1, []
        for entry in entries:
            kind = entry.get("type", "")
            if kind == "step_begin":
                step = int(entry["step"])
                if 0 <= step - _BEFORE_ROWS < len(self._present):
                    self.empty(self._present[step - _BEFORE_ROWS])
            elif kind in ("step_error", "error"):
                raise hrana.failure(entry["error"])
            elif kind == "row" and step == 1:
                schema.append([hrana.decode(cell, "schema") for cell in entry["row"]])
            elif kind == "row" and step == 2:
                version = hrana.decode(entry["row"][0], "user_version")
                self._copy.execute(f"PRAGMA user_version = {version!r}")
            elif kind == "row":
                self._insert(self._present[step - _BEFORE_ROWS], entry["row"])
            if kind == "step_end" and step == 1:
                self._require_unchanged(schema)
        if step != count:
            raise DatabaseError("unavailable", "the snapshot broke off", remedy="run it again")

    def finish(self) -> list[str]:
        """Make indexes, views and triggers; return the SQL that only libSQL can run."""
        beside = []
        kinds = ("index", "view", "trigger")
        held = {table.name for table in self._present}
        rows = [
            row
            for row in self._schema
            if row["sql"] and row["type"] in kinds
            if row["type"] != "index" or row["tbl_name"] in held
        ]
        for row in sorted(rows, key=lambda row: kinds.index(row.text("type"))):
            if not self._try(row):
                beside.append(row.text("sql"))
        self._copy.execute("COMMIT")
        return beside

    def empty(self, table: Table) -> None:
        """Empty a table that was filled along with another one, before its own rows come."""
        if table.made_along:
            self._copy.execute(f"DELETE FROM {quoted(table.name)}")  # noqa: S608

    def _make(self, table: Table) -> None:
        try:
            self._copy.execute(table.sql)
        except sqlite3.Error as error:
            raise Refused(
                f"SQLite {sqlite3.sqlite_version} here cannot hold the table {table.name}",
                str(error),
                "install a Python with a newer SQLite",
            ) from None

    def _try(self, row: Row) -> bool:
        shadows = {table.name for table in self._present if table.kind == "shadow"}
        try:
            self._copy.execute(row.text("sql"))
        except sqlite3.Error:
            # Made together with its virtual table, or known to libSQL only.
            made = self._copy.execute(
                "SELECT tbl_name FROM sqlite_schema WHERE name = ?", (row["name"],)
            ).fetchone()
            return made is not None and made[0] in shadows
        return True

    def _require_unchanged(self, schema: Sequence[Sequence[Any]]) -> None:
        if [tuple(row) for row in schema] != [row.values_in_order for row in self._schema]:
            raise Changed

    def _insert(self, table: Table, cells: Sequence[hrana.Json]) -> None:
        if len(cells) > 1:
            rows = [read_cells(cells, table.copied)]
            odd = any(isinstance(value, Text) for value in rows[0])
        else:
            text = cells[0]["value"]
            rows = json.loads(text, object_hook=as_bytes)
            odd = '{"t":' in text
        self.insert(table, rows, odd=odd)

    def insert(self, table: Table, rows: Sequence[Any], *, odd: bool) -> None:
        """Write rows, and tell it.

        Args:
            table: where they belong.
            rows: their values, in the order of the copied columns.
            odd: there may be a :class:`Text` among them.
        """
        head = f"INSERT INTO {quoted(table.name)} ({table.list}) VALUES"
        if odd:
            for row in rows:
                places = ["CAST(? AS TEXT)" if isinstance(v, Text) else "?" for v in row]
                self._copy.execute(f"{head} ({', '.join(places)})", row)
        else:
            places = ["?"] * len(table.copied)
            self._copy.executemany(f"{head} ({', '.join(places)})", rows)
        self._done += len(rows)
        self._progress("read rows", self._done, self._total, "rows")


def read_cells(cells: Sequence[hrana.Json], columns: Sequence[str]) -> list[Any]:
    """Return the values of a row that came by itself."""
    return typed(str(cells[0]["value"]), list(map(hrana.decode, cells[1:], columns)))


def typed(types: str, values: Sequence[Any]) -> list[Any]:
    """Return values as what they were: a server gives texts as bytes, and numbers as texts.

    Args:
        types: as SQLite's typeof() names them, by comma.
        values: one for each.
    """
    return [_typed(*each) for each in zip(types.split(","), values, strict=True)]


def _typed(kind: str, value: Any) -> Any:
    if kind == "integer":
        return int(value)
    if kind == "real":
        return json.loads(value)
    if kind != "text" or isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return Text(value)


def as_bytes(found: dict[str, str]) -> bytes:
    """Return the blob, or the text as bytes, that a JSON object stands for."""
    return bytes.fromhex(found["b"]) if "b" in found else Text(bytes.fromhex(found["t"]))
