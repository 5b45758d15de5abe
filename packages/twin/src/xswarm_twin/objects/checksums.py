"""The checksums that S3 knows and Python's own libraries do not have: CRC-32C and CRC-64/NVME."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final


@dataclass(frozen=True)
class _Cyclic:
    """A reflected cyclic redundancy check, which begins and ends inverted."""

    polynomial: int
    bits: int

    def __call__(self, chunk: bytes, before: int = 0) -> int:
        table, ones = _table(self.polynomial), (1 << self.bits) - 1
        value = before ^ ones
        for byte in chunk:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        return value ^ ones


@cache
def _table(polynomial: int) -> tuple[int, ...]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        return value

    return tuple(entry(number) for number in range(256))


_CYCLIC: Final[dict[str, tuple[Callable[[bytes, int], int], int]]] = {
    "crc32": (zlib.crc32, 32),
    "crc32c": (_Cyclic(0x82F63B78, 32), 32),
    "crc64nvme": (_Cyclic(0x9A6C9329AC4BC9B5, 64), 64),
}


def cyclic(name: str, chunks: Iterable[bytes]) -> str | None:
    """Return a checksum in hexadecimal, or None where it is none of these."""
    if name not in _CYCLIC:
        return None
    check, bits = _CYCLIC[name]
    value = 0
    for chunk in chunks:
        value = check(chunk, value)
    return f"{value:0{bits // 4}x}"
