"""A database as SQL text: written so that any sqlite3 reads it back exactly, and read with care.

A text that ends early, or that its maker gave up, makes a database that looks whole and is not:
whoever restores it loses rows. So a text is taken only if what it began, it ends.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from xswarm_deploy.database import digest, dump
from xswarm_deploy.database.literals import literal
from xswarm_deploy.database.schema import quoted
from xswarm_deploy.database.statements import (
    Fragment,
    Reading,
    ends_with_semicolon,
    first_words,
    is_blank,
    unended_comment,
)
from xswarm_deploy.errors import Refused

_BEGINS: Final = frozenset({"BEGIN", "SAVEPOINT"})
_ENDS: Final = frozenset({"COMMIT", "END", "RELEASE"})
_STATISTICS: Final = ("sqlite_stat1", "sqlite_stat4")
_ESCAPED = re.compile(
    r"\\(?:(?P<self>\\)|u(?P<u>[0-9A-Fa-f]{4})|U(?P<U>[0-9A-Fa-f]{8})"
    r"|\+(?P<plus>[0-9A-Fa-f]{6})|(?P<bare>[0-9A-Fa-f]{4}))"
)
_SMALL: Final = 1 << 24  # bytes of a text whose statements are held; a larger one is read twice
_ANOTHER: Final = "inv backup.list, and name another"


def write(database: Path, target: Path) -> None:
    """Write a database file as SQL text.

    Args:
        database: the file, which nobody writes to meanwhile.
        target: a new file, mode 0600.
    """
    with closing(digest.open_readonly(database)) as connection, target.open("wb") as file:
        target.chmod(0o600)
        for sql in _lines(connection):
            file.write(f"{_ended(sql)}\n".encode())


def _ended(sql: str) -> str:
    """Return a statement with its semicolon, which a comment at its end must not hide."""
    hidden = "--" in sql[sql.rfind("\n") + 1 :] and not ends_with_semicolon(f"{sql};")
    return f"{sql}\n;" if hidden else f"{sql};"


def load(path: Path, target: Path) -> None:
    """Make a database file of SQL text.

    Args:
        path: the text, also of sqlite3's own ``.dump``.
        target: the new file.

    Raises:
        Refused: a statement fails, named by its line; or the text is not whole: it ends within a
            statement or a transaction, or with a ROLLBACK, as ``.dump`` writes after an error.
    """
    text = _Text(path)
    fragments = list(text) if path.stat().st_size <= _SMALL else text
    settings = _require_whole(path.name, text, fragments)
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)  # it reaches no other file
        connection.create_function("unistr", 1, unistr, deterministic=True)
        for setting in settings:
            connection.execute(setting.sql)
        _limit(connection, path.stat().st_size)
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("BEGIN")
        began = False
        for fragment in fragments:
            words = {*first_words(fragment.sql, 1)}
            began = began or bool(words & _BEGINS)
            if words & (_BEGINS | _ENDS):
                continue
            try:
                connection.execute(fragment.sql)
            except (sqlite3.Error, UnicodeEncodeError) as error:
                raise Refused(
                    f"{path.name}:{fragment.line} fails", str(error), "inv backup.list"
                ) from None
        connection.execute("COMMIT")
        (made,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not made and not began:
            raise Refused(f"{path.name} is no whole dump", "it holds no table", _ANOTHER)
    target.chmod(0o600)


def unistr(text: str | None) -> str | None:
    r"""Return a text without its escapes (``\\``, ``\XXXX``, ``\uXXXX``, ``\+XXXXXX``, ``\U…``).

    Source: https://www.sqlite.org/lang_corefunc.html#unistr; sqlite3's ``.dump`` writes it from
    version 3.50 on, which an older SQLite does not know.
    """
    return None if text is None else _ESCAPED.sub(_letter, text)


def _letter(found: re.Match[str]) -> str:
    digits = found["u"] or found["U"] or found["plus"] or found["bare"]
    return "\\" if found["self"] else chr(int(digits, 16))


class _Text:
    """The statements of a file, read each time anew: it may be larger than the memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.tail = ""
        """The text from its last statement on, once it was read."""

    def __iter__(self) -> Iterator[Fragment]:
        with self._path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            reading = Reading(file.read)
            yield from reading
            self.tail = reading.tail


def _require_whole(name: str, text: _Text, fragments: Iterable[Fragment]) -> list[Fragment]:
    """Refuse a text that its maker did not bring to an end; return what sets an empty file."""
    begun: Fragment | None = None
    last: Fragment | None = None
    settings: list[Fragment] = []
    for fragment in fragments:
        last = fragment
        (verb,) = first_words(fragment.sql, 1) or ("",)
        if verb == "ROLLBACK":
            why = f"line {fragment.line} takes back what came before, as sqlite3 writes on an error"
            raise Refused(f"{name} is no whole dump", why, _ANOTHER)
        if verb in _BEGINS:
            begun = fragment
        elif verb in _ENDS:
            begun = None
        elif verb == "PRAGMA" and _is_of_the_file(fragment):
            settings.append(fragment)
    if why := _cut_off(text.tail, begun, last):
        raise Refused(f"{name} is no whole dump", why, _ANOTHER)
    return settings


def _cut_off(tail: str, begun: Fragment | None, last: Fragment | None) -> str:
    """Return why a text ends early; empty: it does not."""
    if begun is not None:
        return f"the transaction of line {begun.line} has no COMMIT: the text ends early"
    if unended_comment(tail) >= 0:
        return "it ends within a comment"
    if last is not None and not is_blank(tail) and not ends_with_semicolon(tail):
        return f"the statement of line {last.line} has no end: the text ends early"
    return ""


def _limit(connection: sqlite3.Connection, size: int) -> None:
    """Let the file become only so much larger than its text: SQL can write any size in a line.

    Args:
        connection: the file, still empty.
        size: of the text, bytes.
    """
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    connection.execute(f"PRAGMA max_page_count = {max(_LEAST, size * _TIMES) // page}")
    connection.set_authorizer(
        lambda code, name, *_: (
            sqlite3.SQLITE_DENY
            if code == sqlite3.SQLITE_PRAGMA and str(name).lower() in _OF_THE_LIMIT
            else sqlite3.SQLITE_OK
        )
    )


_LEAST: Final = 1 << 26  # bytes that any text may make
_TIMES: Final = 64  # a row of two short numbers, with a dozen indexes, takes 30 times its text
_OF_THE_LIMIT: Final = frozenset({"max_page_count"})


def _is_of_the_file(fragment: Fragment) -> bool:
    """Return whether a statement sets what only an empty file outside a transaction takes."""
    words = first_words(fragment.sql, 2)
    return words in (("PRAGMA", "ENCODING"), ("PRAGMA", "AUTO_VACUUM"))


def _lines(connection: sqlite3.Connection) -> Iterator[str]:
    """Return the statements, one a line or more, without their semicolons."""
    (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    (vacuum,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if encoding != "UTF-8":
        yield f"PRAGMA encoding = '{encoding}'"
    if vacuum:
        yield f"PRAGMA auto_vacuum = {vacuum}"
    yield "PRAGMA foreign_keys = OFF"
    yield "PRAGMA ignore_check_constraints = ON"  # a row may be older than what it breaks
    yield "BEGIN"
    yield from dump.statements(connection)
    yield from _statistics(connection)
    yield from _exact_schema(connection)
    if application:
        yield f"PRAGMA application_id = {application}"
    yield "COMMIT"


def _exact_schema(connection: sqlite3.Connection) -> Iterator[str]:
    """Return what brings back a line end of Windows in the schema, which sqlite3 reads as another.

    In a value it is written as a number; in what makes a table it cannot be. A line end after it,
    which follows a comment, is not read either.
    """
    found = connection.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE instr(sql, char(13))"
        " OR substr(sql, -1) IN (' ', char(9), char(10))"
    ).fetchall()
    if not found:
        return
    yield "PRAGMA writable_schema = ON"
    for kind, name, sql in found:
        yield (
            f"UPDATE sqlite_schema SET sql = {literal(sql)}"  # noqa: S608
            f" WHERE type = '{kind}' AND name = {literal(name)}"
        )
    yield "PRAGMA writable_schema = OFF"


def _statistics(connection: sqlite3.Connection) -> Iterator[str]:
    """Return what brings back what ANALYZE found, as sqlite3's own dump does."""
    found = connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'sqlite_stat_'")
    present = [name for (name,) in found if name in _STATISTICS]
    if not present:
        return
    yield "ANALYZE sqlite_schema"
    for name in present:
        rows = connection.execute(f"SELECT * FROM {quoted(name)}").fetchall()  # noqa: S608
        for row in rows:
            values = ", ".join(map(literal, row))
            yield f"INSERT INTO {name} VALUES ({values})"  # noqa: S608
