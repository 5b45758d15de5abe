"""Take observations without a lock, beside a thread that seals what was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

_MOST = 128  # observations kept as they are, then counted at once, in C


@final
class Inbox:
    """Take the observations of one label set, for whoever counts them.

    It stays the same while frames come and go. So what a thread adds while another one seals a
    frame is there for the next one, and none is lost.

    Args:
        labels: the label set.
        full: counts what is in it; called by who observes, now and then.
    """

    __slots__ = ("_full", "labels", "values")

    def __init__(self, labels: tuple[str, ...], full: Callable[[Inbox], None]) -> None:
        self.labels = labels
        self.values: list[float] = []
        self._full = full

    def observe(self, value: float) -> None:
        """Take a value."""
        values = self.values
        values.append(value)
        if len(values) >= _MOST:
            self._full(self)

    def empty(self) -> list[float]:
        """Return the values, which it holds no longer; what is added meanwhile stays."""
        values = self.values[:]
        del self.values[: len(values)]
        return values
