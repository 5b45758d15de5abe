"""What a restore would lose: the rows that the database holds now, and the backup does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xswarm_deploy.database import contents, digest, own, tables
from xswarm_deploy.database.schema import default_value, quoted
from xswarm_deploy.database.statements import folded
from xswarm_deploy.database.tables import Table


@dataclass(frozen=True)
class Loss:
    """What one table would lose.

    Args:
        table: its name.
        rows: how many it has now.
        lost: how many of them the backup does not have, or has otherwise.
    """

    table: str
    rows: int
    lost: int


def losses(now: Path, then: Path, table: str = "") -> list[Loss]:
    """Count for every table what would be lost; those that lose nothing are left out.

    Equal rows are counted, too: of two, one is lost where the backup has one. So is a row with a
    value in a column that the backup does not have, and a document of a full-text table.

    Args:
        now: the database as it is, as a file.
        then: the backup, as a file.
        table: only this one; empty: all.
    """
    with closing(digest.open_readonly(now)) as connection:
        connection.execute("ATTACH ? AS backup", (f"{then.absolute().as_uri()}?mode=ro",))
        found = [
            _loss(connection, each)
            for each in tables.read(connection)
            if each.name not in own.RELEASES
            and not each.name.startswith("sqlite_")
            and (each.kind == "table" or _holds_documents(each))
            and table in ("", each.name)
        ]
    return [loss for loss in found if loss.lost]


def _loss(connection: sqlite3.Connection, table: Table) -> Loss:
    name = quoted(table.name)
    (rows,) = connection.execute(f"SELECT count(*) FROM main.{name}").fetchone()  # noqa: S608
    if table.number in table.columns and _is_made_alike(connection, table):
        (lost,) = connection.execute(_by_number(table)).fetchone()
        return Loss(table.name, rows, int(lost))
    asked = connection.execute("SELECT name FROM pragma_table_xinfo(?, 'backup')", (table.name,))
    there = {folded(column) for (column,) in asked}
    shared = [quoted(column) for column in table.columns if folded(column) in there]
    if not shared:
        return Loss(table.name, rows, rows)
    kept = _only_defaults(connection, table, there)
    now, then = _numbered(f"main.{name}", shared, kept), _numbered(f"backup.{name}", shared)
    (lost,) = connection.execute(
        f"SELECT (SELECT count(*) FROM ({now} EXCEPT {then}))"  # noqa: S608
        f" + (SELECT count(*) FROM main.{name} WHERE NOT ({kept}))"
    ).fetchone()
    return Loss(table.name, rows, int(lost))


_MOST: Final = 200  # columns that one condition compares; SQLite takes 1,000 terms


def _is_made_alike(connection: sqlite3.Connection, table: Table) -> bool:
    """Return whether the backup has the very table, and its columns are not too many."""
    found = connection.execute(
        "SELECT 1 FROM backup.sqlite_schema WHERE type = 'table' AND name = ? AND sql = ?",
        (table.name, table.sql),
    )
    return len(table.columns) <= _MOST and found.fetchone() is not None


def _by_number(table: Table) -> str:
    """Return the SQL that looks each row up by its INTEGER PRIMARY KEY, a third of the work."""
    name, key = quoted(table.name), quoted(table.number)
    differs = " OR ".join(
        f"typeof(o.{c}) IS NOT typeof(n.{c}) OR o.{c} COLLATE BINARY IS NOT n.{c}"
        for c in map(quoted, table.columns)
    )
    return (
        f"SELECT count(*) FROM main.{name} AS n LEFT JOIN backup.{name} AS o"  # noqa: S608
        f" ON o.{key} = n.{key} WHERE {differs}"
    )


def _holds_documents(table: Table) -> bool:
    """Return whether it is where a full-text table keeps what was written into it."""
    return table.kind == "shadow" and table.name.endswith("_content")


def _only_defaults(connection: sqlite3.Connection, table: Table, there: Collection[str]) -> str:
    """Return the condition that a row has nothing but defaults in columns of now alone."""
    asked = connection.execute(
        "SELECT name, ifnull(dflt_value, '') FROM pragma_table_xinfo(?, 'main')", (table.name,)
    )
    defaults = {name: default_value(written) for name, written in asked}
    added = [column for column in table.columns if folded(column) not in there]
    return " AND ".join(f"{quoted(each)} IS {defaults[each]}" for each in added) or "TRUE"


def _numbered(name: str, columns: Sequence[str], where: str = "TRUE") -> str:
    """Return the SQL that numbers rows among their equals: of three, the third is one more."""
    values = contents.same_values(columns)
    numbered = f"row_number() OVER (PARTITION BY {values})"
    return f"SELECT {values}, {numbered} FROM {name} WHERE {where}"  # noqa: S608
