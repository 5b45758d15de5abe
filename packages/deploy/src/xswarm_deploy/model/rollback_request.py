"""What a person asks of a rollback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from xswarm_deploy.model.step import Change


class RollbackRequest(NamedTuple):
    """What a person asked for.

    Args:
        version: a version's or release's id, or its beginning; empty: a person chooses.
        restore_db: a backup file or ``latest``; empty: the database stays as it is.
        migrations: whether newer migrations are taken back by their down parts.
        restoring: the changes that restore the backup, once it is proven.
    """

    version: str
    restore_db: str = ""
    migrations: bool = False
    restoring: Sequence[Change] = ()
