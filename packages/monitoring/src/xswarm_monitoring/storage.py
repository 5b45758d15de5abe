"""Bring the frames of all isolates together in the database, each counted exactly once.

An isolate's memory is its own and may go at any moment, so its frames are written as rows
that never change. Each step is one statement, so that any of them may fail, be repeated
after a lost reply, or run twice at once:

- a flush inserts only frames beyond the last one that the database has of this isolate;
- compaction inserts one row for many only while all of those are there, and a trigger
  deletes them in the same statement.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import getrandbits
from typing import Any

from xswarm_monitoring import window
from xswarm_monitoring.metrics import Closed, Metrics
from xswarm_monitoring.window import Window

Execute = Callable[[str, Sequence[Any]], Awaitable[Sequence[Sequence[Any]]]]
"""Runs one statement of SQLite's and gives its rows, each readable by index."""

SCHEMA = (
    # AUTOINCREMENT: an id that was deleted is never given again.
    """CREATE TABLE IF NOT EXISTS monitoring_frames (
        id INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL, width REAL NOT NULL,
        began REAL NOT NULL, ended REAL NOT NULL, data TEXT NOT NULL,
        instance TEXT, number INTEGER, parts TEXT)""",
    """CREATE INDEX IF NOT EXISTS monitoring_frames_ended ON monitoring_frames (ended)""",
    """CREATE TABLE IF NOT EXISTS monitoring_flushed (
        instance TEXT PRIMARY KEY, number INTEGER NOT NULL, ended REAL NOT NULL)""",
    """CREATE TRIGGER IF NOT EXISTS monitoring_frames_flushed AFTER INSERT ON monitoring_frames
        WHEN NEW.instance IS NOT NULL BEGIN
        INSERT INTO monitoring_flushed VALUES (NEW.instance, NEW.number, NEW.ended)
            ON CONFLICT (instance) DO UPDATE SET number = excluded.number, ended = excluded.ended;
        END""",
    """CREATE TRIGGER IF NOT EXISTS monitoring_frames_merged AFTER INSERT ON monitoring_frames
        WHEN NEW.parts IS NOT NULL BEGIN
        DELETE FROM monitoring_frames WHERE id IN (SELECT value FROM json_each(NEW.parts));
        END""",
)
EVER = 1e12
"""The width, in seconds, of the row that holds all that is older than every other row."""

_FLUSH = """INSERT INTO monitoring_frames (version, width, began, ended, data, instance, number)
    SELECT ?, 0, value ->> 0, value ->> 1, value ->> 2, ?, value ->> 3 FROM json_each(?)
    WHERE value ->> 3 > COALESCE((SELECT number FROM monitoring_flushed WHERE instance = ?), 0)
    ORDER BY value ->> 3"""
_MERGE = """INSERT INTO monitoring_frames (version, width, began, ended, data, parts)
    SELECT ?, ?, ?, ?, ?, ? WHERE ? =
    (SELECT COUNT(*) FROM monitoring_frames WHERE id IN (SELECT value FROM json_each(?)))"""
_SELECT = "SELECT id, version, width, began, ended, data FROM monitoring_frames WHERE "
_FORGET = "DELETE FROM monitoring_flushed WHERE ended < ?"
_RELEASES = """SELECT version, MIN(began) FROM monitoring_frames WHERE version <> ''
    GROUP BY version HAVING MIN(began) > ? ORDER BY 2"""

_FRAMES_A_STATEMENT = 50
_FORGOTTEN_AFTER = 86400.0  # seconds; far beyond the time for which a flush is repeated


@dataclass(frozen=True)
class Tier:
    """Into how long stretches rows are merged from some age on.

    Args:
        width: seconds that a merged row spans.
        age: seconds since the stretch's end before it is merged.
    """

    width: float
    age: float


TIERS = (Tier(60, 120), Tier(3600, 7200), Tier(86400, 2 * 86400), Tier(EVER, 30 * 86400))


@dataclass(frozen=True)
class Row:
    """Hold one row of the table, as it stands there."""

    id: int
    version: str
    width: float
    began: float
    ended: float
    data: str


@dataclass(frozen=True)
class Release:
    """Mark when a version was first seen, for a chart.

    Args:
        version: as the service names it.
        time: seconds since 1970.
    """

    version: str
    time: float


class Storage:
    """Flush, read and compact frames through an injected ``execute``.

    Args:
        execute: runs one statement.
        instance: names this process among all; the same for all its flushes.
        tiers: how rows are merged as they age.
    """

    def __init__(self, execute: Execute, *, instance: str, tiers: Sequence[Tier] = TIERS) -> None:
        self._execute, self.instance, self._tiers = execute, instance, tiers

    async def prepare(self) -> None:
        """Make the tables where there are none."""
        for statement in SCHEMA:
            await self._execute(statement, ())

    async def flush(self, metrics: Metrics, version: str) -> int:
        """Write what was measured since the last flush; returns how many frames.

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
            await self._execute(_FLUSH, (version, self.instance, _packed(part), self.instance))
            metrics.flushed(part[-1].number)
        return len(closed)

    async def read(self, since: float, until: float, version: str | None = None) -> list[Window]:
        """Return the frames of all isolates that overlap a window, of one version or of all.

        A merged row is given whole, so that a window reaching back beyond the first
        tiers' ages is rounded to full hours or days.

        Args:
            since: seconds since 1970.
            until: likewise.
            version: whose frames to give; None: every version's.
        """
        where, parameters = "ended > ? AND began < ?", [since, until]
        rows = [_row(values) for values in await self._execute(_SELECT + where, parameters)]
        return [window.load(row.data) for row in rows if version in (None, row.version)]

    async def total(self) -> Window:
        """Return all that was ever flushed, merged; it only grows."""
        frames = await self.read(0, EVER)
        start = min((each.start for each in frames), default=0.0)
        return window.merge(frames, start, start)

    async def releases(self, since: float) -> list[Release]:
        """Return the versions first seen after a moment, the oldest first."""
        rows = await self._execute(_RELEASES, (since,))
        return [Release(str(row[0]), float(row[1])) for row in rows]

    async def compact(self, now: float) -> int:
        """Merge rows that are old enough; returns how many were merged.

        Call it every minute or so.

        Args:
            now: seconds since 1970.
        """
        merged = 0
        for tier in self._tiers:
            for group in _groups(await self._mergeable(tier, now), tier, now):
                await self._merge(group, tier)
                merged += len(group)
        await self._execute(_FORGET, (now - _FORGOTTEN_AFTER,))
        return merged

    async def _mergeable(self, tier: Tier, now: float) -> list[Row]:
        # The row of all times grows with each merge, so it is one of its own parts.
        where = "ended < ? AND width " + ("<= ?" if tier.width == EVER else "< ?")
        rows = await self._execute(_SELECT + where, (now - tier.age, tier.width))
        return [_row(values) for values in rows]

    async def _merge(self, group: Sequence[Row], tier: Tier) -> None:
        began, ended = min(row.began for row in group), max(row.ended for row in group)
        data = window.merge((window.load(row.data) for row in group), began, ended).dump()
        parts = json.dumps([row.id for row in group])
        version = "" if tier.width == EVER else group[0].version
        values = (version, tier.width, began, ended, data, parts, len(group), parts)
        await self._execute(_MERGE, values)


def new_instance() -> str:
    """Return a name for this process among all."""
    return f"{getrandbits(64):016x}"


def _packed(part: Sequence[Closed]) -> str:
    return json.dumps([[each.start, each.end, each.text, each.number] for each in part])


def _row(values: Sequence[Any]) -> Row:
    identity, version, width, began, ended, data = (values[column] for column in range(6))
    return Row(int(identity), str(version), float(width), float(began), float(ended), str(data))


def _groups(rows: Sequence[Row], tier: Tier, now: float) -> Iterator[list[Row]]:
    """Return the rows that make one row of a tier, for each stretch that is old enough."""

    def stretch(row: Row) -> tuple[str, float]:
        return "" if tier.width == EVER else row.version, row.began // tier.width

    for (_, number), members in groupby(sorted(rows, key=stretch), key=stretch):
        group = list(members)
        over = tier.width == EVER or (number + 1) * tier.width + tier.age < now
        if over and any(row.width < tier.width for row in group):
            yield group
