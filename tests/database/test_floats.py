"""Every double arrives at libSQL's server as the double it is."""

from __future__ import annotations

import json
import math
import random
import sqlite3
import struct
from contextlib import closing

import pytest

from xswarm_deploy.database import json_rows
from xswarm_deploy.database.client import Database, DatabaseError
from xswarm_deploy.database.floats import token
from xswarm_deploy.database.tables import Table


def doubles(count: int) -> list[float]:
    """Random bit patterns and random magnitudes, half of each."""
    source = random.Random(20)
    found: list[float] = [5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 0.1 + 0.2]
    while len(found) < count:
        bits = struct.unpack("<d", source.randbytes(8))[0]
        usual = source.uniform(-1, 1) * 10 ** source.randint(-5, 15)
        found += [number for number in (bits, usual) if math.isfinite(number)]
    return found


def test_a_tables_size_does_not_hang_on_how_a_sqlite_writes_doubles() -> None:
    """Newer ones, as D1's, write 17 digits, and this machine's 15: a backup compares the two."""
    table = Table("t", "table", "", ("number", "text"), (), "rowid", "rowid")
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE t (number REAL, text TEXT)")
        database.execute("INSERT INTO t VALUES (1795928567.1234567, 'abc'), (1.0, NULL)")
        measured = database.execute(json_rows.measuring(table, total=True)).fetchone()
    assert measured == (2, 8 + 3 + 8 + 4)


@pytest.mark.slow
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


@pytest.mark.slow
def test_nearly_every_token_reads_exactly_everywhere() -> None:
    pairs = [(number, token(number)) for number in doubles(2000)]
    wrong = [(number, text) for number, text in pairs if text and json.loads(text) != number]
    assert len(wrong) <= len(pairs) / 100
    assert all(abs(json.loads(text) / number - 1) < 1e-15 for number, text in wrong)
