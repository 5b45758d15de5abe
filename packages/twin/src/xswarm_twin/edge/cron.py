"""When a cron trigger fires: Cloudflare's five fields, read in UTC; Sunday is day 1.

Beside numbers, names, lists, ranges and steps there are ``L`` (the last day, ``6L`` the last
Friday), ``W`` (``15W``: the working day nearest to the 15th) and ``#`` (``2#1``: the first
Monday).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LONGEST = 64


@dataclass(frozen=True)
class _Field:
    """What a field may hold: its least and its greatest number, and words for them."""

    name: str
    least: int
    greatest: int
    words: tuple[str, ...] = ()
    special: str = ""

    def read(self, text: str) -> tuple[str, ...]:
        """Return the parts of a list, words turned to numbers; raises ValueError."""
        parts = tuple(self._numbered(part) for part in text.upper().split(","))
        for part in parts:
            if not (self.special and re.fullmatch(self.special, part)):
                self.numbers(part)
        return parts

    def numbers(self, part: str) -> range:
        """Return the numbers of a part that has no special sign; raises ValueError."""
        found = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if not found:
            raise ValueError(f"{part!r} is no {self.name}")
        first, last, step = (None if each is None else int(each) for each in found.groups())
        start = self.least if first is None else first
        single = first is not None and last is None and step is None
        end = start if single else self.greatest if last is None else last
        if not self.least <= start <= end <= self.greatest or step == 0:
            raise ValueError(f"{part!r} is no {self.name}")
        return range(start, end + 1, step or 1)

    def _numbered(self, part: str) -> str:
        for number, word in enumerate(self.words, self.least):
            part = part.replace(word, str(number))
        return part


_MINUTE, _HOUR = _Field("minute", 0, 59), _Field("hour", 0, 23)
_DAY = _Field("day of the month", 1, 31, special=r"L|LW|([1-9]|[12]\d|3[01])W")
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of the week", 1, 7, _WEEKDAYS, special=r"L|[1-7]L|[1-7]#[1-5]")
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


@dataclass(frozen=True)
class Cron:
    """When a cron trigger fires; made by :func:`parse`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: tuple[str, ...]
    months: frozenset[int]
    weekdays: tuple[str, ...]

    def fires(self, at: datetime) -> bool:
        """Return whether it fires in a minute.

        Args:
            at: the minute, in UTC.
        """
        if at.month not in self.months or at.hour not in self.hours:
            return False
        return at.minute in self.minutes and self._on(at.date())

    def _on(self, day: date) -> bool:
        """Return whether it fires on a day: where both fields of days say something, by either."""
        of_month = any(_is_day(part, day) for part in self.days)
        of_week = any(_is_weekday(part, day) for part in self.weekdays)
        both = not ("*" in self.days or "*" in self.weekdays)
        return of_month or of_week if both else of_month and of_week


def parse(expression: str) -> Cron:
    """Read an expression.

    Raises:
        ValueError: it is none.
    """
    texts = expression.split()
    if len(texts) != len(_FIELDS) or len(expression) > _LONGEST:
        raise ValueError(f"{expression[:_LONGEST]!r} has not five fields")
    minutes, hours, days, months, weekdays = (
        field.read(text) for field, text in zip(_FIELDS, texts, strict=True)
    )
    return Cron(
        _union(_MINUTE, minutes), _union(_HOUR, hours), days, _union(_MONTH, months), weekdays
    )


def _union(field: _Field, parts: Iterable[str]) -> frozenset[int]:
    return frozenset(number for part in parts for number in field.numbers(part))


def _is_day(part: str, day: date) -> bool:
    last = monthrange(day.year, day.month)[1]
    if part == "L":
        return day.day == last
    if not part.endswith("W"):
        return day.day in _DAY.numbers(part)
    meant = day.replace(day=last if part == "LW" else min(int(part[:-1]), last))
    return day.day == _nearest_working_day(meant, last)


def _nearest_working_day(meant: date, last: int) -> int:
    """Return the working day nearest to a day, within its month."""
    if meant.weekday() == 5:  # Saturday
        return meant.day - 1 if meant.day > 1 else 3
    if meant.weekday() == 6:
        return meant.day + 1 if meant.day < last else last - 2
    return meant.day


def _is_weekday(part: str, day: date) -> bool:
    number = day.isoweekday() % 7 + 1
    if part == "L":
        return number == 7
    if part.endswith("L"):
        last = monthrange(day.year, day.month)[1]
        return number == int(part[0]) and day.day + 7 > last
    if "#" in part:
        return number == int(part[0]) and (day.day - 1) // 7 + 1 == int(part[2])
    return number in _WEEKDAY.numbers(part)
