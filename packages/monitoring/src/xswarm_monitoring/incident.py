"""Incidents as customers read them: what was affected, from when to when, and what was said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from xswarm_monitoring.storage import Execute

RESOLVED = "resolved"
STATES = ("investigating", "identified", "monitoring", RESOLVED)
LISTED = 50
"""Incidents that are listed, the newest first; open ones always are."""

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS monitoring_incidents (
        id INTEGER PRIMARY KEY, begun REAL NOT NULL, resolved REAL, source TEXT NOT NULL,
        data TEXT NOT NULL)""",
    # Two watchers open one incident between them.
    """CREATE UNIQUE INDEX IF NOT EXISTS monitoring_incidents_open ON monitoring_incidents
        (source) WHERE resolved IS NULL AND source <> ''""",
    # What an operator resolved while its alert is still on stays resolved.
    """CREATE UNIQUE INDEX IF NOT EXISTS monitoring_incidents_source ON monitoring_incidents
        (source, begun) WHERE source <> ''""",
    """CREATE INDEX IF NOT EXISTS monitoring_incidents_unresolved ON monitoring_incidents (id)
        WHERE resolved IS NULL""",
    "CREATE INDEX IF NOT EXISTS monitoring_incidents_begun ON monitoring_incidents (begun)",
)
_KEPT = "SELECT 1 FROM sqlite_schema WHERE name = 'monitoring_incidents_begun'"
_COLUMNS = "id, begun, resolved, source, data"
_RECENT = f"""SELECT {_COLUMNS} FROM monitoring_incidents WHERE begun >= ?
    ORDER BY begun DESC, id DESC LIMIT {LISTED}"""  # noqa: S608 - constants
_OPEN = f"SELECT {_COLUMNS} FROM monitoring_incidents WHERE resolved IS NULL LIMIT {LISTED}"  # noqa: S608 - constants
_ONE = f"SELECT {_COLUMNS} FROM monitoring_incidents WHERE id = ?"  # noqa: S608 - constants
_ADD = """INSERT INTO monitoring_incidents (begun, resolved, source, data) VALUES (?, ?, ?, ?)
    ON CONFLICT DO NOTHING RETURNING id"""
_UPDATE = """UPDATE monitoring_incidents SET resolved = ?,
    data = json_insert(json_set(data, '$.severity', ?), '$.updates[#]', json(?))
    WHERE id = ? RETURNING id"""
_REMOVE = "DELETE FROM monitoring_incidents WHERE id = ? RETURNING id"


class Impact(IntEnum):
    """How much customers notice."""

    MAINTENANCE = 1
    MINOR = 2
    MAJOR = 3
    CRITICAL = 4


@dataclass(frozen=True)
class Update:
    """Hold one thing that was said of an incident.

    Args:
        time: when, seconds since 1970.
        state: one of :data:`STATES`.
        text: for customers to read.
    """

    time: float
    state: str
    text: str

    def as_json(self) -> list[Any]:
        """Return it as JSON."""
        return [self.time, self.state, self.text]


@dataclass(frozen=True)
class Incident:
    """Hold one incident.

    Args:
        title: one line for customers.
        severity: how much they notice.
        components: what is affected, by the names of the checks.
        begun: when it began, seconds since 1970.
        updates: what was said, the oldest first; at least one.
        resolved: when it was over; None while it is not.
        source: the component whose alerts opened it; empty: an operator did.
        id: its number; 0 before it is kept.
    """

    title: str
    severity: Impact
    components: tuple[str, ...]
    begun: float
    updates: tuple[Update, ...]
    resolved: float | None = None
    source: str = ""
    id: int = 0


class Incidents:
    """Keep the incidents, through an injected ``execute``."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    async def prepare(self) -> None:
        """Make the table where there is none."""
        for statement in _SCHEMA:
            await self._execute(statement, ())

    async def are_kept(self) -> bool:
        """Return whether there ever was one: whether there is the table."""
        return bool(await self._execute(_KEPT, ()))

    async def recent(self, since: float) -> list[Incident]:
        """Return those that are open or began since a moment, the newest first.

        Args:
            since: seconds since 1970.
        """
        found = [*await self._execute(_OPEN, ()), *await self._execute(_RECENT, (since,))]
        listed = {each.id: each for each in map(_incident, found)}
        return sorted(listed.values(), key=lambda each: (-each.begun, -each.id))

    async def opened_by_alerts(self) -> dict[str, Incident]:
        """Return the open incidents that alerts opened, by their component."""
        rows = map(_incident, await self._execute(_OPEN, ()))
        return {each.source: each for each in rows if each.source}

    async def get(self, number: int) -> Incident | None:
        """Return an incident; None: there is none of this number."""
        rows = await self._execute(_ONE, (number,))
        return _incident(rows[0]) if rows else None

    async def add(self, incident: Incident) -> int:
        """Keep a new incident, and return its number; 0: alerts have opened this one already."""
        body = {
            "title": incident.title,
            "severity": incident.severity.name,
            "components": list(incident.components),
            "updates": [each.as_json() for each in incident.updates],
        }
        text = json.dumps(body, ensure_ascii=False)
        values = (incident.begun, incident.resolved, incident.source, text)
        rows = await self._execute(_ADD, values)
        return int(rows[0][0]) if rows else 0

    async def update(self, incident: Incident, update: Update, severity: Impact) -> bool:
        """Add an update to an incident; return whether it is still there.

        What says that it is resolved ends it; what says anything else opens it again.
        """
        resolved = update.time if update.state == RESOLVED else None
        text = json.dumps(update.as_json(), ensure_ascii=False)
        return bool(await self._execute(_UPDATE, (resolved, severity.name, text, incident.id)))

    async def remove(self, number: int) -> bool:
        """Remove an incident that is none; tells whether it was there."""
        return bool(await self._execute(_REMOVE, (number,)))


def _incident(row: Sequence[Any]) -> Incident:
    number, begun, resolved, source, text = (row[column] for column in range(5))
    body: Mapping[str, Any] = json.loads(str(text))
    return Incident(
        str(body["title"]),
        Impact[body["severity"]],
        tuple(body["components"]),
        float(begun),
        tuple(Update(*each[:3]) for each in body["updates"]),  # a later version may keep more
        None if resolved is None else float(resolved),
        str(source),
        int(number),
    )
