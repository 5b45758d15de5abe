"""Write protobuf and snappy, which no library does that runs in every Worker.

A message of a few fields needs three kinds of them; snappy allows all of it to be literals.
See the protobuf encoding guide, and snappy's format description, section 2.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

_LITERAL = 65_536  # bytes; snappy's block size, and a literal of two length bytes


def nested(number: int, content: bytes) -> bytes:
    """Return a field that has a length: text, bytes, packed numbers or another message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def text(number: int, content: str) -> bytes:
    """Return a field of text."""
    return nested(number, content.encode())


def whole(number: int, value: int) -> bytes:
    """Return a field of a whole number from 0 on; nothing for 0, which is the default."""
    return varint(number << 3) + varint(value) if value else b""


def double(number: int, value: float) -> bytes:
    """Return a field of a double."""
    return varint(number << 3 | 1) + struct.pack("<d", value)


def packed(number: int, values: Iterable[int]) -> bytes:
    """Return a packed field of whole numbers from 0 on."""
    return nested(number, b"".join(map(varint, values)))


def varint(value: int) -> bytes:
    """Return a whole number from 0 on, seven bits a byte."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def snappy(content: bytes) -> bytes:
    """Return content in snappy's block format, all of it literals."""
    parts = [varint(len(content))]
    for start in range(0, len(content), _LITERAL):
        literal = content[start : start + _LITERAL]
        parts += [_literal(len(literal) - 1), literal]
    return b"".join(parts)


def _literal(length: int) -> bytes:
    """Return a literal's head; a short one is short, since some readers take it no other way."""
    return bytes([length << 2]) if length < 60 else b"\xf4" + length.to_bytes(2, "little")
