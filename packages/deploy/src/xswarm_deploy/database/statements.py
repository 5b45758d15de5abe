"""Split SQL text into statements, in linear time, where SQLite itself would.

Source: the grammar of ``sqlite3_complete()``: a statement ends at a semicolon that
is in no string, name or comment; that of CREATE TRIGGER at ``; END ;`` only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

# Python before 3.11.5 matches a lookahead inside a possessive repetition wrongly: none is in one.
_SPACE = r"(?:[ \t-\r\ufeff]|--[^\n]*|/\*(?s:.*?)(?:\*/|\Z))"
_SPACES = " \t\n\v\f\r\ufeff"  # as SQLite has them: a space of Unicode may end a name
_WORD_END = r"(?![A-Za-z0-9_$]|[^\x00-\x7f])"

# Whatever may hide a semicolon, and the semicolon. An unended string, name or
# comment reaches to the end of the text, and SQLite then says what is wrong.
# Each begins with a character of its own, so that the search skips to the next of these.
_TOKEN = re.compile(
    r"""
    --[^\n]* | /\*(?s:.*?)(?:\*/|\Z)
    | '[^']*+(?:'|\Z) | "[^"]*+(?:"|\Z) | `[^`]*+(?:`|\Z) | \[[^\]]*+(?:\]|\Z)
    | ;
    """,
    re.VERBOSE,
)
_BLANK = re.compile(rf"(?:{_SPACE}|;)*+\Z")
_QUOTED = r"""(?:'[^']*+(?:'|\Z)|"[^"]*+(?:"|\Z)|`[^`]*+(?:`|\Z)|\[[^\]]*+(?:\]|\Z))"""
_LEADING = rf"(?:{_SPACE}|;)*+"
_TRIGGER_END = rf"(?:{_SPACE}|;)*+END{_WORD_END}{_SPACE}*+(?:;|\Z)"
_WORD = rf"{_SPACE}*+([A-Za-z_]+)"
_NEXT = rf"{_SPACE}*+(?:(?P<word>(?:[A-Za-z0-9_$]|[^\x00-\x7f])+)|{_QUOTED}|[^;])"
_CALLED = (
    r"--[^\n]*|/\*(?s:.*?)(?:\*/|\Z)"
    rf"|{_QUOTED}|\b(?P<called>last_insert_rowid|changes|total_changes)\s*\("
)
# What sqlite3_complete() tells apart: SQLite lets any other token follow EXPLAIN.
_TOLD = frozenset({"EXPLAIN", "CREATE", "TEMP", "TEMPORARY", "TRIGGER", "END"})

_READING = frozenset({"SELECT", "VALUES", "EXPLAIN"})
_CHANGES = r"\b(?:INSERT|UPDATE|DELETE|REPLACE)\b"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile what only splitting needs; most commands just look for comments."""
    return re.compile(pattern, re.IGNORECASE)


class Fragment(NamedTuple):
    """One statement of a text.

    Args:
        sql: the statement, from its first word, without the final semicolon.
        line: the line it begins on, from 1.
    """

    sql: str
    line: int


def only_reads(sql: str) -> bool:
    """Return whether a statement surely changes nothing, so that it may be run twice."""
    (word,) = first_words(sql, 1) or ("",)
    if word == "PRAGMA":
        return "=" not in sql
    return word in _READING or (word == "WITH" and not _compiled(_CHANGES).search(sql))


def split(text: str, line: int = 1) -> list[Fragment]:
    """Split a text into its statements; comments alone are none.

    Args:
        text: SQL, any number of statements.
        line: the one that the text begins on.
    """
    fragments, counted = [], 0
    for start, end in _spans(text):
        line += text.count("\n", counted, start)
        counted = start
        fragments.append(Fragment(text[start:end].rstrip(_SPACES), line))
    return fragments


class Reading:
    """The statements of a text that is read piece by piece, however long it is.

    Args:
        read: returns the next characters, as many as are asked for at most; none at the end.
    """

    def __init__(self, read: Callable[[int], str]) -> None:
        self._read = read
        self.tail = ""
        """The text from the last statement on, once all of it is read."""

    def __iter__(self) -> Iterator[Fragment]:
        """Yield each statement once it is known where it ends: the next one has begun."""
        text, line = "", 1
        while piece := self._read(max(_PIECE, len(text))):
            text += piece
            *ended, last = [*_spans(text)] or [(0, 0)]
            counted = 0
            for start, end in ended:
                line += text.count("\n", counted, start)
                counted = start
                yield Fragment(text[start:end].rstrip(_SPACES), line)
            if ended:
                line += text.count("\n", counted, last[0])
                text = text[last[0] :]
        self.tail = text
        yield from split(text, line)


_PIECE = 1 << 22  # characters, and more where one statement is longer


def is_blank(text: str) -> bool:
    """Return whether a text holds no statement."""
    return _BLANK.match(text) is not None


def ends_with_semicolon(text: str) -> bool:
    """Return whether the last statement of a text has its semicolon."""
    ends = [end for _, end in _spans(text)]
    return bool(ends) and text[ends[-1] : ends[-1] + 1] == ";"


def unended_comment(text: str) -> int:
    """Return where a block comment begins that has no end; -1: each has one.

    SQLite takes it, and whatever stands behind its beginning is never run.
    """
    if "/*" not in text:
        return -1
    blocks = (token for token in _TOKEN.finditer(text) if text.startswith("/*", token.start()))
    ended = re.compile(r"/\*(?s:.*)\*/")
    return next((token.start() for token in blocks if not ended.fullmatch(token[0])), -1)


def line_comments(text: str) -> Iterator[tuple[int, int]]:
    """Return where each ``--`` comment that is really one begins and ends."""
    for token in _TOKEN.finditer(text):
        if text.startswith("--", token.start()):
            yield token.span()


def first_words(sql: str, count: int) -> tuple[str, ...]:
    """Return the first words of a statement in capitals, comments left out.

    Args:
        sql: one statement.
        count: how many words at most.
    """
    words: list[str] = []
    word = _compiled(_WORD)
    found = word.match(sql)
    while found and len(words) < count:
        words.append(found[1].upper())
        found = word.match(sql, found.end())
    return tuple(words)


def of_connection(sql: str) -> str:
    """Return the first function of a statement that asks what its connection did; empty: none."""
    called = (found["called"] for found in _compiled(_CALLED).finditer(sql))
    return next(filter(None, called), "").lower()


def folded(name: str) -> str:
    """Return a name in small letters, as SQLite compares names: only A to Z have two cases."""
    if name.isascii():
        return name.lower()
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Return where each statement begins, and where its last semicolon stands."""
    start = _skip(text, 0)
    in_trigger = _makes_trigger(text, start)
    for token in _TOKEN.finditer(text):
        end = token.start()
        if text[end] != ";" or end < start:
            continue
        following = token.end()
        if in_trigger:
            last = _compiled(_TRIGGER_END).match(text, end)
            if last is None:
                continue
            following = last.end()
            end = following - 1 if text[following - 1] == ";" else following
        yield start, end
        start = _skip(text, following)
        in_trigger = _makes_trigger(text, start)
    if start < len(text):
        yield start, len(text)


def _makes_trigger(text: str, start: int) -> bool:
    """Return whether CREATE TRIGGER begins here, be it temporary or explained."""
    if text[start : start + 1].upper() not in ("C", "E"):
        return False  # as most statements: no need to look closer
    words = _words(text, start)
    word = next(words, "")
    if word == "EXPLAIN":
        word = next((told for told in words if told in _TOLD), "")
    if word != "CREATE":
        return False
    return next((told for told in words if told not in ("TEMP", "TEMPORARY")), "") == "TRIGGER"


def _words(text: str, position: int) -> Iterator[str]:
    """Return a statement's tokens: words in capitals; of any other token, just that it is there."""
    token = _compiled(_NEXT)
    while found := token.match(text, position):
        word, position = found["word"] or "", found.end()
        yield word.upper() if word.isascii() else ""


def _skip(text: str, position: int) -> int:
    found = _compiled(_LEADING).match(text, position)
    return found.end() if found else position
