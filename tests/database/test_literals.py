"""Values written as SQL: SQLite reads each as that very value."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing

import pytest

from xswarm_deploy.database.literals import literal
from xswarm_deploy.database.rows import Value


@pytest.mark.parametrize(
    "value",
    [
        *(None, 0, -1, 2**63 - 1, -(2**63), "", "it's", "a\0b", "line\r\nline\r", "\\0;\\1;\0\r"),
        *(b"", b"\0\xff", bytes(1_000_001), 0.1, -1.5, 5e-324, 1e308, 9384.821911, math.inf),
        *(-math.inf, "\udcff", "caf\udce9 \udc80"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_value_comes_back_as_it_is(value: Value) -> None:
    with closing(sqlite3.connect(":memory:")) as judge:
        judge.text_factory = lambda held: held.decode("utf-8", "surrogateescape")
        (found,) = judge.execute(f"SELECT {literal(value)}").fetchone()
    assert (type(found), found) == (type(value), value)
