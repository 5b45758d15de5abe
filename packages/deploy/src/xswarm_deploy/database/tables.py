"""The tables of a database, as a copy needs to know them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from xswarm_deploy.database.client import Row, Statement
from xswarm_deploy.database.schema import quoted, tokens

SELECT = Statement(
    "SELECT list.name, list.type, list.wr, made.sql FROM pragma_table_list AS list"
    " LEFT JOIN sqlite_schema AS made ON made.name = list.name AND made.type = 'table'"
    " WHERE list.schema = 'main' AND list.type IN ('table', 'shadow', 'virtual')"
    " AND list.name NOT IN ('sqlite_schema', 'sqlite_master') ORDER BY made.rowid"
)
SELECT_COLUMNS = Statement(
    'SELECT list.name AS "table", info.name, info.hidden, info.pk, info.type'
    " FROM pragma_table_list AS list, pragma_table_xinfo(list.name) AS info"
    " WHERE list.schema = 'main' AND list.type IN ('table', 'shadow')"
    " ORDER BY list.name, info.cid"
)
_ROWID_NAMES = ("rowid", "_rowid_", "oid")
_SEQUENCES = "sqlite_sequence"
_OF_SQLITE = "sqlite_"


@dataclass(frozen=True)
class Table:
    """One table that holds rows.

    Args:
        name: its name.
        kind: ``table``, ``shadow`` (of a virtual table) or ``virtual``.
        sql: what makes it.
        columns: the columns that are stored; generated ones are not.
        keys: the columns that tell its rows apart: of its primary key, if that can.
        rowid: how its rowid is called, where rows have one besides their columns.
        number: the column or other name that is the rowid; empty where none is, or none tells.
    """

    name: str
    kind: str
    sql: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    rowid: str
    number: str

    @property
    def made_along(self) -> bool:
        """Return whether making another table makes it, and fills it."""
        return self.kind == "shadow" or self.name == _SEQUENCES

    @property
    def copied(self) -> tuple[str, ...]:
        """Return the columns a copy reads and writes, the rowid first where it has one."""
        return (self.rowid, *self.columns) if self.rowid else self.columns

    @property
    def list(self) -> str:
        """Return those columns as SQL."""
        return ", ".join(map(quoted, self.copied))

    @property
    def in_order(self) -> str:
        """Return the SQL that reads its rows in the order of their key."""
        keys = (self.rowid,) if self.rowid else self.keys
        ordered = ", ".join(map(quoted, keys))
        return f"SELECT {self.list} FROM {quoted(self.name)} ORDER BY {ordered}"  # noqa: S608


def read(connection: sqlite3.Connection) -> list[Table]:
    """Read the tables of a database that is open here."""
    return tables(_rows(connection, SELECT.sql), _rows(connection, SELECT_COLUMNS.sql))


def tables(found: Sequence[Row], columns: Sequence[Row]) -> list[Table]:
    """Read the rows that :data:`SELECT` and :data:`SELECT_COLUMNS` give.

    Left out is what SQLite makes by itself: planner statistics, and the table of
    sequences where nothing has one. That table comes last, since filling others
    fills it too.
    """
    of_table: dict[str, list[Row]] = {}
    for column in columns:
        of_table.setdefault(column.text("table"), []).append(column)
    every = [_table(row, of_table.get(row.text("name"), [])) for row in found]
    counted = any("autoincrement" in tokens(table.sql) for table in every)
    sequences = [table for table in every if table.name == _SEQUENCES and counted]
    return [table for table in every if not table.name.startswith(_OF_SQLITE)] + sequences


def _rows(connection: sqlite3.Connection, sql: str) -> list[Row]:
    cursor = connection.execute(sql)
    names = tuple(column[0] for column in cursor.description)
    return [Row(names, row) for row in cursor]


def _table(row: Row, columns: Sequence[Row]) -> Table:
    stored = tuple(column.text("name") for column in columns if column["hidden"] == 0)
    keyed = sorted(
        (column for column in columns if column["pk"]), key=lambda column: column.integer("pk")
    )
    sql = str(row["sql"] or "")
    free = "" if row["wr"] else _rowid_name(columns)
    alias = keyed[0].text("name") if _is_rowid(keyed, sql) and not row["wr"] else ""
    unique = tuple(column.text("name") for column in keyed) if row["wr"] or alias else stored
    rowid = "" if alias or row["name"] == _SEQUENCES else free
    return Table(
        row.text("name"), row.text("type"), sql, stored, unique, rowid, number=alias or free
    )


def _is_rowid(keyed: Sequence[Row], sql: str) -> bool:
    """Return whether the key is the rowid itself: INTEGER PRIMARY KEY, but not … DESC."""
    if len(keyed) != 1 or str(keyed[0]["type"]).upper() != "INTEGER":
        return False
    words = tokens(sql)
    return not any(words[i : i + 3] == ["primary", "key", "desc"] for i in range(len(words)))


def _rowid_name(columns: Sequence[Row]) -> str:
    """Return a name of the rowid that no column has; none is left where all are taken."""
    taken = {column.text("name").lower() for column in columns}
    return next((name for name in _ROWID_NAMES if name not in taken), "")
