"""Which of ``wrangler d1 migrations`` a D1 database has not had, by wrangler's own ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xswarm_deploy.database.d1 import D1Database
from xswarm_deploy.database.schema import quoted

if TYPE_CHECKING:
    from xswarm_deploy.database.d1 import D1Access


def pending(access: D1Access, database: str, ledger: str, names: Sequence[str]) -> list[str]:
    """Return the files that are not applied, in their order.

    Args:
        access: the way to the account's databases.
        database: its id.
        ledger: the table that has the names of what was applied; it need not be there.
        names: of all files.
    """
    with D1Database(database, access) as opened:
        there = opened.query(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?", [ledger]
        )
        rows = opened.query(f"SELECT name FROM {quoted(ledger)}") if there else []  # noqa: S608
    applied = {row.text("name") for row in rows}
    return [name for name in names if name not in applied]
