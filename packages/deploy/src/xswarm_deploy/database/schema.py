"""What a database is made of: read, compared, and shown as a difference."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Final

from xswarm_deploy.database import own
from xswarm_deploy.database.client import Database, Row, Statement
from xswarm_deploy.database.literals import literal
from xswarm_deploy.database.migrations import Migration

Objects = Mapping[tuple[str, str], str]
"""(type, name) → the SQL that makes it."""

OF_D1 = "_cf_"
"""How the names begin of the tables that D1 keeps for itself."""

OF_VECTORS = "libsql_vector_meta_shadow"
"""The table that libSQL keeps of its vector indexes."""

_MAKES_VECTORS: Final = "libsql_vector_idx"

SELECT = Statement(
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name NOT IN"
    " (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY type, name"
)


@cache
def _token() -> re.Pattern[str]:
    """Return the pattern of one token; compiled when schemas are compared."""
    return re.compile(
        r"""
        (?P<skip>[ \t-\r]+|--[^\n]*|/\*(?s:.*?)(?:\*/|\Z))
        | (?P<text>'(?:[^']|'')*(?:'|\Z))
        | "(?P<double>(?:[^"]|"")*)(?:"|\Z) | `(?P<back>(?:[^`]|``)*)(?:`|\Z)
        | \[(?P<square>[^\]]*)(?:\]|\Z)
        | (?P<word>[A-Za-z0-9_$\x80-\U0010ffff]+)
        | (?P<sign>.)
        """,
        re.VERBOSE,
    )


def quoted(name: str) -> str:
    """Write a name so that SQL reads it as one, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def read(database: Database) -> Objects:
    """Return the tables, indexes, views and triggers, the house's own left out."""
    return objects(database.query(SELECT.sql))


def objects(found: Sequence[Row]) -> Objects:
    """Read the rows that :data:`SELECT` gives; what libSQL keeps for itself is left out."""
    texts = [tuple(map(str, row.values_in_order)) for row in found]
    indexes = {name: sql for kind, name, _, sql in texts if kind == "index"}
    shadows = vector_shadows([name for kind, name, _, _ in texts if kind == "table"], indexes)
    return {
        (kind, name): sql
        for kind, name, table, sql in texts
        if table not in own.ALL and not table.startswith(OF_D1) and table not in shadows
    }


def vector_shadows(names: Sequence[str], indexes: Mapping[str, str]) -> set[str]:
    """Return the tables libSQL keeps for its vector indexes, which it rebuilds by itself.

    Args:
        names: of all tables.
        indexes: the SQL that makes each index; a table beside an ordinary one is the user's.
    """
    if OF_VECTORS not in names:
        return set()
    of_vectors = {
        f"{name}_shadow" for name, sql in indexes.items() if _MAKES_VECTORS in sql.lower()
    }
    return {OF_VECTORS, *of_vectors.intersection(names)}


def of_migrations(migrations: Sequence[Migration]) -> tuple[Objects, list[str]]:
    """Return what migrations make of an empty database, and the statements SQLite here refuses.

    Those are libSQL's own, or an extension's, or about what such a statement made.
    """
    scratch = sqlite3.connect(":memory:", isolation_level=None)
    refused = []
    try:
        scratch.execute("PRAGMA recursive_triggers = ON")
        for fragment in [fragment for migration in migrations for fragment in migration.up]:
            try:
                scratch.execute(fragment.sql)
            except (sqlite3.Error, UnicodeEncodeError):
                refused.append(fragment.sql)
        columns = ("type", "name", "tbl_name", "sql")
        found = objects([Row(columns, row) for row in scratch.execute(SELECT.sql)])
    finally:
        scratch.close()
    return found, refused


def without(found: Objects, named: Sequence[str]) -> Objects:
    """Return the objects that statements do not name, and that are not made by them."""
    words = {word for sql in named for word in tokens(sql)}
    return {
        (kind, name): sql
        for (kind, name), sql in found.items()
        if name.lower() not in words and not (kind in ("index", "trigger") and _on(sql) & words)
    }


def _on(sql: str) -> set[str]:
    """Return the name that follows ON in what makes an index or a trigger."""
    words = tokens(sql)
    return {after for word, after in pairwise(words) if word == "on"}


def difference(expected: Objects, found: Objects) -> list[str]:
    """Return what differs, as lines of a diff; empty: nothing that matters.

    Spaces, comments, quotes around names and the case of words do not matter.
    """
    import difflib  # for schemas that are compared

    lines: list[str] = []
    for key in sorted({*expected, *found}):
        wanted, had = expected.get(key, ""), found.get(key, "")
        if tokens(wanted) != tokens(had):
            label = " ".join(key)
            lines += difflib.unified_diff(
                wanted.splitlines(),
                had.splitlines(),
                f"{label} (files)",
                f"{label} (database)",
                lineterm="",
            )
    return lines


_DOUBLED: Final = {"double": '"', "back": "`"}


def tokens(sql: str) -> list[str]:
    """Return the words and signs of a statement, as far as they matter."""
    return [text if kind in ("text", "sign") else text.lower() for kind, text in lexed(sql)]


def lexed(sql: str) -> Iterator[tuple[str, str]]:
    """Return the tokens of a statement, without quotes around names, and what each is.

    A name is a ``word``, or quoted: ``double``, ``back`` or ``square``; else there are ``text`` and
    ``sign``.
    """
    for token in _token().finditer(sql):
        kind = token.lastgroup
        if kind == "skip" or kind is None:
            continue
        quote = _DOUBLED.get(kind, "")
        yield kind, token[kind].replace(quote * 2, quote) if quote else token[kind]


def default_value(written: str) -> str:
    """Return the SQL of a column's default, which an expression can hold.

    There alone SQLite takes a name for a text: ``DEFAULT draft`` and ``DEFAULT "draft"``.

    Args:
        written: as SQLite tells it; empty: there is none.
    """
    found = [*lexed(written)]
    if len(found) != 1:
        return f"({written})" if written else "NULL"
    ((kind, text),) = found
    is_name = kind in ("double", "back", "square") or (
        kind == "word" and not text[0].isdigit() and text.upper() not in _DEFAULTS
    )
    return literal(text) if is_name else f"({written})"


_DEFAULTS: Final = frozenset(
    {"NULL", "TRUE", "FALSE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"}
)


def double_quoted(sql: str) -> Iterator[tuple[int, int, str]]:
    """Return where each name in double quotes begins and ends, and the name."""
    for token in _token().finditer(sql):
        if token.lastgroup == "double":
            yield token.start(), token.end(), token["double"].replace('""', '"')


def rows_by_table(database: Database) -> dict[str, int]:
    """Count the rows of every table, the house's own left out."""
    tables = [name for kind, name in read(database) if kind == "table"]
    if not tables:
        return {}
    counts = database.snapshot(
        [Statement(f"SELECT count(*) FROM {quoted(table)}") for table in tables]  # noqa: S608
    )
    return {table: count.rows[0].integer(0) for table, count in zip(tables, counts, strict=True)}
