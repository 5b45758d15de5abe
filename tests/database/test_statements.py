"""The splitter: hostile texts by hand, and random ones against SQLite itself."""

from __future__ import annotations

import io
import re
import sqlite3
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xswarm_deploy.database import statements
from xswarm_deploy.database.statements import (
    Reading,
    ends_with_semicolon,
    first_words,
    is_blank,
    line_comments,
    split,
    unended_comment,
)

TRIGGER = "CREATE TRIGGER g AFTER INSERT ON t BEGIN\n  {}\nEND"

# name → (text, its statements)
CASES: dict[str, tuple[str, list[str]]] = {
    "nothing": ("", []),
    "white space": (" \t\r\n\f ", []),
    "only semicolons": (";;; ;", []),
    "only a comment": ("-- hi", []),
    "comment and semicolon": ("-- hi\n;", []),
    "one": ("SELECT 1", ["SELECT 1"]),
    "one, ended": ("SELECT 1;", ["SELECT 1"]),
    "two": ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
    "two on a line without space": ("SELECT 1;SELECT 2", ["SELECT 1", "SELECT 2"]),
    "empty ones between": ("SELECT 1;;;SELECT 2;;", ["SELECT 1", "SELECT 2"]),
    "semicolon in a string": ("SELECT ';'; SELECT 2", ["SELECT ';'", "SELECT 2"]),
    "doubled quote": ("SELECT 'it''s; ok'; SELECT 2", ["SELECT 'it''s; ok'", "SELECT 2"]),
    "string ending in a doubled quote": ("SELECT 'a;'''; SELECT 2", ["SELECT 'a;'''", "SELECT 2"]),
    "empty string": ("SELECT ''; SELECT 2", ["SELECT ''", "SELECT 2"]),
    "backslash is no escape": (r"SELECT '\'; SELECT 2", [r"SELECT '\'", "SELECT 2"]),
    "quoted name": ('SELECT "a;b"; SELECT 2', ['SELECT "a;b"', "SELECT 2"]),
    "doubled quote in a name": ('SELECT "a"";b"; SELECT 2', ['SELECT "a"";b"', "SELECT 2"]),
    "backticks": ("SELECT `a;b`; SELECT 2", ["SELECT `a;b`", "SELECT 2"]),
    "doubled backtick": ("SELECT `a``;b`; SELECT 2", ["SELECT `a``;b`", "SELECT 2"]),
    "brackets": ("SELECT [a;b]; SELECT 2", ["SELECT [a;b]", "SELECT 2"]),
    "brackets do not nest": ("SELECT [a[;b]; SELECT 2", ["SELECT [a[;b]", "SELECT 2"]),
    "a quote in brackets": ("SELECT [it's]; SELECT 2", ["SELECT [it's]", "SELECT 2"]),
    "a quote in a name": ('SELECT "it\'s"; SELECT 2', ['SELECT "it\'s"', "SELECT 2"]),
    "a double quote in a string": ("SELECT '\"'; SELECT 2", ["SELECT '\"'", "SELECT 2"]),
    "new line in a string": ("SELECT 'a\n;b'; SELECT 2", ["SELECT 'a\n;b'", "SELECT 2"]),
    "a comment in a string": ("SELECT '-- ;'; SELECT 2", ["SELECT '-- ;'", "SELECT 2"]),
    "a block comment in a string": ("SELECT '/*;'; SELECT 2", ["SELECT '/*;'", "SELECT 2"]),
    "semicolon in a comment": ("SELECT 1 -- a; b\n; SELECT 2", ["SELECT 1 -- a; b", "SELECT 2"]),
    "quote in a comment": ("SELECT 1 -- it's\n; SELECT 2", ["SELECT 1 -- it's", "SELECT 2"]),
    "semicolon in a block": ("SELECT 1 /* ; */; SELECT 2", ["SELECT 1 /* ; */", "SELECT 2"]),
    "quote in a block": ("SELECT 1 /* ' */; SELECT 2", ["SELECT 1 /* ' */", "SELECT 2"]),
    "blocks do not nest": ("/* /* */ SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
    "the shortest block": ("/**/SELECT 1;/***/SELECT 2", ["SELECT 1", "SELECT 2"]),
    "slash and star are operators": (
        "SELECT 4 / 2 * 1; SELECT 2",
        ["SELECT 4 / 2 * 1", "SELECT 2"],
    ),
    "minus minus is a comment": ("SELECT 1--1\n; SELECT 2", ["SELECT 1--1", "SELECT 2"]),
    "comment at the end": ("SELECT 1; -- done", ["SELECT 1"]),
    "comments before": ("-- a\n/* b */ SELECT 1", ["SELECT 1"]),
    "unended string": ("SELECT 1; SELECT 'a; b", ["SELECT 1", "SELECT 'a; b"]),
    "unended block": ("SELECT 1; SELECT 2 /* ; b", ["SELECT 1", "SELECT 2 /* ; b"]),
    "a space of Unicode is of a name": ("SELECT 1 AS a\u00a0;", ["SELECT 1 AS a\u00a0"]),
    "unended bracket": ("SELECT 1; SELECT [a; b", ["SELECT 1", "SELECT [a; b"]),
    "windows line ends": ("SELECT 1;\r\nSELECT 2;\r\n", ["SELECT 1", "SELECT 2"]),
    "byte order mark": ("\ufeffSELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
    "blob": ("SELECT x'3b'; SELECT 2", ["SELECT x'3b'", "SELECT 2"]),
    "emoji": ("SELECT '🐝;'; SELECT 2", ["SELECT '🐝;'", "SELECT 2"]),
    "NUL": ("SELECT 'a\0;b'; SELECT 2", ["SELECT 'a\0;b'", "SELECT 2"]),
    "CASE … END": (
        "SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2",
        ["SELECT CASE 1 WHEN 1 THEN 2 END", "SELECT 2"],
    ),
    "a table called end": ("SELECT 1 AS end; SELECT 2", ["SELECT 1 AS end", "SELECT 2"]),
    "trigger": (
        TRIGGER.format("SELECT 1; SELECT 2;") + "; SELECT 3",
        [TRIGGER.format("SELECT 1; SELECT 2;"), "SELECT 3"],
    ),
    "trigger, windows line ends": (
        TRIGGER.format("SELECT 1;").replace("\n", "\r\n") + ";\r\nSELECT 3",
        [TRIGGER.format("SELECT 1;").replace("\n", "\r\n"), "SELECT 3"],
    ),
    "trigger with CASE": (
        TRIGGER.format("SELECT CASE WHEN 1 THEN 2 END;") + ";SELECT 3",
        [TRIGGER.format("SELECT CASE WHEN 1 THEN 2 END;"), "SELECT 3"],
    ),
    "trigger with END in a string": (
        TRIGGER.format("SELECT ';END;';") + ";SELECT 3",
        [TRIGGER.format("SELECT ';END;';"), "SELECT 3"],
    ),
    "trigger with END in a comment": (
        TRIGGER.format("SELECT 1; -- END;\n") + ";SELECT 3",
        [TRIGGER.format("SELECT 1; -- END;\n"), "SELECT 3"],
    ),
    "trigger with a column ending": (
        TRIGGER.format("SELECT ending; SELECT endx;") + ";SELECT 3",
        [TRIGGER.format("SELECT ending; SELECT endx;"), "SELECT 3"],
    ),
    "temporary trigger": (
        "create temp trigger g insert on t begin select 1; end; SELECT 3",
        ["create temp trigger g insert on t begin select 1; end", "SELECT 3"],
    ),
    "comment between CREATE and TRIGGER": (
        "CREATE /* ; */ TRIGGER g INSERT ON t BEGIN SELECT 1; END; SELECT 3",
        ["CREATE /* ; */ TRIGGER g INSERT ON t BEGIN SELECT 1; END", "SELECT 3"],
    ),
    "trigger at the end, unended": (TRIGGER.format("SELECT 1;"), [TRIGGER.format("SELECT 1;")]),
    "comment after END": (
        TRIGGER.format("SELECT 1;") + " /* ; */ ; SELECT 3",
        [TRIGGER.format("SELECT 1;") + " /* ; */", "SELECT 3"],
    ),
    "two triggers": (
        TRIGGER.format("SELECT 1;") + ";" + TRIGGER.format("SELECT 2;") + ";",
        [TRIGGER.format("SELECT 1;"), TRIGGER.format("SELECT 2;")],
    ),
    "a table called trigger": (
        'CREATE TABLE "trigger" (a); SELECT 2',
        ['CREATE TABLE "trigger" (a)', "SELECT 2"],
    ),
    "explained trigger": (
        "EXPLAIN " + TRIGGER.format("SELECT 1;") + "; SELECT 3",
        ["EXPLAIN " + TRIGGER.format("SELECT 1;"), "SELECT 3"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_hostile_texts(name: str) -> None:
    text, expected = CASES[name]
    assert [fragment.sql for fragment in split(text)] == expected


def test_there_are_at_least_57_of_them() -> None:
    assert len(CASES) >= 57


def by_sqlite(text: str) -> list[str]:
    """Split by asking SQLite at every semicolon: right, and quadratic."""
    pieces, start = [], 0
    for found in re.finditer(";", text):
        if sqlite3.complete_statement(text[start : found.end()]):
            pieces.append(text[start : found.end()])
            start = found.end()
    return [*pieces, text[start:]]


WORDS = [
    "SELECT", "CREATE", "TEMP", "TRIGGER", "END", "BEGIN", "EXPLAIN", "CASE", "x", "end_", "t1",
    ";", ";", ";", " ", " ", "\n", "\t", "'", "''", '"', "`", "[", "]", "--", "-", "/*", "*/", "/",
    "*", "'a;b'", '"c;d"', "é", "🐝", "1", "(", ")", ",", "CREATE TRIGGER g BEGIN ", "; END;",
    "\r\n",
]  # fmt: skip


@pytest.mark.slow
@given(st.lists(st.sampled_from(WORDS), max_size=40))
@settings(max_examples=600, deadline=None)
def test_random_texts_are_split_where_sqlite_splits(words: list[str]) -> None:
    text = "".join(words)
    expected = [piece for piece in by_sqlite(text) if not is_blank(piece)]
    found = split(text)
    assert len(found) == len(expected)
    for fragment, piece in zip(found, expected, strict=True):
        before, _, after = piece.rpartition(fragment.sql)
        assert is_blank(before)
        assert after.strip() in ("", ";")


def test_the_line_of_each_statement() -> None:
    assert [f.line for f in split("-- a\nSELECT 1;\n\nSELECT\n2; SELECT 3")] == [2, 4, 5]


@pytest.mark.slow
def test_time_is_linear() -> None:
    """Ten times the text takes about ten times as long; were it quadratic, a hundred times."""
    few, many = seconds_for(2_000), seconds_for(20_000)
    assert many < 35 * few, f"{few:.4f} s, {many:.4f} s"


def seconds_for(count: int) -> float:
    """Return what splitting takes of the processor, however many share it, at best."""
    body = "SELECT 'a;b', \"c\" /* ; */; -- it's\n" * count
    text = TRIGGER.format(body) + ";" + body
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        assert len(split(text)) == count + 1
        best = min(best, time.process_time() - started)
    return best


def test_first_words() -> None:
    assert first_words("/* a */ create -- b\n temp  table t", 3) == ("CREATE", "TEMP", "TABLE")
    assert first_words("SELECT 1", 3) == ("SELECT",)
    assert first_words("", 2) == ()


def test_comments_that_are_really_comments() -> None:
    text = "-- a\nSELECT '-- b'; /* -- c */ -- d"
    assert [text[start:end] for start, end in line_comments(text)] == ["-- a", "-- d"]


PIECES = st.sampled_from(
    [
        *"'\"`[];-/* \n",
        "--",
        "/*",
        "*/",
        "CREATE TRIGGER t ",
        "BEGIN",
        "END",
        "; END;",
        "a",
        "\ufeff",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=30), st.integers(1, 9))
def test_a_text_that_is_read_piece_by_piece_has_the_same_statements(
    pieces: list[str], size: int
) -> None:
    text = "".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statements, "_PIECE", size)
        reading = Reading(io.StringIO(text, newline="").read)
        assert list(reading) == split(text)
    assert (unended_comment(reading.tail) < 0) == (unended_comment(text) < 0)
    if not is_blank(reading.tail):
        assert ends_with_semicolon(reading.tail) == ends_with_semicolon(text)
