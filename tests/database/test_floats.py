"""Every double arrives at libSQL's server as the double it is."""

from __future__ import annotations

import json
import math
import random
import struct

import pytest

from xswarm_deploy.database.client import Database, DatabaseError
from xswarm_deploy.database.floats import token


def doubles(count: int) -> list[float]:
    """Random bit patterns and random magnitudes, half of each."""
    source = random.Random(20)
    found: list[float] = [5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 0.1 + 0.2]
    while len(found) < count:
        bits = struct.unpack("<d", source.randbytes(8))[0]
        usual = source.uniform(-1, 1) * 10 ** source.randint(-5, 15)
        found += [number for number in (bits, usual) if math.isfinite(number)]
    return found


def test_doubles_arrive_exactly_or_are_refused_by_name(remote: Database) -> None:
    numbers = doubles(3000)
    sendable = [number for number in numbers if token(number) is not None]
    assert len(sendable) >= 0.99 * len(numbers)
    for start in range(0, len(sendable), 500):
        part = sendable[start : start + 500]
        row = remote.query("SELECT " + ", ".join("?" for _ in part), part)[0]
        assert list(row.values_in_order) == part


def test_a_double_without_a_token_is_refused_by_name(remote: Database) -> None:
    number = 0.9648035260654753
    assert token(number) is None
    with pytest.raises(DatabaseError, match=r"0\.9648035260654753 cannot be sent exactly"):
        remote.query("SELECT ?", [number])
    assert remote.query(f"SELECT {number!r}")[0][0] == number


def test_nearly_every_token_reads_exactly_everywhere() -> None:
    pairs = [(number, token(number)) for number in doubles(2000)]
    wrong = [(number, text) for number, text in pairs if text and json.loads(text) != number]
    assert len(wrong) <= len(pairs) / 100
    assert all(abs(json.loads(text) / number - 1) < 1e-15 for number, text in wrong)
