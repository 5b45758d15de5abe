"""What a transaction counts while migrations run, so that no row goes that they do not name.

Rows can go without a word: by a foreign key's action, a trigger, a conflict clause, or a table
that is made anew with fewer rows. What may do so is found beforehand (``effects``); the
transaction then notes numbers before, compares them after, and fails where one is smaller.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xswarm_deploy.database import double_quotes
from xswarm_deploy.database.client import Row
from xswarm_deploy.database.counting import Guard, Held, Noted, Released
from xswarm_deploy.database.statements import Fragment, folded

_WORDS: Final = ("drop", "delete", "update", "replace", "alter", "trigger", "foreign_keys")
"""Without one of these words nothing that SQLite takes removes or changes a row."""


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

    @property
    def counted(self) -> bool:
        """Return whether numbers have to be noted."""
        return any(isinstance(step, Noted) for part in self.parts for step in part)


def foresee(schema: Sequence[Row], parts: Sequence[Part], *, lifts: bool = True) -> Foresight:
    """Find out what parts do to the rows and tables of a database.

    Args:
        schema: of the database: rows of type, name, tbl_name and sql.
        parts: in the order they run.
        lifts: the database can lift foreign keys, so that they do nothing meanwhile.
    """
    if _is_harmless(schema, parts):
        return Foresight([list(part.fragments) for part in parts])
    from xswarm_deploy.database import weaving

    return weaving.foresee(schema, parts, lifts=lifts)


def may_refuse(parts: Sequence[Part]) -> bool:
    """Return whether parts may be refused by what they say: no table, or a text for a column."""
    return any(
        any(word in fragment.sql.lower() for word in ("drop", "alter"))
        or _may_copy_texts(fragment.sql)
        for part in parts
        for fragment in part.fragments
    )


def _is_harmless(schema: Sequence[Row], parts: Sequence[Part]) -> bool:
    """Return whether nothing can happen that is worth a look, from the words that it would need."""
    texts = [fragment.sql for part in parts for fragment in part.fragments]
    texts += [str(row["sql"]) for row in schema if _fires(str(row["sql"]))]
    text = "\n".join(texts).lower()
    return not any(word in text for word in _WORDS) and not any(map(_may_copy_texts, texts))


def _may_copy_texts(sql: str) -> bool:
    """Return whether a statement may copy rows, with names in double quotes."""
    return '"' in sql and "select" in sql.lower() and double_quotes.may_have(sql)


def _fires(sql: str) -> bool:
    """Return whether an object of the schema may do something when rows are written."""
    text = sql.lower()
    return "trigger" in text or "replace" in text
