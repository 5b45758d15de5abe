"""Which columns a copy writes anew, by the words of its author.

That a value becomes another is SQLite's to tell (``contents``); whether it is meant is not. An
expression that is written for a column says so, ``SELECT id, lower(email)``; a name or ``*`` does
not. What cannot be read here was not said: such a change is refused, and can be said in a comment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from xswarm_deploy.database.schema import lexed
from xswarm_deploy.database.statements import folded

_NAMES: Final = ("word", "double", "back", "square")
_PLAIN: Final = ("word", "sign")
_LITERALS: Final = (
    *("null", "true", "false"),
    *("current_timestamp", "current_date", "current_time"),
)
_COMPOUND: Final = frozenset({"union", "except", "intersect"})


class _Token(NamedTuple):
    """One token: a name or word in small letters, or anything else."""

    text: str
    is_name: bool
    is_quoted: bool

    def says(self, *words: str) -> bool:
        """Return whether it is one of some words or signs."""
        return self.text in words and not self.is_quoted


def written_anew(sql: str, columns: Sequence[str]) -> frozenset[str]:
    """Return the columns, in small letters, for which a copy has an expression.

    Args:
        sql: ``INSERT … SELECT``, or ``CREATE TABLE … AS SELECT``; another has none.
        columns: of the table that is written to, those that an INSERT without names fills.
    """
    tokens = [
        _Token(
            folded(text) if kind != "text" else text,
            kind in _NAMES and not (kind == "word" and text[:1].isdigit()),
            kind not in _PLAIN,
        )
        for kind, text in lexed(sql)
    ]
    start = _outer(tokens, "insert", "replace", "create")
    select = _outer(tokens, "select", after=start)
    if start < 0 or select < 0:
        return frozenset()
    items = _items(tokens[select + 1 :])
    if tokens[start].says("create"):
        return frozenset(_alias(item) for item in items if not _is_bare(item)) - {""}
    named = _named(tokens[start:select])
    targets = named or [folded(column) for column in columns]
    found = set()
    for target, item in zip(targets, items, strict=False):
        if _is_star(item):
            break  # how many columns it is, is not known here
        if not _is_bare(item):
            found.add(target)
    return frozenset(found)


def _outer(tokens: Sequence[_Token], *words: str, after: int = 0) -> int:
    """Return the place of the first of some words that stands in no brackets; -1: none does."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += token.says("(") - token.says(")")
        if depth == 0 and place >= after and token.says(*words):
            return place
    return -1


def _named(tokens: Sequence[_Token]) -> list[str]:
    """Return the columns that an INSERT names."""
    opened = next((i for i, token in enumerate(tokens) if token.says("(", "with")), -1)
    if opened < 0 or tokens[opened].says("with"):
        return []
    closed = next(i for i, token in enumerate(tokens) if token.says(")"))
    return [token.text for token in tokens[opened + 1 : closed] if token.is_name]


def _items(tokens: Sequence[_Token]) -> list[list[_Token]]:
    """Return the result columns of a SELECT; of a compound one none, since they are several."""
    if _outer(tokens, *_COMPOUND) >= 0:
        return []
    ended = _outer(tokens, "from", ";")
    depth = 0
    items: list[list[_Token]] = [[]]
    for place, token in enumerate(tokens[: ended if ended >= 0 else len(tokens)]):
        depth += token.says("(") - token.says(")")
        if place == 0 and token.says("distinct", "all"):
            continue
        if depth == 0 and token.says(","):
            items.append([])
        else:
            items[-1].append(token)
    return items


def _is_star(item: Sequence[_Token]) -> bool:
    return len(item) in (1, 3) and item[-1].says("*")


def _is_bare(item: Sequence[_Token]) -> bool:
    """Return whether an item is a column, perhaps with its table's name, perhaps with an alias."""
    parts = item
    if len(item) > 2 and item[-2].says("as"):
        parts = item[:-2]
    elif len(item) > 1 and item[-1].is_name and item[-2].is_name:
        parts = item[:-1]
    names, dots = parts[0::2], parts[1::2]
    is_column = all(token.is_name for token in names) and all(token.says(".") for token in dots)
    return (is_column and len(parts) % 2 == 1 and not _is_literal(parts)) or _is_star(item)


def _is_literal(item: Sequence[_Token]) -> bool:
    return len(item) == 1 and item[0].says(*_LITERALS)


def _alias(item: Sequence[_Token]) -> str:
    """Return the name that a result column is given; empty: none."""
    if len(item) < 2 or not item[-1].is_name:
        return ""
    before = item[-2]
    is_alias = before.says(")") or before.is_name or before.is_quoted
    return item[-1].text if is_alias else ""
