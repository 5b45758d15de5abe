"""What migrations will do together, as far as it is found without running them on the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from xswarm_deploy.database.counting import Guard, Held, Noted, Released
from xswarm_deploy.database.statements import Fragment, folded


class Part(NamedTuple):
    """The statements of one file that run together.

    Args:
        filename: e.g. ``teams.sql``.
        fragments: its up part, or its down part.
        removes: tables, in small letters, of which the file says that rows go along.
        changes: tables, or columns as ``table.column``, of which it says that values change.
    """

    filename: str
    fragments: Sequence[Fragment]
    removes: Collection[str] = ()
    changes: Collection[str] = ()

    def may_change(self, table: str, column: str, *, is_key: bool = False) -> bool:
        """Return whether the file says that values of a column change.

        The name of a table stands for all its columns, but for its primary key.
        """
        whole = not is_key and folded(table) in self.changes
        return whole or f"{folded(table)}.{folded(column)}" in self.changes


Step = Fragment | Noted | Held | Released | Guard


@dataclass
class Foresight:
    """What parts will do together, found without running them on the database.

    Args:
        parts: the steps of each, guards among them.
        lifted: foreign keys must not be enforced meanwhile: their actions would remove rows.
        rebuilt: tables that are made anew.
        anew: columns of them that are written anew, e.g. ``users.email``.
        acting: foreign keys whose actions would change rows, if they were not lifted.
        refusals: why they cannot run.
        examined: it holds for the schema that was looked at only.
    """

    parts: list[list[Step]] = field(default_factory=list)
    lifted: bool = False
    rebuilt: list[str] = field(default_factory=list)
    anew: list[str] = field(default_factory=list)
    acting: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    examined: bool = False

    @property
    def guarded(self) -> bool:
        """Return whether anything has to be counted."""
        return any(self.comparisons)

    @property
    def comparisons(self) -> list[Guard]:
        """Return what is compared."""
        return [step for part in self.parts for step in part if isinstance(step, Guard)]
