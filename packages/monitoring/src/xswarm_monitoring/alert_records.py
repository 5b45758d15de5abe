"""What the state of the alerts holds: alerts, events, silences and notices, also as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from xswarm_monitoring import alert as alerts
from xswarm_monitoring.alert import Alert, Severity

_LATEST = 253_402_300_799.0  # seconds since 1970: the year 9999 ends, and RFC 3339 with it
_KEPT_OF_AN_ENTRY = 2  # after its alert, state and times; more stands in the alert


class What(Enum):
    """What a notice tells of an alert."""

    FIRING = "firing"
    STILL = "still firing"
    RESOLVED = "resolved"
    FLAPPING = "flapping"
    HAPPENED = "happened"


@dataclass(frozen=True)
class Notice:
    """One message about an alert.

    Args:
        what: what happened to it.
        alert: the alert.
        since: when it began, seconds since 1970.
        time: now, likewise.
        times: how often it happened since people were last told.
    """

    what: What
    alert: Alert
    since: float
    time: float
    times: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return the notice as JSON."""
        return {
            "what": self.what.value,
            "alert": self.alert.as_json(),
            "since": self.since,
            "time": self.time,
            "times": self.times,
        }


@dataclass(frozen=True)
class Silence:
    """Keep alerts from people for a while; the history still has them.

    Args:
        pattern: of the names or keys silenced, with ``*`` and ``?``, e.g. ``slow-*``; a name
            silences the alert whatever it is about. All else stands for itself, brackets too.
        until: seconds since 1970.
        why: the reason, for those who wonder.
    """

    pattern: str
    until: float
    why: str

    def matches(self, alert: Alert) -> bool:
        """Return whether it keeps an alert quiet, as long as it lasts."""
        pattern = self.pattern.replace("[", "[[]")
        return any(fnmatchcase(text, pattern) for text in (alert.name, alert.key))


class State(Enum):
    """Where an alert stands."""

    WAITING = "waiting"
    """Due, but not for long enough."""
    FIRING = "firing"
    QUIET = "quiet"
    """Over, and remembered for a while, since it may flap."""


@dataclass
class Entry:
    """Hold what the state knows of one alert.

    Args:
        alert: as it was last due.
        state: where it stands.
        since: when it became due, seconds since 1970.
        last_due: when it was last due, likewise.
        told: when people were last told, likewise; None where they were not.
        fires: when it fired lately, likewise.
        flapping: whether it goes on and off too often to tell each time.
        by: who saw it last, of those who watch.
        recent: whether it was due, for each of the last rounds.
        told_as: the gravest severity that people were told of it; None where they were not.
    """

    alert: Alert
    state: State
    since: float
    last_due: float
    told: float | None = None
    fires: list[float] = field(default_factory=list)
    flapping: bool = False
    by: str = ""
    recent: list[bool] = field(default_factory=list)
    told_as: Severity | None = None


@dataclass
class Event:
    """Hold what the state knows of one event.

    Args:
        alert: as it last happened; its amounts are those of all that is unheard.
        told: when people were last told, or when it is collected since; seconds since 1970.
        unheard: how often it happened since.
        collected: whether people were told nothing of it yet.
    """

    alert: Alert
    told: float
    unheard: int = 0
    collected: bool = False

    def add(self, alert: Alert) -> None:
        """Count one more."""
        amounts = dict(self.alert.amounts) if self.unheard else {}
        for unit, amount in alert.amounts.items():
            amounts[unit] = amounts.get(unit, 0.0) + amount
        self.alert = replace(alert, amounts=amounts)
        self.unheard += 1

    def sum_up(self, now: float) -> Notice:
        """Return what people are to be told of all that is unheard; it is told then."""
        notice = Notice(What.HAPPENED, self.alert, self.told, now, self.unheard)
        self.told, self.unheard, self.collected = now, 0, False
        return notice


# What came to be kept later stands in the alert. Version 1.0.0, which a rollback brings back, or
# which answers beside this one in a canary, cannot read lists that are longer than its own; people
# would be told of nothing any more. What it does not know in an alert it passes over.
def entry_as_json(entry: Entry) -> list[Any]:
    """Return an entry as JSON."""
    times = [entry.since, entry.last_due, entry.told, entry.fires]
    # Nobody is written, too: an entry without it is an earlier version's.
    told_as = entry.told_as.name if entry.told_as else None
    alert = entry.alert.as_json() | {"told_as": told_as, "recent": entry.recent}
    return [alert, entry.state.value, *times, entry.flapping, entry.by]


def entry_from_json(data: list[Any]) -> Entry:
    """Read what :func:`entry_as_json` gave, or that of another version."""
    alert, state, since, last_due, told, fires, *rest = data
    entry = Entry(
        alerts.from_json(alert),
        State(state),
        _seconds(since),
        _seconds(last_due),
        None if told is None else _seconds(told),
        [_seconds(each) for each in fires],
        *rest[:_KEPT_OF_AN_ENTRY],
    )
    known = alert.get("told_as", alert["severity"] if entry.told is not None else None)
    entry.told_as = Severity[known] if known else None
    recent = alert.get("recent", next(iter(rest[_KEPT_OF_AN_ENTRY:]), []))
    entry.recent = [bool(each) for each in recent]
    return entry


def event_as_json(event: Event) -> list[Any]:
    """Return an event as JSON; see :func:`entry_as_json`."""
    alert = event.alert.as_json() | {"collected": event.collected}
    return [alert, event.told, event.unheard]


def event_from_json(data: list[Any]) -> Event:
    """Read what :func:`event_as_json` gave, or that of another version."""
    alert, told, unheard, *rest = data
    collected = bool(alert.get("collected", next(iter(rest), False)))
    return Event(alerts.from_json(alert), _seconds(told), int(unheard), collected)


def silence_as_json(silence: Silence) -> list[Any]:
    """Return a silence as JSON."""
    return [silence.pattern, silence.until, silence.why]


def silence_from_json(data: list[Any]) -> Silence:
    """Read what :func:`silence_as_json` gave; a later version may keep more."""
    pattern, until, why, *_ = data
    return Silence(str(pattern), _seconds(min(float(until), _LATEST)), str(why))


def notice_from_json(data: Mapping[str, Any]) -> Notice:
    """Read what :meth:`Notice.as_json` gave."""
    alert, since, time = alerts.from_json(data["alert"]), data["since"], data["time"]
    return Notice(What(data["what"]), alert, _seconds(since), _seconds(time), int(data["times"]))


def told_from_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """Read what the history has of a notice; it is only shown, so no more is looked at."""
    return {**data, "since": _seconds(data["since"]), "time": _seconds(data["time"])}


def _seconds(value: Any) -> float:
    """Return a moment, which may come from anybody.

    Raises:
        ValueError, TypeError, OverflowError: it is none.
    """
    moment = float(value)
    if not abs(moment) <= _LATEST:  # nor is NaN
        raise ValueError(f"no moment: {value}")
    return moment
