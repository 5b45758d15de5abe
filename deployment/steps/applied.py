"""The applied migrations: which there are, and which of them older code does not work with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployment.database import ledger

if TYPE_CHECKING:
    from deployment.database.ledger import Applied
    from deployment.database.migrations import Migration
    from deployment.steps.site import Site


def names(site: Site) -> list[str]:
    """Give the names of the applied migrations, in the order they ran."""
    return ledger.names(site.database)


def since(site: Site, then: Sequence[str]) -> list[Migration]:
    """Give what was applied since the ledger held these names, as it was applied."""
    return [_parsed(row) for row in _own(site) if row.name not in then]


def incompatible(site: Site, then: Sequence[str]) -> list[str]:
    """Give the applied migrations that code of an earlier schema does not work with.

    Args:
        site: the environment.
        then: the names that were applied when that code was live.
    """
    if set(names(site)) <= set(then):
        return []  # as mostly: no need to read what they say
    rows = [row for row in _own(site) if row.name not in then]
    return [row.name for row in rows if row.text and not _parsed(row).compatible]


def _own(site: Site) -> list[Applied]:
    """Return the entries but those of other Workers that share the database."""
    return [row for row in ledger.read(site.database) if row.owner in ("", site.worker)]


def _parsed(row: Applied) -> Migration:
    from deployment.database import migrations

    return migrations.parse(row.filename, row.text or "")
