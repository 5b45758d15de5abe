"""TOML as wrangler reads it, whose parser knows version 1.1; Python's knows 1.0 before 3.15.

What 1.1 has beside 1.0 is written as 1.0 has it, and only where 1.0 refuses a text: inline tables
of several lines, with comments or with a comma at their end, and two escapes. (Times without
seconds are the rest; nothing in wrangler's configuration is a time.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

_PART: Final = (
    r'"""(?:\\.|[^"\\]|"(?!""))*+"{0,5}'  # a text of several lines; also one that is not ended
    r"|'''(?:[^']|'(?!''))*+'{0,5}"
    r'|"(?:\\.|[^"\\\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+"
    r"|[\[\]{},\n]"
)
_ESCAPE: Final = r"\\(?:e|x([0-9A-Fa-f]{2})|.)"
"""Both are compiled where they are needed, which is seldom."""


def loads(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is none; line and column are those of the text.
    """
    import tomllib  # its patterns take long to compile, and most configurations are JSON

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        older = as_1_0(text.replace("\r\n", "\n"))
        try:
            return tomllib.loads(older)
        except tomllib.TOMLDecodeError:
            raise error from None


def as_1_0(text: str) -> str:
    """Write what TOML has since its version 1.1 as 1.0 has it."""
    written: list[str] = []
    opened: list[str] = []
    for part in _parts(text):
        inline = bool(opened) and opened[-1] == "{"
        if part in "[{":
            opened.append(part)
        elif part in "]}" and opened and opened.pop() == "{":
            _drop_comma(written)
        if inline and part == "\n":
            part = " "
        elif inline and part.startswith("#"):
            continue
        elif part.startswith('"'):
            part = re.sub(_ESCAPE, _escaped, part, flags=re.DOTALL)
        written.append(part)
    return "".join(written)


def _parts(text: str) -> Iterator[str]:
    """Yield texts, comments, brackets, commas and line ends, and all that is between them."""
    end = 0
    for found in re.finditer(_PART, text, re.DOTALL):
        if between := text[end : found.start()]:
            yield between
        yield found[0]
        end = found.end()
    if rest := text[end:]:
        yield rest


def _drop_comma(written: list[str]) -> None:
    """Take away a comma that is followed by nothing but blanks."""
    place = len(written) - 1
    while place >= 0 and not written[place].strip():
        place -= 1
    if place > 0 and written[place] == "," and _value_before(written, place):
        written[place] = " "


def _value_before(written: list[str], place: int) -> bool:
    """Return whether a value is before a comma: one after another comma stays, and is wrong."""
    before = next((one for one in reversed(written[:place]) if one.strip()), "")
    return before not in ("", ",", "{")


def _escaped(found: re.Match[str]) -> str:
    if found[0] == "\\e":
        return "\\u001b"
    return f"\\u00{found[1]}" if found[1] else found[0]
