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
        known: the label sets that have a place; groups are of their first labels.
        others: those that have none.
    """

    def __init__(
        self, known: Iterable[tuple[str, ...]], others: Iterable[tuple[str, ...]] = ()
    ) -> None:
        self._known = list(known)
        labels = {each[0] for each in (*self._known, *others) if each}
        self._below = Counter(place for label in labels for place in _places(label))
        self._opened: dict[int, set[tuple[str, ...]]] = {}

    def has(self, labels: tuple[str, ...], closed: int) -> bool:
        """Return whether there is a label set that differs in the last labels at most."""
        if closed not in self._opened:
            self._opened[closed] = {each[:-closed] for each in self._known}
        return labels[:-closed] in self._opened[closed]

    def of(self, label: str) -> str | None:
        """Return the narrowest group, e.g. ``/blog/*``; None where a label has none."""
        found = (place for place in _places(label) if self._below[place] >= _LEAST)
        return next((f"{place}/{ANY}" for place in found), None)


def _places(label: str) -> Iterator[str]:
    """Yield the places that a path is below, the narrowest first."""
    while label.startswith("/"):
        label = label.rpartition("/")[0]
        yield label
