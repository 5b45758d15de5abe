"""Label requests by their path, where no router names the route.

Anybody may ask for any path, so a path is no label. What varies by its shape is replaced
(:func:`xswarm_monitoring.redaction.shape`). What varies by its number is counted: at each place of
a path some values have labels of their own, and all others are ``*`` there. A value that is asked
for often takes the place of one that is not, and one that was not asked for loses it by and by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xswarm_monitoring.groups import ANY
from xswarm_monitoring.redaction import FILES, PLACEHOLDERS, shape

WIDTH = 50
"""Values at one place that have labels of their own."""
DEPTH = 8
"""Segments of a label; all that is deeper is one."""

_MOST = 400  # places in all
_OFTEN = 8  # requests from which on a value may take another one's place
_PERIOD = 600.0  # seconds, after which what was asked for counts half
_WAITING = 2 * WIDTH  # values at a place whose requests are counted, though they have no label
_QUICK = 2_000  # paths whose label is at hand
_LONGEST = 200  # characters of those


@dataclass(eq=False)
class _Place:
    """Hold one place of a path.

    Args:
        label: of the path that ends here.
        asked: requests that ended here; later ones count more.
        answered: whether one that ended here was ever answered.
        below: the places of the segments that follow.
        waiting: how often values were asked for that have no place.
    """

    label: str
    asked: int = 0
    answered: bool = False
    below: dict[str, _Place] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)

    def walk(self) -> Iterator[_Place]:
        """Yield this place and all below."""
        yield self
        for place in self.below.values():
            yield from place.walk()

    def weight(self) -> int:
        """Return how many requests ended here or below."""
        return sum(place.asked for place in self.walk())

    def own(self) -> list[str]:
        """Return the values that have a place of their own, and no group's."""
        return [value for value in self.below if not _is_group(value)]

    def fade(self, halvings: int) -> None:
        """Let all that was asked for count less, and give up what counts nothing any more."""
        self.asked >>= halvings
        self.waiting = {v: n >> halvings for v, n in self.waiting.items() if n >> halvings}
        for value, place in list(self.below.items()):
            place.fade(halvings)
            if not place.asked and not place.below:
                del self.below[value]


class Paths:
    """Label paths, with some hundreds of labels at most.

    Args:
        timer: seconds of a clock.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._root = _Place("")
        self._places = 0
        self._quick: dict[str, _Place] = {}
        self._fades_at = timer() + _PERIOD

    def label(self, path: str, *, answered: bool = True) -> str | None:
        """Return a path's label.

        Args:
            path: without its query.
            answered: whether the app did not refuse it (4xx). What is refused is a scanner's as
                often as not: it has no label but one under which something was answered.
        """
        place = self._quick.get(path)
        if place is None:
            place = self._find(path) if answered else self._known(path)
        if place is None or not (answered or place.answered):
            return None
        place.asked += 1
        place.answered = True
        return place.label

    def _find(self, path: str) -> _Place:
        if self._timer() >= self._fades_at:
            self._fade()
        place, kept = self._root, len(path) <= _LONGEST
        for segment in _segments(path):
            below = place.below.get(segment)
            if below is None:
                segment, kept = self._admitted(place, segment), False
                below = place.below.get(segment) or self._made(place, segment)
            place = below
        if kept:
            if len(self._quick) >= _QUICK:
                self._quick.clear()
            self._quick[path] = place
        return place

    def _known(self, path: str) -> _Place | None:
        """Return the place of a path that is there already, and no group's."""
        if not self._root.below:  # as in all applications that have a router
            return None
        place: _Place | None = self._root
        for segment in _segments(path):
            place = place.below.get(segment) if place else None
        return place

    def _admitted(self, place: _Place, segment: str) -> str:
        """Return the value under which a segment has its place: its own, or its group's."""
        if _is_group(segment) or self._has_room(place) or self._takes_over(place, segment):
            return segment
        return _group(segment)

    def _has_room(self, place: _Place) -> bool:
        return self._places < _MOST and len(place.below) < WIDTH

    def _takes_over(self, place: _Place, segment: str) -> bool:
        """Return whether a value now has the place of another one, which is asked for less."""
        waiting = place.waiting
        asked = waiting[segment] = waiting.get(segment, 0) + 1
        if len(waiting) > _WAITING:  # Misra and Gries: what is frequent stays
            place.waiting = {value: n - 1 for value, n in waiting.items() if n > 1}
        if asked < _OFTEN or asked & (asked - 1):  # looking for it has its price
            return False
        least = min(place.own(), key=lambda each: place.below[each].weight(), default=None)
        if least is None or place.below[least].weight() * 2 > asked:
            return False
        self._places -= sum(1 for _ in place.below.pop(least).walk())
        self._quick.clear()
        place.waiting.pop(segment, None)
        return True

    def _made(self, place: _Place, segment: str) -> _Place:
        self._places += 1
        return place.below.setdefault(segment, _Place(f"{place.label}/{segment}"))

    def _fade(self) -> None:
        halvings = 1 + int((self._timer() - self._fades_at) / _PERIOD)
        self._fades_at += halvings * _PERIOD
        self._root.fade(halvings)
        self._places = sum(1 for _ in self._root.walk()) - 1
        self._quick.clear()


def _segments(path: str) -> list[str]:
    segments = shape(path).strip("/").split("/")
    return segments if len(segments) <= DEPTH else [*segments[: DEPTH - 1], ANY]


def _is_group(segment: str) -> bool:
    name, _, kind = segment.rpartition(".")
    return segment in PLACEHOLDERS or segment == ANY or (kind in FILES and _is_group(name))


def _group(segment: str) -> str:
    """Return what a value is counted under that has no label: files by their kind."""
    kind = segment.rpartition(".")[2].lower()
    return f"{ANY}.{kind}" if kind in FILES and "." in segment else ANY
