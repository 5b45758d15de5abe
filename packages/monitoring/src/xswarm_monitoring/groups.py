"""Name what labels have in common: those below one place of a path are a group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

ANY = "*"
"""Stands for all values at a place of a path that have no label of their own."""

_LEAST = 3  # labels below a place, from which on they are a group


class Groups:
    """Find the group of a label that there is no room for.

    Args:
        labels: those that there are.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        self._below = Counter(place for label in set(labels) for place in _places(label))

    def of(self, label: str) -> str | None:
        """Return the narrowest group, e.g. ``/blog/*``; None where a label has none."""
        found = (place for place in _places(label) if self._below[place] >= _LEAST)
        return next((f"{place}/{ANY}" for place in found), None)


def _places(label: str) -> Iterator[str]:
    """Yield the places that a path is below, the narrowest first."""
    while label.startswith("/"):
        label = label.rpartition("/")[0]
        yield label
