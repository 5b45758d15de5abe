"""What people send: fields checked one by one, and all complaints told at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from boss.problem import invalid

_EMAIL = re.compile(r"[^@\s<>\"(),:;\\\[\]]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class Inputs:
    """Read named values, remember what is wrong with them, and refuse at the end.

    Args:
        values: what was sent.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._wrong: dict[str, str] = {}

    def text(self, name: str, shortest: int, longest: int, *, strip: bool = True) -> str:
        """Read a text whose length in characters lies between two bounds.

        Args:
            name: the field.
            shortest: the least length; 0: it may be left out.
            longest: the greatest length.
            strip: whether white space around it is dropped.
        """
        value = self._values.get(name, "")
        text = (value.strip() if strip else value) if isinstance(value, str) else None
        if text is None or not is_storable(text):
            return self._complain(name, "must be a text")
        if len(text) < shortest:
            return self._complain(name, f"needs {shortest} characters" if text else "is missing")
        if len(text) > longest:
            return self._complain(name, f"has more than {longest} characters")
        return text

    def email(self, name: str) -> str:
        """Read an e-mail address, in lower case."""
        text = self.text(name, 3, 254).lower()
        if text and not _EMAIL.fullmatch(text):
            return self._complain(name, "is not an e-mail address")
        return text

    def word(self, name: str, pattern: str) -> str:
        """Read a word of a form, in lower case; it may be left out.

        Args:
            name: the field.
            pattern: the whole word's form, a regular expression.
        """
        text = self.text(name, 0, 100).lower()
        if text and not re.fullmatch(pattern, text):
            return self._complain(name, "has characters or a length that do not fit")
        return text

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Read one of a few words."""
        value = self._values.get(name, default)
        if value not in allowed:
            return self._complain(name, f"must be one of {', '.join(allowed)}")
        return str(value)

    def number(self, name: str, least: int, greatest: int, default: int) -> int:
        """Read a whole number between two bounds."""
        text = str(self._values.get(name, default))
        if not re.fullmatch(r"\d{1,9}", text) or not least <= int(text) <= greatest:
            self._complain(name, f"must be a number from {least} to {greatest}")
            return default
        return int(text)

    def finish(self) -> None:
        """Refuse, when anything was wrong.

        Raises:
            Problem: it names each field that was wrong (400).
        """
        if self._wrong:
            raise invalid(self._wrong)

    def _complain(self, name: str, why: str) -> str:
        self._wrong.setdefault(name, why)
        return ""


def is_storable(text: str) -> bool:
    """Return whether a database keeps a text as it is: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= mark <= "\udfff" for mark in text)
