"""Make plain JSON of whatever an application gives, masked and bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from math import isfinite
from typing import Any

from xswarm_monitoring.printable import printable
from xswarm_monitoring.redaction import mask_beginning

_LONGEST_TEXT = 8_000  # characters of one value
_DEEPEST = 6  # levels of nested values
_USUAL_NAME = 64  # characters
_LARGEST = 1024  # bits; Python writes no number of many more digits


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON knows it: other types, and what is nested deeper, as text.

    Nothing that it is given can make it fail, and all that it returns can be sent.

    Args:
        value: anything.
        depth: levels above it.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | bytes):
        return plain_text(value)
    if isinstance(value, float) and isfinite(value):  # JSON has no NaN, and no infinity
        return value
    if isinstance(value, int) and value.bit_length() <= _LARGEST:
        return value
    if depth < _DEEPEST and isinstance(value, Mapping | Sequence):
        with suppress(Exception):  # one that reads its items as they are asked for, from elsewhere
            return _plain_items(value, depth + 1)
    return plain_text(value)


def _plain_items(value: Mapping[Any, Any] | Sequence[Any], depth: int) -> Any:
    if isinstance(value, Mapping):
        return {plain_name(key): plain(each, depth) for key, each in value.items()}
    return [plain(each, depth) for each in value]


def plain_name(name: Any) -> str:
    """Return a key as text, likewise: those of a program are few, and asked for again and again."""
    usual = type(name) is str and len(name) <= _USUAL_NAME
    return _remembered_name(name) if usual else plain_text(name)


@lru_cache(maxsize=512)
def _remembered_name(name: str) -> str:
    return plain_text(name)


def plain_text(value: Any) -> str:
    """Return a value as text that can be shown, stored and sent."""
    text = value if isinstance(value, str) else _shown(value)
    return printable(mask_beginning(text, _LONGEST_TEXT))


def described(error: BaseException) -> str:
    """Return an exception's type and words; the type alone where it has none that can be had."""
    try:
        words = str(error)
    except Exception:
        words = ""
    return plain_text(f"{type(error).__name__}: {words}" if words else type(error).__name__)


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"a {type(value).__name__} whose repr() raised {type(error).__name__}"
