"""What a transaction counts while migrations run, so that no row goes that they do not name.

Rows can go without a word: by a foreign key's action, a trigger, a conflict clause, or a table
that is made anew with fewer rows. What may do so is found beforehand (``effects``); the
transaction then notes numbers before, compares them after, and fails where one is smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from xswarm_deploy.database import double_quotes
from xswarm_deploy.database.client import Row
from xswarm_deploy.database.foresight import Foresight, Part

_WORDS: Final = ("drop", "delete", "update", "replace", "alter", "trigger", "foreign_keys")
"""Without one of these words nothing that SQLite takes removes or changes a row."""


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
