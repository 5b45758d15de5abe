"""The tables where the measurements of all isolates meet, and the rows in them.

- ``monitoring_frames``: what isolates flushed and no total counts yet. Earlier versions kept
  merged rows here too; they are taken over like any other.
- ``monitoring_windows``: what a total counts, merged into stretches of growing width. A row
  that is part of a wider one is marked, and kept for its detail until its tier lets it go.
- ``monitoring_totals``: one row, the sum of all that ever was in ``monitoring_windows``.
- ``monitoring_flushed``: the last number that each isolate flushed.
- ``monitoring_pushes``: when each target was pushed to last, and what it has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xswarm_monitoring import window
from xswarm_monitoring.bounds import add, bound
from xswarm_monitoring.instruments import FAMILIES, Family, by_name
from xswarm_monitoring.window import Window

Execute = Callable[[str, Sequence[Any]], Awaitable[Sequence[Sequence[Any]]]]
"""Runs one statement of SQLite's and returns its rows, each readable by index."""

SCHEMA = (
    # No AUTOINCREMENT and no index: a database bills the rows that both of them write.
    """CREATE TABLE IF NOT EXISTS monitoring_frames (
        id INTEGER PRIMARY KEY, version TEXT NOT NULL, width REAL NOT NULL,
        began REAL NOT NULL, ended REAL NOT NULL, data TEXT NOT NULL,
        instance TEXT, number INTEGER, parts TEXT)""",
    "DROP INDEX IF EXISTS monitoring_frames_ended",
    """CREATE TABLE IF NOT EXISTS monitoring_flushed (
        instance TEXT PRIMARY KEY, number INTEGER NOT NULL, ended REAL NOT NULL)""",
    """CREATE TRIGGER IF NOT EXISTS monitoring_frames_flushed AFTER INSERT ON monitoring_frames
        WHEN NEW.instance IS NOT NULL BEGIN
        INSERT INTO monitoring_flushed VALUES (NEW.instance, NEW.number, NEW.ended)
            ON CONFLICT (instance) DO UPDATE SET number = excluded.number, ended = excluded.ended;
        END""",
    # Earlier versions, which may run beside this one during a release, merge by this trigger.
    """CREATE TRIGGER IF NOT EXISTS monitoring_frames_merged AFTER INSERT ON monitoring_frames
        WHEN NEW.parts IS NOT NULL BEGIN
        DELETE FROM monitoring_frames WHERE id IN (SELECT value FROM json_each(NEW.parts));
        END""",
    """CREATE TABLE IF NOT EXISTS monitoring_windows (
        id INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL, width REAL NOT NULL,
        began REAL NOT NULL, ended REAL NOT NULL, data TEXT NOT NULL,
        merged INTEGER NOT NULL DEFAULT 0, parts TEXT)""",
    """CREATE INDEX IF NOT EXISTS monitoring_windows_width
        ON monitoring_windows (width, merged, ended)""",
    """CREATE TRIGGER IF NOT EXISTS monitoring_windows_merged AFTER INSERT ON monitoring_windows
        WHEN NEW.parts IS NOT NULL BEGIN
        UPDATE monitoring_windows SET merged = 1
            WHERE id IN (SELECT value FROM json_each(NEW.parts));
        UPDATE monitoring_windows SET parts = NULL WHERE id = NEW.id;
        END""",
    """CREATE TABLE IF NOT EXISTS monitoring_totals (
        id INTEGER PRIMARY KEY AUTOINCREMENT, began REAL NOT NULL, ended REAL NOT NULL,
        data TEXT NOT NULL, rows TEXT, parts TEXT)""",
    """CREATE TRIGGER IF NOT EXISTS monitoring_totals_counted AFTER INSERT ON monitoring_totals
        WHEN NEW.parts IS NOT NULL BEGIN
        INSERT INTO monitoring_windows (version, width, began, ended, data)
            SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
            FROM json_each(NEW.rows);
        DELETE FROM monitoring_frames WHERE id IN (SELECT value FROM json_each(NEW.parts));
        DELETE FROM monitoring_totals WHERE id < NEW.id;
        UPDATE monitoring_totals SET rows = NULL, parts = NULL WHERE id = NEW.id;
        END""",
    """CREATE TABLE IF NOT EXISTS monitoring_pushes (
        target TEXT PRIMARY KEY, at REAL NOT NULL, sent TEXT NOT NULL)""",
)

EVER = 1e12
"""The width, in seconds, of an earlier version's row that held all that was old."""


@dataclass(frozen=True)
class Tier:
    """Into how long stretches rows are merged, and how long those are kept.

    Args:
        width: seconds that a merged row spans.
        age: seconds since the stretch's end before it is merged: what comes later than that
            makes a second row.
        kept: seconds since its end for which such a row is kept.
    """

    width: float
    age: float
    kept: float


DAY = 86400.0
TIERS = (
    Tier(60, 120, 3 * DAY),
    Tier(300, 240, 8 * DAY),
    Tier(3600, 600, 40 * DAY),
    Tier(DAY, 1800, 400 * DAY),
)
"""Each tier is merged from the one before, and each width is a multiple of that one's."""


@dataclass(frozen=True)
class Row:
    """Hold one row, as it stands in its table."""

    id: int
    version: str
    width: float
    began: float
    ended: float
    data: str

    @classmethod
    def of(cls, values: Sequence[Any]) -> Row:
        """Return the row of (id, version, width, began, ended, data)."""
        identity, version, width, began, ended, data = (values[column] for column in range(6))
        return cls(int(identity), str(version), float(width), float(began), float(ended), str(data))

    def window(self) -> Window:
        """Return what was measured, over the stretch to which it is to be ascribed.

        That is its tier's whole stretch, unless only a smaller part of it saw anything.
        """
        measured = window.load(self.data)
        measured.version = self.version
        measured.start, measured.end = self.began, self.ended
        if self.ended - self.began >= self.width / 2 > 0:
            measured.start = self.began // self.width * self.width
            measured.end = max(self.ended, measured.start + self.width)
        return measured


def merged(rows: Sequence[Row], families: Mapping[str, Family]) -> Window:
    """Return the windows of rows as one, with as many label sets as families allow."""
    began, ended = min(row.began for row in rows), max(row.ended for row in rows)
    whole = window.merge((window.load(row.data) for row in rows), began, ended)
    bound(whole, families)
    return whole


def totalled(
    totals: Sequence[Row], uncounted: Sequence[Row], families: Mapping[str, Family]
) -> Window:
    """Return the running total with rows that it does not count yet, in their order."""
    whole = window.load(totals[0].data) if totals else Window(_NEVER, 0.0)
    for row in sorted(uncounted, key=lambda each: each.id):
        add(whole, window.load(row.data), families)
    whole.start = 0.0 if whole.start == _NEVER else whole.start
    return whole


_NEVER = float("inf")

KNOWN_FAMILIES = by_name(FAMILIES)
