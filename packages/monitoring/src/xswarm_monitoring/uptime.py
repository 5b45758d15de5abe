"""How long each component worked, day by day: one row a day, written by each round.

What a round saw holds until the next round, for five and a half minutes at most. Time that
nobody watched is in no sum: it is a gap, and never counts as time in which something worked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xswarm_monitoring.health import FAIL, PASS, WARN
from xswarm_monitoring.storage import Execute

DAY = 86400.0
LONGEST_HOLD = 330.0
"""Seconds for which what was seen holds: a cron of five minutes, and a little."""

_SCHEMA = """CREATE TABLE IF NOT EXISTS monitoring_uptime (
    day INTEGER PRIMARY KEY, revision INTEGER NOT NULL, data TEXT NOT NULL)"""
# A row of a day that is not near yet was written by a clock that was far ahead.
_LATEST = """SELECT day, revision, data FROM monitoring_uptime WHERE day <= ?
    ORDER BY day DESC LIMIT 1"""
_FIRST = """INSERT INTO monitoring_uptime VALUES (?, 1, ?) ON CONFLICT DO NOTHING
    RETURNING revision"""
_NEXT = """UPDATE monitoring_uptime SET revision = revision + 1, data = ?
    WHERE day = ? AND revision = ? RETURNING revision"""
_READ = "SELECT day, data FROM monitoring_uptime WHERE day > ? AND day <= ? ORDER BY day"
_PRUNE = "DELETE FROM monitoring_uptime WHERE day < ?"

_KEPT = 400  # days
_TRIES = 3
_WORST = (PASS, WARN, FAIL)


@dataclass(frozen=True)
class Sight:
    """Hold what one watcher saw last.

    Args:
        time: when, seconds since 1970.
        status: ``pass``, ``warn`` or ``fail``.
    """

    time: float
    status: str


@dataclass(frozen=True)
class Outage:
    """Hold when something is known to have been down, while that could not be written.

    Args:
        since: seconds since 1970.
        until: likewise.
    """

    since: float = 0.0
    until: float = 0.0

    def within(self, begin: float, end: float) -> float:
        """Return how many seconds of a stretch it took."""
        return max(min(self.until, end) - max(self.since, begin), 0.0)


@dataclass(frozen=True)
class Look:
    """Hold who looked at a component, and when.

    Args:
        time: seconds since 1970.
        by: who watches; of those that disagree, the worse counts.
        outage: that of the alert which is on, if any.
    """

    time: float
    by: str
    outage: Outage = field(default_factory=Outage)


@dataclass(frozen=True)
class Observed:
    """Hold how one component was on one day.

    Args:
        up: seconds for which it worked.
        degraded: seconds for which it worked in part.
        down: seconds for which it did not.
        seen: what each watcher saw last.
    """

    up: float = 0.0
    degraded: float = 0.0
    down: float = 0.0
    seen: Mapping[str, Sight] = field(default_factory=dict)

    @property
    def last(self) -> float:
        """Return when it was last seen; 0 where it never was."""
        return max((each.time for each in self.seen.values()), default=0.0)

    def status(self, now: float) -> str:
        """Return the worst that a watcher saw lately; empty where nobody looked."""
        recent = [each.status for each in self.around(now).values()]
        return max(recent, key=_WORST.index, default="")

    def around(self, now: float) -> dict[str, Sight]:
        """Return what was seen lately, and by no clock that was far ahead."""
        return {k: each for k, each in self.seen.items() if abs(now - each.time) <= LONGEST_HOLD}

    def advanced(self, look: Look, status: str, midnight: float) -> Observed:
        """Return it after one more look.

        Args:
            look: who looked, when, and what is known of the time since the last look.
            status: what was seen now.
            midnight: when the day began; what was before it is another day's.
        """
        now = look.time
        sights = {k: each for k, each in self.seen.items() if each.time <= now + LONGEST_HOLD}
        known = replace(self, seen=sights)  # the others are of a clock that was far ahead
        last = max(known.last, midnight)
        held = known.status(known.last) if 0 < now - known.last <= LONGEST_HOLD else ""
        outage = look.outage.within(last, now) if sights else 0.0
        rest = max(now - last - outage, 0.0)
        today = self.last >= midnight
        return Observed(
            (self.up if today else 0.0) + (rest if held == PASS else 0.0),
            (self.degraded if today else 0.0) + (rest if held == WARN else 0.0),
            (self.down if today else 0.0) + (rest if held == FAIL else 0.0) + outage,
            {**known.around(now), look.by: Sight(max(now, known.last), status)},
        )

    def as_json(self) -> list[Any]:
        """Return it as JSON."""
        seen = {name: [round(each.time), each.status] for name, each in self.seen.items()}
        return [round(self.up), round(self.degraded), round(self.down), seen]


Components = Mapping[str, Observed]


class Uptime:
    """Keep the history of all components, through an injected ``execute``."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    async def record(
        self,
        statuses: Mapping[str, str],
        now: float,
        by: str,
        outages: Mapping[str, Outage] | None = None,
    ) -> bool:
        """Note what a round saw; tells whether it was noted: others may have been quicker.

        Args:
            statuses: of each component that was looked at.
            now: seconds since 1970.
            by: who watches; of those that disagree, the worse counts.
            outages: of the components that are known to have been down: the outage may have
                been this very database's, and nothing be written of it yet.
        """
        await self._execute(_SCHEMA, ())
        looks = {name: Look(now, by, (outages or {}).get(name, Outage())) for name in statuses}
        for _ in range(_TRIES):
            if await self._recorded(statuses, looks, now):
                return True
        return False

    async def _recorded(
        self, statuses: Mapping[str, str], looks: Mapping[str, Look], now: float
    ) -> bool:
        today, rows = (
            int(now // DAY),
            await self._execute(_LATEST, (int((now + LONGEST_HOLD) // DAY),)),
        )
        day, revision, text = rows[0] if rows else (today - 1, 0, "{}")
        if day > today:
            return True  # a clock that goes back is none to go by
        known = _load(text)
        looked = {
            name: known.get(name, Observed()).advanced(looks[name], status, today * DAY)
            for name, status in statuses.items()
        }
        if day == today:
            changed = _dump({**known, **looked})
            return bool(await self._execute(_NEXT, (changed, today, revision)))
        await self._execute(_PRUNE, (today - _KEPT,))
        return bool(await self._execute(_FIRST, (today, _dump(looked))))

    async def read(self, now: float, days: int) -> dict[int, Components]:
        """Return the last days, by their number since 1970; a day that nobody watched is missing.

        Args:
            now: seconds since 1970.
            days: how many, today among them: as many rows are read at most.
        """
        await self._execute(_SCHEMA, ())
        today = int(now // DAY)
        rows = await self._execute(_READ, (today - days, today))
        return {int(row[0]): _load(row[1]) for row in rows}


def _dump(components: Components) -> str:
    body = {name: each.as_json() for name, each in components.items()}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def _load(text: Any) -> dict[str, Observed]:
    return {name: _observed(each) for name, each in json.loads(str(text)).items()}


def _observed(data: Sequence[Any]) -> Observed:
    up, degraded, down, seen, *_ = data  # a later version, which a rollback leaves, may keep more
    sights = {name: Sight(float(each[0]), str(each[1])) for name, each in seen.items()}
    return Observed(float(up), float(degraded), float(down), sights)
