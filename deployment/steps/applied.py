"""The applied migrations: which there are, and which of them older code does not work with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployment.database import ledger

if TYPE_CHECKING:
    from deployment.database.ledger import Applied
    from deployment.database.migrations import Migration
    from deployment.environment import Environment


def names(environment: Environment) -> list[str]:
    """Give the names of the applied migrations, in the order they ran."""
    return ledger.names(environment.database)


def since(environment: Environment, then: Sequence[str]) -> list[Migration]:
    """Give what was applied since the ledger held these names, as it was applied."""
    return [_parsed(row) for row in ledger.read(environment.database) if row.name not in then]


def incompatible(environment: Environment, then: Sequence[str]) -> list[str]:
    """Give the applied migrations that code of an earlier schema does not work with.

    Args:
        environment: the environment.
        then: the names that were applied when that code was live.
    """
    if set(names(environment)) <= set(then):
        return []  # as mostly: no need to read what they say
    rows = [row for row in ledger.read(environment.database) if row.name not in then]
    return [row.name for row in rows if row.text and not _parsed(row).compatible]


def _parsed(row: Applied) -> Migration:
    from deployment.database import migrations

    return migrations.parse(row.filename, row.text or "")
