"""When a cron trigger fires: Cloudflare's five fields, read in UTC; Sunday is day 1.

Beside numbers, names, lists, ranges and steps there are ``L`` (the last day, ``L-3`` three days
before it, ``6L`` the last Friday), ``W`` (``15W``: the working day nearest to the 15th, ``LW``) and
``#`` (``2#1``: the first Monday). It is read as workerd's own ``/workerd/cron.js`` reads it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LONGEST: Final = 64
_FIRST: Final = date(2000, 1, 1).toordinal()
_CYCLE: Final = 146_097
"""Days, after which the calendar repeats itself."""

Fires = Callable[[date, int], bool]
"""Returns whether a field of days names a day, of a month with so many days."""


@dataclass(frozen=True)
class _Field:
    """What a field may hold: its least and its greatest number, and words for them."""

    name: str
    least: int
    greatest: int
    words: tuple[str, ...] = ()

    def value(self, text: str) -> int:
        """Return the number of a text; raises ValueError."""
        word = text.upper() in self.words
        number = self.least + self.words.index(text.upper()) if word else _number(text)
        if not self.least <= number <= self.greatest:
            raise ValueError(f"{text!r} is no {self.name}")
        return number

    def values(self, text: str) -> frozenset[int]:
        """Return the numbers of a list; raises ValueError."""
        parts = text.split(",")
        if "*" in parts[1:] or (parts[0] == "*" and parts[1:]):
            raise ValueError(f"{text!r} is no {self.name}: * stands alone")
        return frozenset(number for part in parts for number in self._range(part))

    def _range(self, part: str) -> range:
        spec, stepped, steps = part.partition("/")
        first, ended, last = spec.partition("-")
        step = _number(steps) if stepped else 1
        begin = self.least if spec == "*" else self.value(first)
        open_ = spec == "*" or (stepped and not ended)
        end = self.value(last) if ended else self.greatest if open_ else begin
        if begin > end or not 1 <= step <= self.greatest - self.least:
            raise ValueError(f"{part!r} is no {self.name}")
        return range(begin, end + 1, step)


_MINUTE, _HOUR = _Field("minute", 0, 59), _Field("hour", 0, 23)
_DAY = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of the week", 1, 7, _WEEKDAYS)


@dataclass(frozen=True)
class Cron:
    """When a cron trigger fires; made by :func:`parse`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    days: tuple[Fires, ...]

    def fires(self, at: datetime) -> bool:
        """Return whether it fires in a minute.

        Args:
            at: the minute, in UTC.
        """
        return at.hour in self.hours and at.minute in self.minutes and self.on(at.date())

    def on(self, day: date) -> bool:
        """Return whether it fires on a day: where both fields of days say something, by either."""
        last = monthrange(day.year, day.month)[1]
        named = not self.days or any(fires(day, last) for fires in self.days)
        return day.month in self.months and named


def parse(expression: str) -> Cron:
    """Read an expression.

    Raises:
        ValueError: it is none, or names no day that there is.
    """
    texts = expression.split()
    if len(texts) != 5 or len(expression) > _LONGEST:
        raise ValueError(f"{expression[:_LONGEST]!r} has not five fields")
    minute, hour, day, month, weekday = texts
    read = ((_of_month, day), (_of_week, weekday))
    days = tuple(of(text) for of, text in read if text != "*")
    cron = Cron(_MINUTE.values(minute), _HOUR.values(hour), _MONTH.values(month), days)
    if not any(cron.on(date.fromordinal(_FIRST + number)) for number in range(_CYCLE)):
        raise ValueError(f"{expression!r} is no time that ever comes")
    return cron


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else -1


def _of_month(text: str) -> Fires:
    stem = text.removesuffix("W")
    back = re.fullmatch(r"L(?:-([1-9]|[12]\d|30))?", stem)
    if back is None and stem == text:
        named = _DAY.values(text)
        return lambda day, _last: day.day in named
    fixed = 0 if back else _DAY.value(stem)

    def fires(day: date, last: int) -> bool:
        meant = last - int(back[1] or 0) if back else fixed
        if not 1 <= meant <= last:
            return False
        return day.day == (meant if stem == text else _working_day(day.replace(day=meant), last))

    return fires


def _working_day(meant: date, last: int) -> int:
    """Return the working day nearest to a day, within its month."""
    if meant.weekday() == 5:  # Saturday
        return meant.day - 1 if meant.day > 1 else 3
    if meant.weekday() == 6:
        return meant.day + 1 if meant.day < last else last - 2
    return meant.day


def _of_week(text: str) -> Fires:
    if text == "L":
        return lambda day, _last: _weekday(day) == 7
    if text.endswith("L"):
        final = _WEEKDAY.value(text[:-1])
        return lambda day, last: _weekday(day) == final and day.day + 7 > last
    name, numbered, place = text.partition("#")
    if numbered:
        wanted, week = _WEEKDAY.value(name), _Field("week", 1, 5).value(place)
        return lambda day, _last: _weekday(day) == wanted and (day.day - 1) // 7 + 1 == week
    named = _WEEKDAY.values(text)
    return lambda day, _last: _weekday(day) in named


def _weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1
