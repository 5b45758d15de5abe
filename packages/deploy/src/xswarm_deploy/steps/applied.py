"""The applied migrations: which there are, and which of them older code does not work with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from xswarm_deploy.database import migration_history, migrations

if TYPE_CHECKING:
    from xswarm_deploy.database.migration_history import Applied
    from xswarm_deploy.database.migrations import Migration
    from xswarm_deploy.environment import Environment


def names(environment: Environment) -> list[str]:
    """Return the names of the applied migrations, in the order they ran."""
    return migration_history.names(environment.database)


def since(environment: Environment, then: Sequence[str]) -> list[Migration]:
    """Return what was applied since the ledger held these names, as it was applied."""
    return [_parsed(row) for row in _own(environment) if row.name not in then]


@dataclass(frozen=True)
class Today:
    """The applied migrations as a plan finds them; what they say is read once, where it is needed.

    Args:
        environment: the environment.
        names: in the order they ran.
    """

    environment: Environment
    names: Sequence[str]

    def incompatible(self, then: Sequence[str]) -> list[str]:
        """Return the migrations that code of an earlier schema does not work with.

        Args:
            then: the names that were applied when that code was live.
        """
        if set(self.names) <= set(then):
            return []  # as mostly: no need to read what they say
        rows = [row for row in self._own if row.name not in then]
        return [row.name for row in rows if row.text and not _parsed(row).compatible]

    def removing(self, then: Sequence[str]) -> list[str]:
        """Return what was taken away since, of what code of an earlier schema may use.

        Left out is what its file marks as incompatible, which :meth:`incompatible` returns.

        Args:
            then: the names that were applied when that code was live.
        """
        if set(self.names) <= set(then):
            return []
        known = tuple((row.filename, row.text) for row in self._own if row.text)
        return [
            f"{name} {what}"
            for name, listed in _removals(known)
            for what in listed
            if name not in then
        ]

    @cached_property
    def _own(self) -> list[Applied]:
        return _own(self.environment)


def today(environment: Environment) -> Today:
    """Read which migrations are applied."""
    return Today(environment, names(environment))


@cache
def _removals(known: tuple[tuple[str, str], ...]) -> list[tuple[str, list[str]]]:
    """Return what files took away; a list of releases to choose from asks it of each."""
    from xswarm_deploy.database import lint  # heavy, and seldom asked for

    files = [migrations.parse(filename, text) for filename, text in known]
    found = lint.removals(files)
    return [(file.name, found[file.name]) for file in files if file.compatible]


def _own(environment: Environment) -> list[Applied]:
    """Return the entries but those of other Workers that share the database."""
    rows = migration_history.read(environment.database)
    return [row for row in rows if row.owner in ("", environment.worker)]


def _parsed(row: Applied) -> Migration:
    return migrations.parse(row.filename, row.text or "")
