"""A clock that is turned by hand, and a real database behind the storage's face."""

from __future__ import annotations

import sqlite3
import sys
import weakref
from collections.abc import Sequence
from typing import Any

import pytest

from xswarm_monitoring.clock import Clock
from xswarm_monitoring.storage import Execute

IN_A_WORKER = sys.platform == "emscripten"

needs_processes = pytest.mark.skipif(IN_A_WORKER, reason="a Worker starts no processes")


class Hands:
    """A clock whose hands the test turns."""

    def __init__(self, now: float = 1_760_000_000.0) -> None:
        self.now = now

    def turn(self, seconds: float) -> None:
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(wall=lambda: self.now, timer=lambda: self.now)


class SQLite:
    """SQLite behind the asynchronous face that the storage is given."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self.connection.close)  # in whichever thread it is collected
        self.statements: list[str] = []

    async def execute(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        self.statements.append(sql)
        return self.connection.execute(sql, parameters).fetchall()

    @property
    def runs(self) -> Execute:
        return self.execute
