"""Faults that are switched on at a stand-in, to see what a release makes of them.

It imports nothing heavy: commands ask for faults, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

COMMON: Final = ("reset", "reset_after", "bad_json", "slow:SECONDS")
"""The kinds that every stand-in knows; of ``bad_json`` each has an answer of its own."""
_SECONDS: Final = r"(?=[\d.]*[1-9])\d{1,3}(?:\.\d{1,3})?"


@dataclass
class Fault:
    """What is to go wrong.

    Args:
        kind: ``reset`` (the connection breaks before anything is done), ``reset_after`` (done, but
            the reply never arrives), ``bad_json`` (an answer that is cut off), ``slow:SECONDS``
            (done late), or one that the stand-in knows besides.
        times: how many requests are still to meet it.
        method: of the requests, or ``ANY``.
        path: a regular expression that is searched for in their paths.
        after: how many such requests are let pass before.
    """

    kind: str
    times: int = 1
    method: str = "ANY"
    path: str = ""
    after: int = 0

    @property
    def name(self) -> str:
        """Return the kind without its amount."""
        return self.kind.partition(":")[0]

    @property
    def amount(self) -> float:
        """Return the status or the seconds of the kind; 0 where it has neither."""
        return float(self.kind.partition(":")[2] or 0)

    def require_sound(self, kinds: Sequence[str]) -> None:
        """Refuse what is no fault.

        Args:
            kinds: all that there are, with ``SECONDS`` and ``NN`` for numbers.

        Raises:
            ValueError: the words that say what is wrong.
        """
        known = (one.replace("SECONDS", _SECONDS).replace("NN", r"\d\d") for one in kinds)
        if not any(re.fullmatch(one, self.kind) for one in known):
            raise ValueError(f"unknown fault {self.kind!r}; there are: {', '.join(kinds)}")
        if self.times < 1 or self.after < 0:
            raise ValueError("times must be at least 1, and after at least 0")
        try:
            re.compile(self.path)
        except re.error:
            raise ValueError("path is no regular expression") from None

    def concerns(self, method: str, path: str) -> bool:
        """Return whether a request is one of those that are to meet it."""
        asked = self.method in ("ANY", method)
        return self.times > 0 and asked and bool(re.search(self.path, path))


@dataclass
class Faults:
    """The faults that were switched on, the spent ones too; in memory only."""

    table: list[Fault] = field(default_factory=list)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that a request meets, and count it."""
        for fault in self.table:
            if not fault.concerns(method, path):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            return fault
        return None
