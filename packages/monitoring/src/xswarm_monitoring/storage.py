"""Bring the windows of all isolates together in the database, each counted exactly once.

An isolate's memory is its own and may go at any moment, so what it measured is written as
rows that never change. Each step is one statement, so that any of them may fail, be repeated
after a lost reply, or run twice at once:

- a flush inserts only what is beyond the last number that the database has of this isolate;
- counting replaces the running total, while all that it adds is still uncounted, and a
  trigger moves that to the windows in the same statement;
- a merge inserts one row for many only while none of those is part of another one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from random import getrandbits

from xswarm_monitoring import compaction
from xswarm_monitoring.compaction import Snapshot
from xswarm_monitoring.instruments import Family
from xswarm_monitoring.metrics import Closed, Metrics
from xswarm_monitoring.selection import WHOLE, Selection
from xswarm_monitoring.tables import (
    KNOWN_FAMILIES,
    SCHEMA,
    TIERS,
    Execute,
    Row,
    Tier,
    totalled,
)
from xswarm_monitoring.window import Window

__all__ = ["SCHEMA", "TIERS", "Execute", "Release", "Storage", "Stretch", "Tier", "new_instance"]

# The isolate's name stands in its last row alone: the trigger then writes once a flush.
_FLUSH = """INSERT INTO monitoring_frames (version, width, began, ended, data, instance, number)
    SELECT ?, 0, value ->> 0, value ->> 1, value ->> 2,
        CASE WHEN value ->> 3 = ? THEN ? END, value ->> 3 FROM json_each(?)
    WHERE value ->> 3 > COALESCE((SELECT number FROM monitoring_flushed WHERE instance = ?), 0)
    ORDER BY value ->> 3 RETURNING id"""
# A row is taken unless the wider one that it is part of is taken.
_READ = """SELECT id, version, width, began, ended, {selected} FROM monitoring_windows
    WHERE ended >= ?1 AND began >= ?1 AND began < ?2 AND width <= ?3 AND width IN ({widths})
    AND (width = 0 OR CAST(began / width AS INTEGER) * width >= ?1)
    AND NOT (merged = 1 AND ({taken}))
    UNION ALL SELECT id, version, width, began, ended, {selected} FROM monitoring_frames
    WHERE began >= ?1 AND began < ?2 AND width < 1e12"""
_TAKEN = "width = {width} AND {wider} <= ?3 AND CAST(began / {wider} AS INTEGER) * {wider} >= ?1"
_RELEASES = """SELECT version, MIN(began) FROM (
        SELECT version, began FROM monitoring_windows WHERE merged = 0
        UNION ALL SELECT version, began FROM monitoring_frames)
    WHERE version <> '' GROUP BY version HAVING MIN(began) > ? ORDER BY 2"""

_FRAMES_A_STATEMENT = 50
_COUNTED_AT_ONCE = 20  # the flush that writes each 20th row counts them all
_FEW_UNCOUNTED = 40  # rows that a scrape adds up itself; beyond, it counts them for all
_MOST_ROUNDS = 1000
_MOST_ROWS = 750  # that a chart reads


@dataclass(frozen=True)
class Release:
    """Mark when a version was first seen, for a chart.

    Args:
        version: as the service names it.
        time: seconds since 1970.
    """

    version: str
    time: float


@dataclass(frozen=True)
class Stretch:
    """Hold what was measured in a stretch of time.

    Args:
        start: when it really begins, seconds since 1970: at or after the time asked for,
            where rows begin.
        windows: what was measured, none of it before the start.
    """

    start: float
    windows: Sequence[Window]


class Storage:
    """Flush, read and compact windows through an injected ``execute``.

    Args:
        execute: runs one statement.
        instance: names this process among all; the same for all its flushes.
        tiers: how rows are merged as they age.
        families: how many label sets each may have; by their names.
    """

    def __init__(
        self,
        execute: Execute,
        *,
        instance: str,
        tiers: Sequence[Tier] = TIERS,
        families: Mapping[str, Family] = KNOWN_FAMILIES,
    ) -> None:
        self._execute, self.instance = execute, instance
        self._tiers, self._families = tiers, families

    async def prepare(self) -> None:
        """Make the tables where there are none."""
        for statement in SCHEMA:
            await self._execute(statement, ())

    async def flush(self, metrics: Metrics, version: str) -> int:
        """Write what was measured since the last flush; returns how many rows.

        What could not be written stays with the metrics, for the next flush.

        Args:
            metrics: this process'.
            version: what this process runs.

        Raises:
            Exception: what ``execute`` raised.
        """
        closed = metrics.unflushed()
        for start in range(0, len(closed), _FRAMES_A_STATEMENT):
            part = closed[start : start + _FRAMES_A_STATEMENT]
            last, name = part[-1].number, self.instance
            rows = await self._execute(_FLUSH, (version, last, name, _packed(part), name))
            metrics.flushed(last)
            if any(int(row[0]) % _COUNTED_AT_ONCE == 0 for row in rows):
                await self._counted(0)
        return len(closed)

    async def read(self, since: float, until: float, version: str | None = None) -> list[Window]:
        """Return the windows of all isolates within a stretch; see :meth:`stretch`."""
        return list((await self.stretch(since, until, version)).windows)

    async def stretch(
        self,
        since: float,
        until: float,
        version: str | None = None,
        step: float | None = None,
        selection: Selection = WHOLE,
    ) -> Stretch:
        """Return what all isolates measured in a stretch of time.

        It begins at the first full minute, or further back at the first five minutes, hour or
        day, at or after ``since``: nothing older is ever among it.

        Args:
            since: seconds since 1970.
            until: likewise; the present.
            version: whose windows to return; None: every version's.
            step: seconds between two points, for a chart; None: the fewest rows will do.
            selection: what is read of each row.
        """
        start = self._start(since, until)
        widest = self._widest(until - start, step)
        sql = self._select(selection.sql)
        rows = await self._execute(sql, (start, until, widest, *selection.parameters))
        found = [Row.of(values) for values in rows]
        if self._is_short(since, until):
            start = min((row.began for row in found), default=start)
        return Stretch(start, [row.window() for row in found if version in (None, row.version)])

    def _is_short(self, since: float, until: float) -> bool:
        """Return whether the first minutes of a stretch are not merged yet."""
        return until - since <= self._tiers[0].width + self._tiers[0].age

    def _start(self, since: float, until: float) -> float:
        """Return the first moment from ``since`` at which rows begin, as finely as are kept."""
        if self._is_short(since, until):
            return since
        finest = [tier.width for tier in self._tiers if until - since <= tier.kept - tier.width]
        width = (finest or [self._tiers[-1].width])[0]
        return ceil(since / width) * width

    def _widest(self, span: float, step: float | None) -> float:
        """Return the width up to which rows are read."""
        enough = [
            tier.width
            for tier, wider in pairwise(self._tiers)
            if step is not None
            and step < wider.width
            and span <= tier.kept - wider.width
            and span / tier.width <= _MOST_ROWS
        ]
        return (enough or [self._tiers[-1].width])[0]

    def _select(self, selected: str) -> str:
        widths = [0.0, *(tier.width for tier in self._tiers)]
        pairs = pairwise(widths)
        taken = " OR ".join(_TAKEN.format(width=width, wider=wider) for width, wider in pairs)
        return _READ.format(widths=", ".join(map(str, widths)), taken=taken, selected=selected)

    async def total(self) -> Window:
        """Return all that was ever flushed, merged; it only grows.

        What was retired in it is exposed nowhere; see :mod:`xswarm_monitoring.bounds`.
        It reads the running total and what that does not count yet.
        """
        snapshot = await self._counted(_FEW_UNCOUNTED)
        return totalled(snapshot.totals, snapshot.uncounted, self._families)

    async def releases(self, since: float) -> list[Release]:
        """Return the versions first seen after a moment, the oldest first."""
        rows = await self._execute(_RELEASES, (since,))
        return [Release(str(row[0]), float(row[1])) for row in rows]

    async def compact(self, now: float) -> int:
        """Count what was flushed, and merge rows that are old enough; returns how many.

        Call it every minute or so.

        Args:
            now: seconds since 1970.
        """
        await self._counted(0)
        return await compaction.merge_tiers(self._execute, self._tiers, self._families, now)

    async def _counted(self, few: int) -> Snapshot:
        """Count rows until only a few are uncounted; return the running total and those.

        Raises:
            RuntimeError: others flush faster than this counts.
        """
        for _ in range(_MOST_ROUNDS):
            snapshot = await compaction.snapshot(self._execute)
            if len(snapshot.uncounted) <= few:
                return snapshot
            await compaction.count(self._execute, snapshot, self._families)
        raise RuntimeError("rows are flushed faster than they can be counted")


def new_instance() -> str:
    """Return a name for this process among all."""
    return f"{getrandbits(64):016x}"


def _packed(part: Sequence[Closed]) -> str:
    return json.dumps([[each.start, each.end, each.text, each.number] for each in part])
