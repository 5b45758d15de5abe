"""Names in double quotes that SQLite takes as text, since no column has them.

``INSERT INTO new ("id", "seats") SELECT "id", "seats" FROM old`` writes the text ``seats`` into
every row where ``old`` has no such column; drizzle-kit generates such statements where a column is
added while another one changes. In brackets a name is never text, so SQLite itself tells which is.

Source: https://www.sqlite.org/quirks.html (double-quoted string literals are accepted).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from xswarm_deploy.database import schema
from xswarm_deploy.database.statements import first_words, folded

_UNKNOWN = re.compile(r"no such column: (?P<name>.*)", re.DOTALL)
_READING = frozenset({"UPDATE", "DELETE", "SELECT", "WITH"})
_MAY_READ = frozenset({"INSERT", "REPLACE", "CREATE"})
_OF_CREATE = frozenset({"TRIGGER", "VIEW", "INDEX", "VIRTUAL"})


def may_have(sql: str) -> bool:
    """Return whether a statement may read a table and has a double quote."""
    if '"' not in sql:
        return False
    verb, *others = first_words(sql, 3) or ("",)
    if verb in _READING:
        return True
    return (
        verb in _MAY_READ
        and "select" in sql.lower()
        and not (verb == "CREATE" and _OF_CREATE.intersection(others))
    )


def taken_as_text(sql: str, refusal: Callable[[str], str]) -> list[str]:
    """Return the names in double quotes that SQLite takes as text.

    Args:
        sql: a statement that SQLite takes as it is.
        refusal: returns why SQLite would not compile a statement; empty: it would.
    """
    found: list[str] = []
    while unknown := _UNKNOWN.fullmatch(refusal(_bracketed(sql, found))):
        name = folded(unknown["name"])
        if name in found:
            break
        found.append(name)
    return found


def _bracketed(sql: str, texts: Collection[str]) -> str:
    """Write all names in double quotes in brackets, but those that are texts."""
    pieces: list[str] = []
    end = 0
    for start, stop, name in schema.double_quoted(sql):
        if "]" not in name and folded(name) not in texts:
            pieces += [sql[end:start], f"[{name}]"]
            end = stop
    return "".join([*pieces, sql[end:]])
