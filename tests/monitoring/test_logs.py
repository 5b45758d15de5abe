from __future__ import annotations

import io
import json
import sys
from collections import UserList
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.monitoring import Hands
from xswarm_monitoring.logs import Log


def log(lines: list[str], **options: Any) -> Log:
    return Log("boss-ai", write=lines.append, clock=Hands().clock, **options)


def decimal(text: str) -> int:
    raise ValueError(f"{text} is not a number")


def test_a_line_is_one_json_object() -> None:
    lines: list[str] = []
    log(lines).info("user\nsigned up", plan="pro", count=3)
    assert json.loads(lines[0]) == {
        "timestamp": "2025-10-09T08:53:20.000Z",
        "level": "info",
        "service": "boss-ai",
        "message": "user\nsigned up",
        "plan": "pro",
        "count": 3,
    }
    assert "\n" not in lines[0]


def test_lines_below_the_level_are_not_written() -> None:
    lines: list[str] = []
    quiet = log(lines, level="WARNING")
    quiet.debug("a")
    quiet.info("b")
    quiet.warning("c")
    quiet.error("d")
    assert [json.loads(line)["message"] for line in lines] == ["c", "d"]


def test_an_exception_is_told_with_its_stack_and_masked() -> None:
    lines: list[str] = []
    with pytest.raises(ValueError, match="not a number") as raised:
        decimal("sk_live_abcdefgh1234 for ada@example.com")
    log(lines).error("it failed", raised.value)
    told = json.loads(lines[0])
    assert told["error"] == "ValueError"
    assert "test_logs.py" in told["stack"]
    assert "sk_live" not in lines[0]
    assert "ada@" not in lines[0]


def test_text_is_for_a_person_and_one_line() -> None:
    lines: list[str] = []
    log(lines, structured=False).warning("two\nlines", who="ada@example.com")
    assert lines == ['2025-10-09T08:53:20.000Z WARNING two\\nlines who=":email"']


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="no log level 'loud'"):
        log([], level="loud")


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_value_makes_a_line(value: Any) -> None:
    lines: list[str] = []
    log(lines).info("x", value=value, thing=object())
    assert json.loads(lines[0])["message"] == "x"


class Nameless:
    def __repr__(self) -> str:
        raise RuntimeError("no name")


class Lazy(UserList[int]):
    def __iter__(self) -> Iterator[int]:
        raise RuntimeError("its session is closed")


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("-inf"),
        pytest.param(10**5000, id="many digits"),
        Nameless(),
        Lazy([1]),
        "\ud800",
    ],
)
def test_a_line_is_json_whatever_is_in_it(value: object) -> None:
    """As a collector reads it: NaN and half a character are no JSON (RFC 8259)."""
    lines: list[str] = []
    log(lines).info("x", value=value, **{"\ud800": 1})
    json.loads(lines[0].encode(), parse_constant=lambda name: pytest.fail(name))


class Gone(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [Gone(), closed(), None])
def test_a_log_that_nobody_reads_any_more_fails_no_request(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    Log("boss-ai").info("x")


def test_a_terminal_of_few_letters_gets_all_of_them_as_json_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As standard output is under Windows, or with PYTHONIOENCODING=ascii."""
    bytes_ = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_, encoding="ascii", newline="\n"))
    Log("boss-ai").info("é😀", path="/ü")
    sys.stdout.flush()
    told = json.loads(bytes_.getvalue().decode("ascii"))
    assert (told["message"], told["path"]) == ("é😀", "/ü")


def test_a_field_cannot_take_the_place_of_the_log_s_own() -> None:
    lines: list[str] = []
    log(lines).info("x", service="other", level="error")
    assert json.loads(lines[0])["service"] == "boss-ai"
