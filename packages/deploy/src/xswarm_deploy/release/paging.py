"""A list that is read page by page, as far as somebody looks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")


class Paged(Sequence[T], Generic[T]):
    """Iterate over what a source has, in its order, reading no further than is asked.

    Args:
        read: gives the page behind an item, or the first page for None.
        size: how many items a page has; a shorter one is the last.

    Raises:
        Exception: whatever ``read`` raises; for the first page at once.
    """

    def __init__(self, read: Callable[[T | None], Sequence[T]], size: int) -> None:
        self._read, self._size = read, size
        self._known: list[T] = []
        self._whole = False
        self._one_at_a_time = threading.Lock()
        self._go_on(0)

    def __iter__(self) -> Iterator[T]:
        place = 0
        while place < len(self._known) or self._go_on(place):
            yield self._known[place]
            place += 1

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        return bool(self._known)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice) or index < 0:
            return self._all()[index]
        while index >= len(self._known) and self._go_on(len(self._known)):
            pass
        return self._known[index]

    def __eq__(self, other: object) -> bool:
        return self._all() == other

    __hash__ = None  # type: ignore[assignment]

    def _all(self) -> list[T]:
        while self._go_on(len(self._known)):
            pass
        return self._known

    def _go_on(self, place: int) -> bool:
        """Read another page where this place is behind all that is known; tell if it is there."""
        with self._one_at_a_time:
            if place >= len(self._known) and not self._whole:
                page = self._read(self._known[-1] if self._known else None)
                self._known += page
                self._whole = len(page) < self._size
            return place < len(self._known)
