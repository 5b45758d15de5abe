"""Which bytes of an object are asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(r"^bytes=(\d*)-(\d*)$")


class RangeInvalid(Exception):
    """The range has no byte of the object."""


@dataclass(frozen=True)
class ByteRange:
    """A part of an object: where it begins, and how many bytes it has."""

    offset: int
    length: int

    def content_range(self, size: int) -> str:
        """Return the Content-Range header of a part of an object of some size."""
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{size}"


def parse_range(header: str, size: int) -> ByteRange | None:
    """Read a Range header (RFC 9110, one range); None when it is to be ignored.

    Raises RangeInvalid when it begins behind the object's end.
    """
    found = _HEADER.match(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return resolve_range(size, suffix=int(last))
    if last and int(last) < int(first):
        return None
    length = int(last) - int(first) + 1 if last else None
    return resolve_range(size, offset=int(first), length=length)


def resolve_range(
    size: int, *, offset: int | None = None, length: int | None = None, suffix: int | None = None
) -> ByteRange:
    """Cut a range to an object's size; raises RangeInvalid when nothing is left."""
    if suffix is not None:
        taken = min(suffix, size)
        begin, wanted = size - taken, taken
    else:
        begin = offset or 0
        wanted = size - begin if length is None else min(length, size - begin)
    if begin < 0 or wanted <= 0:
        raise RangeInvalid
    return ByteRange(begin, wanted)
