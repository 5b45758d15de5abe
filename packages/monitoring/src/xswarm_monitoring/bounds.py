"""Keep as many label sets as a family allows, and every count, however many there would be.

What is beyond is counted under the group of its label, as ``/blog/*``, or else under
:data:`~xswarm_monitoring.instruments.OVERFLOW`. Every process bounds its own label sets; this
bounds those of all of them together.

A window keeps those that were counted most. A total is what counters are exposed of, and none of
those may shrink: a label set has its place until it was not seen for an hour and another one needs
it. What was counted under it is then kept as :data:`RETIRED`, which is exposed nowhere, so that no
series jumps; seen again, it begins at zero, as after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Generic

from xswarm_monitoring.groups import Groups
from xswarm_monitoring.instruments import NO_ROUTE, OVERFLOW, STALE_AFTER, Family, Kind, Value
from xswarm_monitoring.sketch import Sketch
from xswarm_monitoring.window import Labels, Window

RETIRED = "(retired)"
"""The label of what was counted under label sets that made way for others."""


_UNKNOWN = Family("", Kind.COUNTER, "")
"""Bounds what another version declared."""


def bound(measured: Window, families: Mapping[str, Family]) -> None:
    """Keep the label sets of a window that were counted most, as many as families allow.

    Args:
        measured: changed in place.
        families: by their names; a family that is not among them has the usual bounds.
    """
    for name, sketches in measured.sketches.items():
        _keep_most(sketches, families.get(name, _UNKNOWN))
    for name, counts in measured.counts.items():
        _keep_most(counts, families.get(name, _UNKNOWN))


def _keep_most(series: dict[Labels, Value], family: Family) -> None:
    listed = list(filter(_is_listed, series))
    if len(listed) <= family.limit:
        return
    listed = _most_first(series, listed)
    kept, others = listed[: family.limit], listed[family.limit :]
    groups = Groups(kept, others)
    for labels in others:
        value = series.pop(labels)
        _put(series, family.beyond(labels, groups, len(series)), value)


def add(total: Window, measured: Window, families: Mapping[str, Family]) -> None:
    """Add a window to a total, none of whose counts shrinks.

    What it does depends on the total and the window alone: whoever adds the same windows in the
    same order has the same total.

    Args:
        total: changed in place.
        measured: stays as it is.
        families: as for :func:`bound`.
    """
    total.merge(replace(measured, sketches={}, counts={}))
    for name, sketches in measured.sketches.items():
        seen = total.seen.setdefault(name, {})
        mine = total.sketches.setdefault(name, {})
        _Adding(mine, seen, families.get(name, _UNKNOWN), total.end).take(sketches)
    for name, counts in measured.counts.items():
        seen, sums = total.seen.setdefault(name, {}), total.counts.setdefault(name, {})
        _Adding(sums, seen, families.get(name, _UNKNOWN), total.end).take(counts)


class _Adding(Generic[Value]):
    """Add to one family's series.

    Args:
        series: the total's.
        seen: when each of its label sets was counted last, seconds since 1970.
        family: bounds them.
        now: when what is added was measured, likewise.
    """

    def __init__(
        self, series: dict[Labels, Value], seen: dict[Labels, float], family: Family, now: float
    ) -> None:
        self._series: dict[Labels, Value] = series
        self._seen, self._family, self._now = seen, family, now

    def take(self, measured: Mapping[Labels, Value]) -> None:
        """Add what was measured."""
        fresh = []
        for labels, value in measured.items():
            if labels in self._series or not _is_listed(labels):
                self._put(labels, value)
            else:
                fresh.append(labels)
        room, groups = self._room(fresh, measured) if fresh else (0, None)
        for number, labels in enumerate(fresh):  # in the order in which its process admitted them
            if groups is None or number < room:
                self._put(labels, measured[labels])
            else:
                crowd = self._family.beyond(labels, groups, len(self._series))
                self._put(crowd, measured[labels])

    def _room(
        self, fresh: list[Labels], measured: Mapping[Labels, Value]
    ) -> tuple[int, Groups | None]:
        """Return how many of some label sets there is room for, and the groups of the others."""
        listed: list[Labels] = list(filter(_is_listed, self._series))
        room = self._family.limit - len(listed)
        if room < len(fresh):
            room += self._retire(listed, measured, len(fresh) - room)
        if room >= len(fresh):
            return room, None
        return room, Groups(listed, fresh)

    def _put(self, labels: Labels, value: Value) -> None:
        _put(self._series, labels, value)
        self._seen[labels] = self._now

    def _retire(self, listed: list[Labels], measured: Mapping[Labels, Value], needed: int) -> int:
        """Take away so many label sets that were not seen for long; return how many there were."""
        for labels in listed:
            self._seen.setdefault(labels, self._now)  # a total of an earlier version does not say
        before = self._now - STALE_AFTER
        stale = [each for each in listed if self._seen[each] < before and each not in measured]
        stale = sorted(stale, key=self._seen.__getitem__)[:needed]
        for labels in stale:
            del self._seen[labels]
            _put(self._series, _retired(self._family, labels), self._series.pop(labels))
        return len(stale)


def visible(total: Window) -> Window:
    """Return what is exposed of a total: all but what was retired."""
    sketches = {name: _visible(each) for name, each in total.sketches.items()}
    counts = {name: _visible(each) for name, each in total.counts.items()}
    return replace(total, sketches=sketches, counts=counts)


def _visible(series: dict[Labels, Value]) -> dict[Labels, Value]:
    return {labels: value for labels, value in series.items() if RETIRED not in labels}


def _retired(family: Family, labels: Labels) -> Labels:
    """Return under which label set it is counted what another one was: by its last label."""
    kept = min(family.closed, 1)
    return (RETIRED,) * (len(labels) - kept) + labels[len(labels) - kept :]


def _is_listed(labels: Labels) -> bool:
    """Return whether a label set takes a place, and may lose it; those of scanners are few."""
    return not any(each in labels for each in (OVERFLOW, RETIRED, NO_ROUTE))


def _most_first(series: Mapping[Labels, Value], listed: list[Labels]) -> list[Labels]:
    """Return label sets in the order of their counts; those alike stay as they stand."""
    return sorted(listed, key=lambda labels: -_size(series[labels]))


def _size(value: Value) -> float:
    return value.count if isinstance(value, Sketch) else value


def _put(series: dict[Labels, Value], labels: Labels, value: Value) -> None:
    known = series.get(labels)
    if isinstance(value, Sketch):
        if isinstance(known, Sketch):
            known.merge(value)
        else:
            series[labels] = value.copy()
    else:
        series[labels] = value if known is None else known + value
