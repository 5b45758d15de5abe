"""A mergeable sketch of a distribution: a count for each logarithmic bucket.

Bucket ``i`` holds the values in ``(base**(i - 1), base**i]`` with ``base = 2**(1/64)``. So
a quantile is off by at most 0.55 %, sketches merge exactly by adding counts, every power
of two is a boundary (2 s, for the alert on P95, is counted exactly), and the buckets are
those of an OpenTelemetry exponential histogram of scale 6, which exports without loss.
See Masson, Rim and Lee, "DDSketch", VLDB 2019, for the error bound.
"""

from __future__ import annotations

import json
from _thread import RLock  # threading is a module more at a Worker's start
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain, repeat
from math import ceil, floor, isfinite, log2
from typing import Any, final

PER_OCTAVE = 64
"""Buckets between a value and its double: 2 to the power of the scale."""
SCALE = 6
BASE = 2 ** (1 / PER_OCTAVE)
RELATIVE_ERROR = (BASE - 1) / (BASE + 1)
SMALLEST = 2.0**-40
"""Values up to this one (about a picosecond) count as zero."""
LARGEST = 2.0**60
"""Greater values count in this one's bucket; their maximum is kept as it is."""

_MIDDLE = 2 / (1 + BASE)  # of a bucket, as a part of its upper bound
_TOP = 60 * PER_OCTAVE
_SUMMED = 2.0**900  # as which a greater value is added up: a sum that is no number is no JSON
_THIN = 3  # observations a bucket up to which it is cheaper to count them one by one, in C
_PENDING = 128  # observations kept as they are, then counted at once, in C
_SETTLING = RLock()
"""Held by who sorts observations into buckets: sketches are observed by many threads."""


def _checked(runs: Sequence[int]) -> Sequence[int]:
    """Return gaps and counts by turns.

    Raises:
        TypeError: they are none.
    """
    if len(runs) % 2 or not isinstance(sum(runs), int):
        raise TypeError(f"{len(runs)} gaps and counts")
    return runs


def _read(waiting: Sequence[Sequence[int] | str]) -> list[Sequence[int]]:
    """Return lists of gaps and counts, some of which may be text yet."""
    texts = [runs for runs in waiting if isinstance(runs, str)]
    read = map(_checked, json.loads(f"[[{'],['.join(texts)}]]") if texts else ())
    return [*read, *(runs for runs in waiting if not isinstance(runs, str))]


def _indexes(runs: Sequence[int]) -> Iterator[int]:
    """Return the bucket of each observation, of gaps and counts by turns."""
    return chain.from_iterable(map(repeat, accumulate(runs[::2]), runs[1::2]))


@lru_cache(maxsize=16)
def _limits(boundaries: tuple[float, ...]) -> list[int]:
    return [ceil(log2(boundary) * PER_OCTAVE) for boundary in boundaries]


@final
class Sketch:
    """Count observations by their size; quantiles, sums and extremes on demand.

    Observations are appended to a short list and sorted into buckets a hundred at a
    time, which costs a third of doing so one by one. Buckets that were read as text wait as
    they are until somebody asks for more than counts, sums and extremes: of a thousand routes
    only the busiest are looked at.
    """

    __slots__ = (
        *("_buckets", "_count", "_maximum", "_minimum"),
        *("_pending", "_total", "_waiting", "_zeros"),
    )

    def __init__(self) -> None:
        self._pending: list[float] = []
        self._buckets: Counter[int] = Counter()
        self._waiting: list[Sequence[int] | str] = []
        self._zeros = 0
        self._count = 0
        self._total = 0.0
        self._minimum = float("inf")
        self._maximum = 0.0

    def observe(self, value: float) -> None:
        """Count a value of zero or more; a negative one counts as zero, NaN and ∞ not at all."""
        pending = self._pending
        pending.append(value)
        if len(pending) >= _PENDING:
            self._settle()

    def observe_all(self, values: list[float]) -> None:
        """Count values, as :meth:`observe` does each of them."""
        with _SETTLING:
            self._count_all(values)

    def _settle(self) -> None:
        """Sort the pending observations into their buckets."""
        with _SETTLING:
            values = self._pending[:]
            del self._pending[: len(values)]  # what another thread adds meanwhile stays
            self._count_all(values)

    def _count_all(self, values: list[float]) -> None:
        total = sum(values)
        if not isfinite(total):
            values = [value for value in values if isfinite(value)]
            total = sum(values)
        if not values:
            return
        lowest, highest = min(values), max(values)
        if lowest <= SMALLEST or highest > LARGEST:
            values, total = self._set_aside(values)
            lowest = max(lowest, 0.0)
        self._count += len(values)
        self._total += total
        self._minimum = min(self._minimum, lowest)
        self._maximum = max(self._maximum, highest)
        self._buckets.update([ceil(log2(value) * PER_OCTAVE) for value in values])

    def _set_aside(self, values: Sequence[float]) -> tuple[list[float], float]:
        """Count the zeros, and return the other values, none beyond the largest, with the sum."""
        rest = [min(value, LARGEST) for value in values if value > SMALLEST]
        zeros = len(values) - len(rest)
        self._zeros += zeros
        self._count += zeros
        return rest, sum(min(value, _SUMMED) for value in values if value > 0)

    @property
    def count(self) -> int:
        """How many values were observed."""
        return self._settled()._count

    @property
    def total(self) -> float:
        """Their sum."""
        return self._settled()._total

    @property
    def minimum(self) -> float:
        """The smallest of them; 0 where there is none."""
        return self._settled()._minimum if self.count else 0.0

    @property
    def maximum(self) -> float:
        """The largest of them; 0 where there is none."""
        return self._settled()._maximum

    @property
    def mean(self) -> float:
        """Their mean; 0 where there is none."""
        return self.total / self.count if self.count else 0.0

    @property
    def zeros(self) -> int:
        """How many of them were zero."""
        return self._settled()._zeros

    def buckets(self) -> list[tuple[int, int]]:
        """Return (index, count) of each bucket that is not empty, in ascending order."""
        return sorted(self._sorted().items())

    def _settled(self) -> Sketch:
        if self._pending:
            self._settle()
        return self

    def _sorted(self) -> Counter[int]:
        """Return all buckets, once what waits is sorted into them."""
        buckets = self._settled()._buckets
        waiting, self._waiting = _read(self._waiting), []
        thin = [runs for runs in waiting if 2 * sum(runs[1::2]) < _THIN * len(runs)]
        buckets.update(chain.from_iterable(map(_indexes, thin)))  # all in C
        known = buckets.get
        for runs in waiting:
            if 2 * sum(runs[1::2]) >= _THIN * len(runs):
                for index, count in zip(accumulate(runs[::2]), runs[1::2], strict=True):
                    buckets[index] = known(index, 0) + count
        return buckets

    def quantile(self, q: float) -> float:
        """Return the value below which a part ``q`` of all lies, within ``RELATIVE_ERROR``.

        The value estimated is the one of rank ``floor(q * (count - 1))``; 0 where none was
        observed.

        Raises:
            ValueError: ``q`` is not between 0 and 1.
        """
        return self.quantiles((q,))[0]

    def quantiles(self, parts: Sequence[float]) -> list[float]:
        """Return several quantiles for one walk over the buckets; see :meth:`quantile`."""
        if not all(0 <= q <= 1 for q in parts):
            raise ValueError(f"a quantile lies between 0 and 1: {parts}")
        if not self.count:
            return [0.0] * len(parts)
        ranks = [max(floor(q * (self._count - 1)), 0) for q in parts]
        values = dict(zip(sorted(set(ranks)), self._ranked(sorted(set(ranks))), strict=True))
        return [values[rank] for rank in ranks]

    def _ranked(self, ranks: Sequence[int]) -> Iterator[float]:
        """Return the values of ascending ranks."""
        walk = chain([(None, self._zeros)], self.buckets())
        index, below = next(walk)
        for rank in ranks:
            while below <= rank:
                index, count = next(walk)
                below += count
            yield self._representative(index)

    def _representative(self, index: int | None) -> float:
        """Return the value that stands for a bucket, None for the zeros."""
        if index is None:
            return max(self._minimum, 0.0)
        if index >= _TOP:
            return self._maximum
        return min(max(_MIDDLE * BASE**index, self._minimum), self._maximum)

    def at_most(self, boundaries: tuple[float, ...]) -> list[int]:
        """Count the values up to each of ascending boundaries; exact for powers of two.

        Other boundaries are rounded up to their bucket's, by at most 1.1 %.
        """
        indexes, counts = self._settled()._ascending()
        below, zeros = [0, *accumulate(counts)], self._zeros
        return [zeros + below[bisect_right(indexes, limit)] for limit in _limits(boundaries)]

    def _ascending(self) -> tuple[Sequence[int], Iterable[int]]:
        """Return the indexes of all buckets in ascending order, and their counts."""
        if len(self._waiting) == 1 and not self._buckets:
            (runs,) = _read(self._waiting)  # in order, and in need of no sorting
            return list(accumulate(runs[::2])), runs[1::2]
        buckets = self._sorted()
        indexes = sorted(buckets)
        return indexes, map(buckets.__getitem__, indexes)

    def merge(self, other: Sketch, part: float = 1) -> None:
        """Add another sketch's observations to this one; counts stay exact.

        Args:
            other: stays as it is.
            part: how much of it to add, above 0 up to 1; below 1, counts become fractions.
        """
        self._settled()
        theirs = other._settled()._buckets
        if part == 1:
            self._waiting += other._waiting
        else:
            theirs = other._sorted()
        if theirs:
            mine, known = self._buckets, self._buckets.get
            for index, count in theirs.items():
                mine[index] = known(index, 0) + count * part  # type: ignore[assignment]
        self._zeros += other._zeros * part  # type: ignore[assignment]
        self._count += other._count * part  # type: ignore[assignment]
        self._total += other._total * part
        self._minimum = min(self._minimum, other._minimum)
        self._maximum = max(self._maximum, other._maximum)

    def copy(self) -> Sketch:
        """Return another sketch of the same observations."""
        made = Sketch.__new__(Sketch)  # a total copies thousands, as _read_back makes them
        made._pending, made._buckets = [], Counter.__new__(Counter)
        dict.update(made._buckets, self._settled()._buckets)  # Counter's own takes three times that
        made._waiting = [*self._waiting]
        made._zeros, made._count, made._total = self._zeros, self._count, self._total
        made._minimum, made._maximum = self._minimum, self._maximum
        return made

    def less(self, earlier: Sketch) -> Sketch:
        """Return what was observed since an earlier state of this one.

        The extremes are those of the buckets, since the earlier ones hide those in between.
        """
        made = Sketch()
        made._buckets = self._sorted() - earlier._sorted()
        made._zeros = max(self._zeros - earlier._zeros, 0)
        made._count = made._zeros + sum(made._buckets.values())
        made._total = max(self._total - earlier._total, 0.0) if made._count else 0.0
        if made._buckets:
            made._minimum = 0.0 if made._zeros else BASE ** (min(made._buckets) - 1)
            made._maximum = min(BASE ** max(made._buckets), self._maximum)
        elif made._zeros:
            made._minimum = 0.0
        return made

    def as_json(self) -> list[Any]:
        """Return the sketch as JSON: zeros, sum, minimum, maximum, then gap and count by turns."""
        buckets = self.buckets()
        indexes = [index for index, _ in buckets]
        gaps = [after - before for before, after in zip([0, *indexes], indexes, strict=False)]
        pairs = zip(gaps, (count for _, count in buckets), strict=True)
        return [self._zeros, self._total, self.minimum, self._maximum, *chain.from_iterable(pairs)]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Sketch:
        """Read what :meth:`as_json` gave.

        Raises:
            ValueError: it is nothing that ``as_json`` gives.
        """
        try:
            zeros, total, minimum, maximum, *runs = data
            count = int(zeros) + sum(runs[1::2])
            return cls._read_back(count, zeros, total, minimum, maximum, _checked(runs))
        except (TypeError, ValueError) as error:
            raise ValueError(f"not a sketch: {str(data)[:80]}") from error

    @classmethod
    def from_text(cls, text: str, count: int) -> Sketch:
        """Read the text of what :meth:`as_json` gave; its buckets wait as text.

        Args:
            text: with its brackets.
            count: how many values it holds, as it says itself once its buckets are read.

        Raises:
            ValueError: it is nothing that ``as_json`` gives.
        """
        try:
            zeros, total, minimum, maximum, *runs = text[1:-1].split(",", 4)
            return cls._read_back(count, zeros, total, minimum, maximum, runs[0] if runs else "")
        except (TypeError, ValueError) as error:
            raise ValueError(f"not a sketch: {text[:80]}") from error

    @classmethod
    def _read_back(
        cls,
        count: int,
        zeros: Any,
        total: Any,
        minimum: Any,
        maximum: Any,
        runs: Sequence[int] | str,
    ) -> Sketch:
        sketch = cls.__new__(cls)  # thousands are read, and __init__ takes half of the time
        sketch._pending, sketch._buckets = [], Counter.__new__(Counter)
        sketch._waiting = [runs] if runs else []
        sketch._count, sketch._zeros, sketch._total = count, int(zeros), float(total)
        sketch._maximum = float(maximum)
        sketch._minimum = float(minimum) if count else float("inf")
        return sketch
