"""Which tables are this tool's own, by their whole names: what begins alike may be the user's.

A restore leaves the releases' own as they are, so a user's table taken for one would be lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Tables:
    """Tables by their names: ``"_releases" in own.RELEASES``.

    Args:
        names: whole names.
        beginnings: how the names of others begin, which are there for a while only.
    """

    names: frozenset[str]
    beginnings: tuple[str, ...] = ()

    def __contains__(self, table: str) -> bool:
        """Return whether a table is one of them."""
        return table in self.names or table.startswith(self.beginnings)

    def __or__(self, other: Tables) -> Tables:
        """Return these and others."""
        return Tables(self.names | other.names, self.beginnings + other.beginnings)


STAGED: Final = "_release_staged_"
"""How the names begin of the tables in which rows wait for a restore."""

RELEASES: Final = Tables(
    frozenset(
        {"_releases", "_release_changes", "_release_lock", "_release_audit", "_release_restores"}
    ),
    (STAGED,),
)
MIGRATIONS: Final = Tables(frozenset({"_migrations", "_migration_texts"}))
MONITORING: Final = Tables(
    frozenset(
        f"monitoring_{name}"
        for name in (
            *("book", "flushed", "frames", "incidents"),
            *("pushes", "totals", "uptime", "windows"),
        )
    )
)
"""Where a Worker writes down what it measures, all the time."""

ALL: Final = RELEASES | MIGRATIONS | MONITORING
