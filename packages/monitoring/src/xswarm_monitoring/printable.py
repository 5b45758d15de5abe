"""Keep what a terminal or a telephone would obey out of the text it is to show."""

from __future__ import annotations

import re

# The control characters but for line ends and tabs, and what turns the direction of writing.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\r(?!\n)"
)


def printable(text: str) -> str:
    r"""Return a text with an escape such as ``\u001b`` in place of each control character."""
    return _CONTROL.sub(_escaped, text)


def one_line(text: str) -> str:
    """Return a text that is printable and has no line end, so that it forges no line of ours."""
    return printable(" ".join(text.splitlines()))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
