"""Which engine a database has: SQLite's own, libSQL's included, or Turso's new one, by its word."""

from __future__ import annotations

from typing import Final, NamedTuple

from xswarm_deploy.database.client import Database, DatabaseError
from xswarm_deploy.errors import DeployError, Refused

LACKS: Final = "it has no pragma_foreign_key_check, by which a migration shows that it broke no key"
"""Why Turso's engine is not migrated by this tool; a test asks the engine itself (pyturso 0.8)."""
INSTEAD: Final = "make the database with libSQL's engine (turso db create), and restore it there"
_NO_ANSWER: Final = ("unavailable", "unauthorised")
_ASK: Final = (
    "SELECT sqlite_version() AS version,"
    " (SELECT count(*) FROM pragma_function_list WHERE name = 'turso_version') AS turso"
)


class Engine(NamedTuple):
    """An engine, and the version of SQLite that it says it is."""

    version: str
    turso: bool = False

    def __str__(self) -> str:
        """Return it as it is told to people."""
        return (
            f"Turso's new engine, as SQLite {self.version}"
            if self.turso
            else (f"SQLite {self.version}")
        )


def of(database: Database) -> Engine:
    """Ask a database for its engine, in one query."""
    (row,) = database.query(_ASK)
    return Engine(str(row["version"]), bool(row["turso"]))


def refusal(database: Database, error: DatabaseError) -> DeployError:
    """Return why the schema cannot be read: the engine, where it is that, else the error itself."""
    try:
        found = None if error.kind in _NO_ANSWER else of(database)
    except DatabaseError:
        return error
    if found is None or not found.turso:
        return error
    return Refused(f"the database has {found}, which is not migrated", LACKS, INSTEAD)
