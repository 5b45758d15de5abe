"""Keep what a terminal or a telephone would obey out of the text it is to show."""

from __future__ import annotations

import re

# The control characters but for line ends and tabs, and what turns the direction of writing.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\r(?!\n)"
)

_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair
_LONGEST_LABEL = 500  # characters

# Colour and weight alone (ECMA-48, SGR), as loggers and compilers write them.
_COLOUR = re.compile(r"(?:\x1b\[|\x9b)[0-9;:]*m")


def without_colour(text: str) -> str:
    """Return a text without what only sets its colour and weight."""
    return _COLOUR.sub("", text)


def escaped(text: str) -> str:
    r"""Return a text with an escape such as ``\u001b`` in place of each control character."""
    return _CONTROL.sub(_escape, text)


def printable(text: str) -> str:
    """Return a text without colours, and with what else a terminal would obey as an escape.

    It can be stored as well: see :func:`storable`.
    """
    return storable(escaped(without_colour(text)))


def one_line(text: str) -> str:
    """Return a text that is printable and has no line end, so that it forges no line of ours."""
    return printable(" ".join(text.splitlines()))


def label(value: object) -> str:
    """Return a value as a label: text that any database and receiver takes, and not too long.

    Half of a surrogate pair, which JSON may bring and UTF-8 cannot hold, becomes U+FFFD.

    Args:
        value: of an application's; what is no text is written as one, None as ``(none)``.
    """
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else str(value)
    if len(text) > _LONGEST_LABEL:
        text = text[: _LONGEST_LABEL - 1] + "…"
    return storable(text)


def storable(text: str) -> str:
    """Return a text that UTF-8 can hold."""
    return _HALF.sub("\ufffd", text)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
