"""The state of the alerts: what is wrong since when, who was told, and when to tell them again.

It decides and remembers, and does nothing else: whoever keeps it (a cron trigger, ``inv
monitor.watch``) gives it the alerts that are due and the time, and sends what it gives
back. It is JSON, so that it survives from one run to the next.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from xswarm_monitoring import alert_records as records
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_records import Entry, Event, Notice, Silence, State, What
from xswarm_monitoring.clock import iso

__all__ = [
    "HISTORY",
    "LEASE",
    "SILENCED",
    "AlertState",
    "Entry",
    "Event",
    "Notice",
    "Policy",
    "Silence",
    "State",
    "What",
    "load",
    "summary",
]

HISTORY = 100
"""How many entries the state's history keeps."""
SILENCED = "silenced"
"""How it went with a notice that a silence kept from people."""

LEASE = 50.0
"""Seconds for which a round that tells keeps others from telling the same."""

_EARLY = 2.0  # seconds that a round may be: half a second of a cron's must not cost a minute
_UNDELIVERED_KEPT = 50
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


@dataclass(frozen=True)
class Policy:
    """When people are told.

    Args:
        hold: seconds an alert must be due before it fires.
        clear: seconds it must not be due before it is resolved.
        repeat: for each severity, seconds until people are told again of what still fires.
        flaps: as many fires within ``flap_window`` make an alert one that flaps.
        flap_window: seconds.
        event_repeat: seconds in which an event that happens again is only counted.
        gather: seconds for which events that are added up are collected before people are told.
        flap_rounds: as many of the last ``flap_of`` rounds in which an alert was due, though
            never for ``hold`` on end, make it one that flaps.
        flap_of: rounds.
    """

    hold: float = 60.0
    clear: float = 300.0
    repeat: Mapping[Severity, float] = field(
        default_factory=lambda: {
            Severity.INFO: 86400.0,
            Severity.WARNING: 86400.0,
            Severity.ERROR: 4 * 3600.0,
            Severity.CRITICAL: 3600.0,
        }
    )
    flaps: int = 3
    flap_window: float = 3600.0
    event_repeat: float = 900.0
    gather: float = 5.0
    flap_rounds: int = 4
    flap_of: int = 10


class AlertState:
    """Keep the state of all alerts.

    Args:
        policy: when people are told.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.entries: dict[str, Entry] = {}
        self.events: dict[str, Event] = {}
        self.silences: list[Silence] = []
        self.history: list[dict[str, Any]] = []
        self.undelivered: list[Notice] = []
        self.telling_until = 0.0

    def advance(self, due: Iterable[Alert], now: float, by: str = "") -> list[Notice]:
        """Note what is due now, and return what people are to be told.

        Several may watch: one from within, one from outside. What another saw lately is not
        for this one to call off.

        Args:
            due: every condition that holds now; what is missing no longer holds.
            now: seconds since 1970.
            by: who watches.
        """
        named = {alert.key: alert for alert in due}
        self.silences = [silence for silence in self.silences if silence.until > now]
        notices = [notice for alert in named.values() for notice in self._due(alert, now, by)]
        for key, entry in list(self.entries.items()):
            others = entry.by != by and now - entry.last_due < self.policy.clear
            if key not in named and not others:
                notices += self._not_due(key, now)
        return self._audible([*notices, *self._summed_up(now)], now)

    def happened(self, alert: Alert, now: float) -> list[Notice]:
        """Note an event, which has no end, and return what people are to be told.

        The same event again within ``Policy.event_repeat`` is counted, and told by
        :meth:`summed_up` once that time is over; one that is graver is told at once, with those
        that were counted. One that is added up is collected for ``Policy.gather`` first, so that
        fifty customers' payments are one message.

        Args:
            alert: the event.
            now: seconds since 1970.
        """
        known = self.events.get(alert.key)
        if known is not None:
            graver = alert.severity > known.alert.severity
            known.add(alert)
            return self._audible([known.sum_up(now)], now) if graver and not known.collected else []
        gathering = bool(alert.several and self.policy.gather)
        event = self.events[alert.key] = Event(alert, now, collected=gathering)
        if gathering:
            event.add(alert)
            return []
        return self._audible([Notice(What.HAPPENED, alert, now, now)], now)

    def set_clock(self, now: float) -> None:
        """Let nothing be later than now.

        Somebody's clock was ahead, or was put back: what waits until a time that far off would
        wait for as long, and nobody would be told.
        """
        for entry in self.entries.values():
            entry.since, entry.last_due = min(entry.since, now), min(entry.last_due, now)
            entry.told = None if entry.told is None else min(entry.told, now)
            entry.fires = [min(fired, now) for fired in entry.fires]
        for event in self.events.values():
            event.told = min(event.told, now)
        self.telling_until = min(self.telling_until, now + LEASE)

    def on(self) -> list[Entry]:
        """Return the alerts that are on, those that come and go among them."""
        every = self.entries.values()
        return [each for each in every if each.state is State.FIRING or each.flapping]

    def summed_up(self, now: float) -> list[Notice]:
        """Return what people are to be told of events that were only counted so far."""
        return self._audible(self._summed_up(now), now)

    def silence(self, silence: Silence) -> None:
        """Keep alerts from people for a while."""
        self.silences.append(silence)

    def keep_undelivered(self, notices: Iterable[Notice]) -> None:
        """Keep notices that reached nobody, to be sent again with the next ones."""
        self.undelivered = [*self.undelivered, *notices][-_UNDELIVERED_KEPT:]

    def take_undelivered(self) -> list[Notice]:
        """Return the notices that reached nobody so far; they are kept no longer."""
        taken, self.undelivered = self.undelivered, []
        return taken

    def record(self, notice: Notice, channels: Mapping[str, str]) -> None:
        """Write a notice into the history, of which the last are kept.

        Args:
            notice: what was told, or would have been.
            channels: for each channel, how it went.
        """
        self.history = [*self.history, notice.as_json() | {"channels": dict(channels)}][-HISTORY:]

    def _due(self, alert: Alert, now: float, by: str) -> list[Notice]:
        entry = self.entries.get(alert.key)
        if entry is None:
            entry = self.entries[alert.key] = Entry(alert, State.WAITING, now, now)
        elif entry.state is State.QUIET:
            entry.state, entry.since = State.WAITING, now
        entry.alert, entry.last_due, entry.by = alert, now, by
        entry.recent = [*entry.recent, True][-self.policy.flap_of :]
        entry.fires = [fired for fired in entry.fires if now - fired < self.policy.flap_window]
        if entry.state is State.FIRING:
            return self._still(entry, now)
        if now - entry.since >= self.policy.hold - min(_EARLY, self.policy.hold / 10):
            return self._fire(entry, now)
        return self._flap(entry, now) if self._comes_and_goes(entry) else []

    def _comes_and_goes(self, entry: Entry) -> bool:
        """Return whether it is due again and again, though never for long."""
        return entry.recent.count(True) >= self.policy.flap_rounds and False in entry.recent

    def _flap(self, entry: Entry, now: float) -> list[Notice]:
        entry.state = State.FIRING
        entry.fires.append(now)
        if entry.flapping:
            return []
        entry.flapping = True
        return [self._tell(entry, What.FLAPPING, now)]

    def _fire(self, entry: Entry, now: float) -> list[Notice]:
        entry.state = State.FIRING
        entry.fires.append(now)
        if entry.flapping:
            return []
        entry.flapping = len(entry.fires) >= self.policy.flaps
        what = What.FLAPPING if entry.flapping else What.FIRING
        return [self._tell(entry, what, now)]

    def _still(self, entry: Entry, now: float) -> list[Notice]:
        entry.flapping = entry.flapping and bool(entry.fires)
        if self._silenced(entry.alert, now):
            return []
        repeat = self.policy.repeat[entry.alert.severity]
        graver = entry.told_as is not None and entry.alert.severity > entry.told_as
        if entry.told is not None and now - entry.told < repeat and not graver:
            return []
        return [self._tell(entry, What.STILL, now)]

    def _not_due(self, key: str, now: float) -> list[Notice]:
        entry, silent = self.entries[key], now - self.entries[key].last_due
        entry.recent = [*entry.recent, False][-self.policy.flap_of :]
        entry.recent = entry.recent if True in entry.recent else []
        if entry.state is State.WAITING:
            entry.state = State.QUIET
        if entry.state is State.FIRING and silent >= self.policy.clear:
            entry.state = State.QUIET
            if entry.told is not None and not entry.flapping:
                return [self._resolved(entry, now)]
        if entry.state is State.QUIET and silent >= self._remembered(entry):
            if True in entry.recent and not entry.fires:
                return []  # it may come and go
            del self.entries[key]
            if entry.told is not None and entry.flapping:
                return [self._resolved(entry, now)]
        return []

    def _remembered(self, entry: Entry) -> float:
        return self.policy.flap_window if entry.fires else 0.0

    def _tell(self, entry: Entry, what: What, now: float) -> Notice:
        entry.told = now
        entry.told_as = max(entry.told_as or entry.alert.severity, entry.alert.severity)
        return Notice(what, entry.alert, entry.since, now, max(len(entry.fires), 1))

    def _resolved(self, entry: Entry, now: float) -> Notice:
        """Return the end of an alert, for all whom the gravest word of it had reached."""
        severity, entry.told_as = entry.told_as or entry.alert.severity, None
        ended = replace(entry, alert=replace(entry.alert, severity=severity))
        entry.told = now
        return self._tell(ended, What.RESOLVED, now)

    def _summed_up(self, now: float) -> list[Notice]:
        """Return the events that happened again since people were told of them."""
        policy, notices = self.policy, list[Notice]()
        for event in list(self.events.values()):
            if now - event.told < (policy.gather if event.collected else policy.event_repeat):
                continue
            if event.unheard:
                notices.append(event.sum_up(now))
            else:
                del self.events[event.alert.key]
        return notices

    def _silenced(self, alert: Alert, now: float) -> bool:
        return any(silence.until > now and silence.matches(alert) for silence in self.silences)

    def adopt(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Take in what was told by another state, which stood in for this one meanwhile."""
        new = [dict(entry) for entry in history if entry not in self.history]
        both = [*self.history, *new]
        self.history = sorted(both, key=lambda entry: float(entry["time"]))[-HISTORY:]

    def join(self, other: AlertState) -> None:
        """Take in a state that went on by itself: who saw an alert last, and told of it last."""
        for key, theirs in other.entries.items():
            mine = self.entries.get(key, theirs)
            last, before = (mine, theirs) if mine.last_due >= theirs.last_due else (theirs, mine)
            if before.told is not None and (last.told is None or before.told > last.told):
                said = before.told, before.told_as, before.state
                last.told, last.told_as, last.state = said
            self.entries[key] = last
        self.events = {**other.events, **self.events}
        self.keep_undelivered(each for each in other.undelivered if each not in self.undelivered)
        self.adopt(other.history)

    def _audible(self, notices: Iterable[Notice], now: float) -> list[Notice]:
        """Leave out what is silenced; who was not told is told when the silence is over."""
        audible = []
        for notice in notices:
            if not self._silenced(notice.alert, now):
                audible.append(notice)
                continue
            self.record(notice, {"silence": SILENCED})
            entry = self.entries.get(notice.alert.key)
            if entry is not None and notice.what is not What.RESOLVED:
                entry.told = entry.told_as = None
        return audible

    def dump(self) -> str:
        """Return the state as JSON text."""
        body = {
            "entries": [records.entry_as_json(entry) for entry in self.entries.values()],
            "events": [records.event_as_json(event) for event in self.events.values()],
            "silences": [records.silence_as_json(each) for each in self.silences],
            "history": self.history,
            "undelivered": [notice.as_json() for notice in self.undelivered],
            "telling_until": self.telling_until,
        }
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def load(text: str, policy: Policy | None = None) -> AlertState:
    """Read what :meth:`AlertState.dump` gave.

    Raises:
        ValueError: it is nothing that ``dump`` gives.
    """
    try:
        return _read(json.loads(text), policy)
    except _UNREADABLE as error:
        raise ValueError(f"not a state of the alerts: {text[:80]}") from error


def _read(body: Any, policy: Policy | None) -> AlertState:
    state = AlertState(policy)
    entries = [records.entry_from_json(data) for data in body["entries"]]
    events = [records.event_from_json(data) for data in body["events"]]
    state.silences = [records.silence_from_json(data) for data in body["silences"]]
    history = [records.told_from_json(data) for data in body["history"]]
    state.history = sorted(history, key=lambda entry: entry["time"])
    state.undelivered = [records.notice_from_json(data) for data in body["undelivered"]]
    state.telling_until = float(body["telling_until"])
    state.entries = {entry.alert.key: entry for entry in entries}
    state.events = {event.alert.key: event for event in events}
    return state


def summary(state: AlertState) -> dict[str, Any]:
    """Return the alerts that are on, the silences, and the history, the oldest first."""
    return {
        "on": [
            each.alert.as_json()
            | {"state": each.state.value, "since": iso(each.since), "flapping": each.flapping}
            for each in state.entries.values()
            if each.state is not State.QUIET
        ],
        "silences": [
            {"pattern": each.pattern, "until": iso(each.until), "why": each.why}
            for each in state.silences
        ],
        "history": [
            entry | {"time": iso(entry["time"]), "since": iso(entry["since"])}
            for entry in state.history
        ],
    }
