"""What the public status page says, as plain data: for people, for machines, for feeds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xswarm_monitoring.clock import iso
from xswarm_monitoring.health import FAIL, PASS, WARN
from xswarm_monitoring.incident import Impact, Incident
from xswarm_monitoring.status_page import StatusPage
from xswarm_monitoring.uptime import DAY, Components, Observed

DAYS = 90
UP, DEGRADED, DOWN, MAINTENANCE, UNKNOWN = "up", "degraded", "down", "maintenance", "no data"

_STATES = {PASS: UP, WARN: DEGRADED, FAIL: DOWN, "": UNKNOWN}
_IMPACTS = {
    Impact.CRITICAL: DOWN,
    Impact.MAJOR: DEGRADED,
    Impact.MINOR: DEGRADED,
    Impact.MAINTENANCE: MAINTENANCE,
}


@dataclass(frozen=True)
class Day:
    """Hold one component's day, in UTC.

    Args:
        number: days since 1970.
        up: seconds for which it worked.
        degraded: seconds for which it worked in part.
        down: seconds for which it did not.
    """

    number: int
    up: float = 0.0
    degraded: float = 0.0
    down: float = 0.0

    @property
    def date(self) -> str:
        """Return the date, as ISO 8601 has it."""
        return time.strftime("%Y-%m-%d", time.gmtime(self.number * DAY))

    @property
    def watched(self) -> float:
        """Return the seconds for which somebody watched."""
        return self.up + self.degraded + self.down

    @property
    def state(self) -> str:
        """Return the worst of the day; what nobody watched is unknown, and never up."""
        if self.down:
            return DOWN
        if self.degraded:
            return DEGRADED
        return UP if self.up else UNKNOWN

    def missing(self, now: float) -> float:
        """Return the seconds of the day, as far as it has come, that nobody watched."""
        return max(min(now - self.number * DAY, DAY) - self.watched, 0.0)


@dataclass(frozen=True)
class Component:
    """Hold one component.

    Args:
        name: as customers know it.
        state: what it is now.
        days: the oldest first.
    """

    name: str
    state: str
    days: Sequence[Day]

    @property
    def uptime(self) -> float | None:
        """Return the part of the watched time in which it was not down; None: never watched."""
        watched = sum(day.watched for day in self.days)
        return 1 - sum(day.down for day in self.days) / watched if watched else None


@dataclass(frozen=True)
class StatusReport:
    """Hold what the page says.

    Args:
        title: what customers call the service.
        environment: whose state this is; empty: production's, or nobody says.
        version: what runs; empty: it is not told.
        contact: where customers get help; empty: nowhere.
        now: seconds since 1970.
        checked: when a round last looked, likewise; None: never, as far as is known.
        components: in the order of the settings.
        incidents: open ones, and those of the last days; the newest first.
        notice: what is missing and why, in words for customers; empty: nothing is.
    """

    title: str
    environment: str
    version: str
    contact: str
    now: float
    checked: float | None
    components: Sequence[Component]
    incidents: Sequence[Incident]
    names: Mapping[str, str]
    notice: str = ""

    @property
    def open(self) -> list[Incident]:
        """Return the incidents that are not over."""
        return [each for each in self.incidents if each.resolved is None]

    @property
    def state(self) -> str:
        """Return the state of the whole."""
        states = {each.state for each in self.components}
        states |= {_IMPACTS[each.severity] for each in self.open}
        for state in (DOWN, DEGRADED, MAINTENANCE, UNKNOWN):
            if state in states:
                return state
        return UP if states else UNKNOWN

    @property
    def headline(self) -> str:
        """Return the state of the whole in words."""
        states = [each.state for each in self.components]
        known = [state for state in states if state != UNKNOWN]
        if self.state == DOWN:
            return "All systems are down" if set(known) == {DOWN} else "Some systems are down"
        if self.state == UNKNOWN and known:
            return "Some systems could not be checked"
        return {
            DEGRADED: "Some systems are degraded",
            MAINTENANCE: "Maintenance is under way",
            UNKNOWN: "There is no data on whether the systems work",
            UP: "All systems work",
        }[self.state]

    def affected(self, incident: Incident) -> list[str]:
        """Return the public names of what an incident affects; no other name is shown."""
        return [self.names[each] for each in incident.components if each in self.names]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "title": self.title,
            **({"environment": self.environment} if self.environment else {}),
            **({"version": self.version} if self.version else {}),
            "state": self.state,
            "summary": self.headline,
            "generated": iso(self.now),
            "checked": iso(self.checked) if self.checked else None,
            "timezone": "UTC",
            "notice": self.notice,
            "components": [self._component(each) for each in self.components],
            "incidents": [self._incident(each) for each in self.incidents],
        }

    def _component(self, component: Component) -> dict[str, Any]:
        uptime = component.uptime
        return {
            "name": component.name,
            "state": component.state,
            "uptime": None if uptime is None else round(uptime, 6),
            "days": [
                {
                    "date": day.date,
                    "state": day.state,
                    "up_seconds": round(day.up),
                    "degraded_seconds": round(day.degraded),
                    "down_seconds": round(day.down),
                    "no_data_seconds": round(day.missing(self.now)),
                }
                for day in component.days
            ],
        }

    def _incident(self, incident: Incident) -> dict[str, Any]:
        return {
            "id": incident.id,
            "title": incident.title,
            "severity": incident.severity.name.lower(),
            "components": self.affected(incident),
            "begun": iso(incident.begun),
            "resolved": None if incident.resolved is None else iso(incident.resolved),
            "updates": [
                {"time": iso(each.time), "state": each.state, "text": each.text}
                for each in incident.updates
            ],
        }


@dataclass(frozen=True)
class History:
    """Hold what the database has.

    Args:
        days: what was seen on each, by its number since 1970.
        incidents: open ones, and those of the last days.
    """

    days: Mapping[int, Components]
    incidents: Sequence[Incident] = ()

    @property
    def latest(self) -> Components:
        """Return the newest day; empty where there is none."""
        return self.days[max(self.days)] if self.days else {}


@dataclass(frozen=True)
class About:
    """Hold what the page says of the service besides its state.

    Args:
        service: its name, where the settings give no title.
        environment: whose state this is.
        version: what runs; shown only where the settings say so.
    """

    service: str
    environment: str = ""
    version: str = ""


def report(
    page: StatusPage,
    about: About,
    history: History,
    now: float,
    *,
    live: Mapping[str, str] | None = None,
    notice: str = "",
) -> StatusReport:
    """Return what the page says.

    Args:
        page: the settings.
        about: what it says besides.
        history: what the database has.
        now: seconds since 1970.
        live: the status of components as asked just now, where the rounds' cannot be read.
        notice: what is missing and why.
    """
    latest = history.latest
    states = {name: each.status(now) for name, each in latest.items()} | dict(live or {})
    components = [
        Component(name, _STATES[states.get(key, "")], _days(history, key, now))
        for key, name in page.components.items()
    ]
    seen = max((each.last for each in latest.values()), default=None)
    return StatusReport(
        page.title or about.service,
        "" if about.environment == "production" else about.environment,
        about.version if page.version else "",
        page.contact,
        now,
        now if live else seen,
        components,
        history.incidents,
        page.components,
        notice,
    )


def _days(history: History, key: str, now: float) -> list[Day]:
    today = int(now // DAY)
    found: Iterable[tuple[int, Observed]] = (
        (number, history.days.get(number, {}).get(key, Observed()))
        for number in range(today - DAYS + 1, today + 1)
    )
    return [Day(number, each.up, each.degraded, each.down) for number, each in found]
