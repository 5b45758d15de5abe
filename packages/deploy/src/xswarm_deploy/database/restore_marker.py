"""Whether a release's restore took place: a mark, written atomically with the restore.

An error does not tell: the restore may have been refused, or made and only its reply lost,
or may still be on its way. The mark tells, and a mark against it keeps a late one from
taking place at all.
"""

from __future__ import annotations

from typing import Final

from xswarm_deploy.database.client import Database, Statement
from xswarm_deploy.database.literals import literal

TABLE: Final = "_release_restores"
"""Where the marks are; a restore leaves it as it is."""

_MADE: Final = "made"
_UNDONE: Final = "undone"
_CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (release TEXT PRIMARY KEY, state TEXT NOT NULL)"
)
_READ: Final = f"SELECT state FROM {TABLE} WHERE release = ?"  # noqa: S608
_FORBID: Final = f"INSERT OR IGNORE INTO {TABLE} VALUES (?, '{_UNDONE}')"  # noqa: S608


def making(release: str) -> list[str]:
    """Return the SQL that marks a restore as made; it fails where the restore was undone."""
    return [_CREATE, f"INSERT INTO {TABLE} VALUES ({literal(release)}, '{_MADE}')"]  # noqa: S608


def undoing(release: str) -> list[str]:
    """Return the SQL that marks a restore as undone."""
    return [f"UPDATE {TABLE} SET state = '{_UNDONE}' WHERE release = {literal(release)}"]  # noqa: S608


def is_made(database: Database, release: str) -> bool:
    """Return whether a release's restore took place and stands."""
    return _state(database, release) == _MADE


def is_to_undo(database: Database, release: str) -> bool:
    """Return whether a release's restore stands; where it does not, see to it that it never will.

    Asked as a writer: a restore that the server is still busy with is waited for.

    Raises:
        DatabaseError: nobody can tell now.
    """
    return _state(database, release, Statement(_FORBID, (release,))) == _MADE


def _state(database: Database, release: str, *first: Statement) -> str:
    reading = Statement(_READ, (release,))
    rows = database.transaction([Statement(_CREATE), *first, reading])[-1].rows
    return rows[0].text(0) if rows else ""
