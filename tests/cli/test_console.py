from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from xswarm_deploy import console
from xswarm_deploy.console import Console, bar
from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv("TERM", "xterm")
    return io.StringIO()


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[PipeInput]:
    monkeypatch.setattr(console, "interactive", lambda: True)
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


def test_what_is_printed_is_redacted(stream: io.StringIO) -> None:
    Secret("canary-in-console", "CANARY")
    shown = Console(stream)
    shown.line("line canary-in-console")
    shown.json({"value": "canary-in-console"})
    shown.table(("a",), [("canary-in-console",)])
    with shown.step("step") as line:
        line.detail = "canary-in-console"
    assert "canary-in-console" not in stream.getvalue()
    assert stream.getvalue().count("[CANARY]") == 4


def test_a_table_too_wide_for_the_terminal_folds_its_last_column(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    Secret("canary folded where a line ends", "CANARY")
    words = "one release of many words canary folded where a line ends and some more of them"
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(stream, "isatty", lambda: True)
    Console(stream).table(("id", "what"), [("20261125-0101", words)])
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 50
    assert lines[0] == "  id             what"
    assert lines[1].startswith("  20261125-0101  one release")
    assert all(line.startswith(" " * 17) and line.strip() for line in lines[2:])
    assert "[CANARY]" in stream.getvalue()


def test_a_pipe_gets_tables_whole(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    Console(stream).table(("id", "what"), [("1", "word " * 30)])
    assert len(stream.getvalue().splitlines()) == 2


def test_a_pipe_gets_no_colour_and_no_bars(stream: io.StringIO) -> None:
    shown = Console(stream)
    shown.line("red", "red")
    shown.progress("dump", 1, 2, "rows")
    assert stream.getvalue() == "red\n"


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_bar_never_wraps(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(console, "_PATIENCE", 0.0)
    shown = Console(stream)
    shown.progress("restore into the database", 5_000_000, 10_000_000, "bytes")
    drawn = stream.getvalue().removeprefix("\r\x1b[2K")
    assert drawn.startswith("  restore into the database")
    assert len(drawn) < columns


def test_a_step_is_named_while_it_runs_on_a_terminal(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(stream, "isatty", lambda: True)
    shown = Console(stream)
    with shown.step("migrate"):
        assert stream.getvalue().endswith("· migrate …")
        shown.line("a line")
    assert stream.getvalue().split("\x1b[2K")[2].startswith("a line\n✓ migrate")


def test_a_terminal_that_moves_no_cursor_gets_whole_lines(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")  # of an editor's shell
    monkeypatch.setattr(stream, "isatty", lambda: True)
    with Console(stream).step("migrate"):
        pass
    assert stream.getvalue().startswith("✓ migrate")


def test_a_step_has_a_coloured_mark_on_a_terminal(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(stream, "isatty", lambda: True)
    with Console(stream).step("migrate") as line:
        line.detail = "\x1b[31mof others\x1b[0m"
    assert "\x1b[32m✓\x1b[0m migrate" in stream.getvalue()
    assert stream.getvalue().endswith("s  of others\n")
    assert "\\u001b" not in stream.getvalue()


def test_what_was_found_is_json_or_a_table_or_printed(capsys: pytest.CaptureFixture[str]) -> None:
    table = console.Table(("name",), [("a",)])
    console.show(["a"], table, json=True)
    console.show(["a"], table, json=False)
    console.show(["a"], lambda out: out.line("by hand"), json=False)
    assert capsys.readouterr().out == '[\n  "a"\n]\n  name\n  a\nby hand\n'


def test_a_step_that_fails_gets_a_cross(stream: io.StringIO) -> None:
    with pytest.raises(ValueError, match="no"), Console(stream).step("migrate"):
        raise ValueError("no")
    assert stream.getvalue().startswith("✗ migrate")


def test_quiet_prints_json_alone(stream: io.StringIO) -> None:
    shown = Console(stream, quiet=True)
    shown.line("hello")
    with shown.step("check"):
        pass
    shown.json([1])
    assert json.loads(stream.getvalue()) == [1]


def test_a_bar_shows_share_rate_and_time_left() -> None:
    drawn = bar("dump", 5_000_000, 10_000_000, "bytes", 2.0)
    assert "50 %" in drawn
    assert "2.5 MB/s" in drawn
    assert "2 s left" in drawn


def test_without_a_terminal_the_answer_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(Refused, match="not confirmed") as caught:
        console.confirm("Delete everything?")
    assert "--yes" in caught.value.remedy


def test_yes_asks_nothing() -> None:
    console.confirm("Go?", yes=True)


@pytest.mark.parametrize(
    ("keys", "agreed"), [("y", True), ("n", False), ("\r", False), ("\x03", False)]
)
def test_a_question_is_answered_by_a_person(keyboard: PipeInput, keys: str, agreed: bool) -> None:
    keyboard.send_text(keys)
    if agreed:
        console.confirm("Go?")
    else:
        with pytest.raises(Refused):
            console.confirm("Go?")


@pytest.mark.parametrize(
    ("typed", "agreed"), [("boss-ai\r", True), ("yes\r", False), ("\r", False)]
)
def test_production_wants_its_name_typed(keyboard: PipeInput, typed: str, agreed: bool) -> None:
    keyboard.send_text(typed)
    if agreed:
        console.confirm("Go?", type_name="boss-ai")
    else:
        with pytest.raises(Refused):
            console.confirm("Go?", type_name="boss-ai")


def test_a_choice_gives_the_key(keyboard: PipeInput) -> None:
    keyboard.send_text("\x1b[B\r")
    assert console.select("Which?", {"a": "first", "b": "second"}, "inv x --this a") == "b"


def test_no_choice_changes_nothing(keyboard: PipeInput) -> None:
    keyboard.send_text("\x03")
    with pytest.raises(Refused):
        console.select("Which?", {"a": "first"}, "inv x --this a")


def test_a_reader_that_has_gone_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        console = Console(stream)
        console.line("nobody reads this")
        console.json({"nor": "this"})


def test_nothing_that_others_wrote_forges_a_line_or_moves_the_cursor(stream: io.StringIO) -> None:
    shown, foreign = Console(stream), "why\x1b[1A\n✓ released"
    shown.line(foreign)
    shown.table(("a",), [(foreign,)])
    with shown.step("step") as line:
        line.detail = foreign
    shown.json({"message": foreign})
    assert "\x1b" not in stream.getvalue()
    assert "\n✓ released" not in stream.getvalue()
