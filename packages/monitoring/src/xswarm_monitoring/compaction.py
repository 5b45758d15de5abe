"""Count what was flushed into the running total, and merge rows as they age."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from xswarm_monitoring.instruments import Family
from xswarm_monitoring.selection import summary
from xswarm_monitoring.tables import EVER, Execute, Row, Tier, merged, totalled

_SNAPSHOT = """SELECT id, '', -1, began, ended, data FROM monitoring_totals
    UNION ALL SELECT * FROM (SELECT id, version, width, began, ended, data
        FROM monitoring_frames ORDER BY id LIMIT ?)"""
_COUNT = """INSERT INTO monitoring_totals (began, ended, data, rows, parts) SELECT ?, ?, ?, ?, ?
    WHERE ? = COALESCE((SELECT MAX(id) FROM monitoring_totals), 0) AND ? =
    (SELECT COUNT(*) FROM monitoring_frames WHERE id IN (SELECT value FROM json_each(?)))"""
_MERGEABLE = """SELECT id, version, width, began, ended, data FROM monitoring_windows
    WHERE width = ? AND merged = 0 AND ended <= ?"""
_MERGE = """INSERT INTO monitoring_windows (version, width, began, ended, data, parts)
    SELECT ?, ?, ?, ?, ?, ? WHERE ? = (SELECT COUNT(*) FROM monitoring_windows
        WHERE merged = 0 AND id IN (SELECT value FROM json_each(?)))"""
_EXPIRE = """DELETE FROM monitoring_windows WHERE id IN (SELECT kept.id FROM json_each(?)
    JOIN monitoring_windows AS kept ON kept.width = value ->> 0
    AND kept.merged = value ->> 1 AND kept.ended < value ->> 2)"""
_FORGET = "DELETE FROM monitoring_flushed WHERE ended < ?"

_ROWS_AT_ONCE = 50
_SLOT = 15.0  # seconds to which uncounted rows of all isolates are merged at once
_SLOTS_KEPT = 600.0  # seconds; for windows of a minute or two
_FORGOTTEN_AFTER = 86400.0  # seconds; far beyond the time for which a flush is repeated


@dataclass(frozen=True)
class Snapshot:
    """Hold the running total and rows that it does not count, as they were at one moment.

    Args:
        totals: the running total; empty where there is none yet.
        uncounted: the oldest of the rows it does not count.
    """

    totals: Sequence[Row]
    uncounted: Sequence[Row]


async def snapshot(execute: Execute) -> Snapshot:
    """Read the running total and the oldest rows that it does not count."""
    rows = [Row.of(values) for values in await execute(_SNAPSHOT, (_ROWS_AT_ONCE,))]
    totals = [row for row in rows if row.width < 0]
    return Snapshot(totals[-1:], [row for row in rows if row.width >= 0])


async def count(execute: Execute, found: Snapshot, families: Mapping[str, Family]) -> None:
    """Add rows to the running total, and move them to the windows; nothing where another did.

    Args:
        execute: runs one statement.
        found: what to add, and to what.
        families: how many label sets each may have.
    """
    everything = [*found.totals, *found.uncounted]
    began, ended = min(row.began for row in everything), max(row.ended for row in everything)
    dated = [row for row in found.uncounted if row.width < EVER]
    rows = [_as_row(group, _slot(group[0])[1], families) for group in _groups(dated, _slot)]
    parts = json.dumps([row.id for row in found.uncounted])
    newest = found.totals[0].id if found.totals else 0
    data = totalled(found.totals, found.uncounted, families).dump()
    expected = (newest, len(found.uncounted), parts)
    await execute(_COUNT, (began, ended, data, json.dumps(rows), parts, *expected))


async def merge_tiers(
    execute: Execute, tiers: Sequence[Tier], families: Mapping[str, Family], now: float
) -> int:
    """Merge the rows whose stretch is over, and delete those that are old.

    Args:
        execute: runs one statement.
        tiers: what to merge, and how long to keep it.
        families: how many label sets each may have.
        now: seconds since 1970.

    Returns:
        how many rows were merged.
    """
    found, narrower = 0, 0.0
    for tier in tiers:
        over = (now - tier.age) // tier.width * tier.width
        rows = [Row.of(row) for row in await execute(_MERGEABLE, (narrower, now - tier.age))]
        ready = [row for row in rows if row.began // tier.width * tier.width < over]
        for group in _groups(ready, _stretch(tier)):
            await _merge(execute, group, tier, families)
            found += len(group)
        narrower = tier.width
    await execute(_EXPIRE, (json.dumps(_expired(tiers, now)),))
    await execute(_FORGET, (now - _FORGOTTEN_AFTER,))
    return found


async def _merge(
    execute: Execute, group: Sequence[Row], tier: Tier, families: Mapping[str, Family]
) -> None:
    parts = json.dumps([row.id for row in group])
    values = _as_row(group, tier.width, families)
    await execute(_MERGE, (*values, parts, len(group), parts))


def _expired(tiers: Sequence[Tier], now: float) -> list[tuple[float, int, float]]:
    """Return (width, merged, ended before) of the rows that are kept no longer."""
    parts = [(tier.width, 1, now - tier.kept) for tier in tiers]
    return [(0.0, 1, now - _SLOTS_KEPT), *parts, (tiers[-1].width, 0, now - tiers[-1].kept)]


def _as_row(
    group: Sequence[Row], width: float, families: Mapping[str, Family]
) -> tuple[str, float, float, float, str]:
    began, ended = min(row.began for row in group), max(row.ended for row in group)
    whole = merged(group, families)
    return group[0].version, width, began, ended, whole.dump(summary(whole))


def _slot(row: Row) -> tuple[str, float, float]:
    return row.version, row.width, row.began // (row.width or _SLOT)


def _stretch(tier: Tier) -> Callable[[Row], tuple[str, float, float]]:
    return lambda row: (row.version, tier.width, row.began // tier.width)


def _groups(
    rows: Sequence[Row], key: Callable[[Row], tuple[str, float, float]]
) -> Iterator[list[Row]]:
    for _, members in groupby(sorted(rows, key=key), key=key):
        yield list(members)
