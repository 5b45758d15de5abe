"""What there is to copy from a server: its schema, its tables, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xswarm_deploy.database import json_rows, own, tables
from xswarm_deploy.database.client import Database, Row, Statement
from xswarm_deploy.database.schema import vector_shadows
from xswarm_deploy.database.tables import Table

SCHEMA: Final = "SELECT type, name, sql, tbl_name FROM sqlite_schema ORDER BY rowid"


@dataclass(frozen=True)
class Measured:
    """A table, and its size.

    Args:
        table: which.
        rows: how many it has.
        largest: bytes of its largest row.
    """

    table: Table
    rows: int = 0
    largest: int = 0


@dataclass(frozen=True)
class Survey:
    """What a database holds.

    Args:
        schema: the rows of :data:`SCHEMA`.
        present: the tables to copy, in their order.
    """

    schema: Sequence[Row]
    present: Sequence[Measured]

    @property
    def tables(self) -> list[Table]:
        """Return the tables."""
        return [each.table for each in self.present]

    @property
    def rows(self) -> int:
        """Return how many rows they have in all."""
        return sum(each.rows for each in self.present)


def of(database: Database, *, staged: bool = False) -> Survey:
    """Read the schema, and of every table how many rows it has and how large they get.

    Args:
        database: on a server.
        staged: look at the tables in which rows wait for a restore, and at no others.
    """
    schema, found, columns = database.snapshot(
        [Statement(SCHEMA), tables.SELECT, tables.SELECT_COLUMNS]
    )
    indexes = {r.text("name"): str(r["sql"]) for r in schema.rows if r["type"] == "index"}
    every = tables.tables(found.rows, columns.rows)
    of_vectors = vector_shadows([table.name for table in every], indexes)
    held = [
        table
        for table in every
        if table.name not in of_vectors
        and table.name.startswith(own.STAGED) is staged
        and not table.name.startswith(database.limits.reserved)
    ]
    filled = [table for table in held if table.kind != "virtual"]
    sizes = database.snapshot([Statement(json_rows.measuring(table)) for table in filled])
    measured = {
        table.name: Measured(table, size.rows[0].integer(0), int(size.rows[0][1] or 0))
        for table, size in zip(filled, sizes, strict=True)
    }
    return Survey(schema.rows, [measured.get(table.name, Measured(table)) for table in held])
