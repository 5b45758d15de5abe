"""The audit trail: who changed what, when, from where; each event sealed by the one before.

An event's hash is taken over its content and the hash of the event before it. So an edited,
inserted or removed event breaks the chain where it was touched. Where a key is set
(:mod:`xswarm_deploy.release.seal`) nobody without it can make the chain anew. Whoever has noted a
later hash can tell when the end was cut off: it stands in every notification, in
.deployments/audit.jsonl of the machine that released, in R2 (:mod:`.anchors`) and in git
(:mod:`.audit_tags`).
"""

from __future__ import annotations

import heapq
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xswarm_deploy.database.client import Statement
from xswarm_deploy.errors import VERSION, Unavailable
from xswarm_deploy.private import make_folder, open_file
from xswarm_deploy.release import lock, seal
from xswarm_deploy.release.paging import Paged
from xswarm_deploy.secret import Secret, dumped
from xswarm_deploy.services import shape

if TYPE_CHECKING:
    from xswarm_deploy.database.client import Database, Row, Statement, Value
    from xswarm_deploy.release.lock import Lease

CREATE: Final = """
CREATE TABLE IF NOT EXISTS _release_audit (
  number INTEGER PRIMARY KEY, time TEXT NOT NULL, environment TEXT NOT NULL,
  release TEXT NOT NULL, who TEXT NOT NULL, host TEXT NOT NULL, event TEXT NOT NULL,
  details TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL)"""
FILE: Final = "audit.jsonl"
_NEARBY: Final = 1_000  # events among which two processes may have changed the order
_COLUMNS: Final = "number, time, environment, release, who, host, event, details, previous, hash"
LAST: Final = f"SELECT {_COLUMNS} FROM _release_audit ORDER BY number DESC LIMIT 1"  # noqa: S608
_LATEST: Final = "COALESCE((SELECT hash FROM _release_audit ORDER BY number DESC LIMIT 1), '')"
_ADD: Final = (
    f"INSERT INTO _release_audit ({_COLUMNS})"
    f" SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE {_LATEST} = ?"
)
_PAGE: Final = 500  # events that are read at once
_TRIES: Final = 5  # of adding an event while others add theirs


class Event(NamedTuple):
    """One event of the trail.

    Args:
        number: from 1.
        time: UTC (RFC 3339).
        environment: which one.
        release: its id; empty for what no release did.
        who: the person.
        host: the machine.
        event: ``begin``, ``plan``, ``done``, ``undone``, ``end``, ``lock`` and the like.
        details: JSON of what happened, no secrets.
        previous: the hash of the event before; empty for the first.
        hash: of all the others (:mod:`xswarm_deploy.release.seal`).
    """

    number: int
    time: str
    environment: str
    release: str
    who: str
    host: str
    event: str
    details: str
    previous: str
    hash: str = ""

    @property
    def content(self) -> str:
        """Return what the hash is taken over."""
        return json.dumps(self[:-1], ensure_ascii=False, separators=(",", ":"))

    def sealed(self, keys: Secret = seal.NO_KEYS) -> str:
        """Return the hash that this content has, by the first of the keys where there is one."""
        return seal.make(self.content, keys)


class Origin(NamedTuple):
    """Who acts, and from where."""

    environment: str
    who: str
    host: str


@dataclass
class Trail:
    """Add events to the end of the trail.

    Args:
        database: where the trail is.
        origin: who adds.
        folder: where this machine keeps its own copy of what it added.
        keys: those that events are sealed with, by comma; empty: a plain hash.
        latest: the trail's last event as far as known; read when it is needed.
    """

    database: Database
    origin: Origin
    folder: Path
    keys: Secret = seal.NO_KEYS
    latest: Event | None = None
    _read: bool = field(default=False, repr=False)

    def next(
        self,
        release: str,
        event: str,
        time: str,
        details: Mapping[str, Any],
        *,
        after: Event | None = None,
    ) -> Event:
        """Make the event that follows the last one; nothing is written.

        Args:
            release: its id.
            event: what happened.
            time: when.
            details: more of it.
            after: the one that it follows, made and not written yet; None: the trail's last.
        """
        if after is None:
            self._look()
            after = self.latest
        text = dumped(details)
        made = Event(
            number=after.number + 1 if after else 1,
            time=time,
            release=release,
            event=event,
            details=text,
            previous=after.hash if after else "",
            **self.origin._asdict(),
        )
        return made._replace(hash=made.sealed(self.keys))

    def statement(self, event: Event, lease: Lease | None = None) -> Statement:
        """Return the statement that adds an event, if the trail still ends where it did.

        Args:
            event: made by :meth:`next`.
            lease: the lock that must still be held for it.
        """
        values = (*event, event.previous)
        if lease is None:
            return Statement(_ADD, values)
        return Statement(f"{_ADD} AND {lock.HELD}", (*values, lease.owner, lease.fence))

    def add(self, release: str, event: str, time: str, details: Mapping[str, Any]) -> None:
        """Add an event by itself; where another one came first, behind that.

        Raises:
            Unavailable: others add events without a pause.
        """
        for _ in range(_TRIES):
            made = self.next(release, event, time, details)
            if self.database.transaction([self.statement(made)])[0].rows_affected:
                self.added(made)
                return
            self.forget()
        raise Unavailable("the audit trail could not be written", "others write it all the time")

    def added(self, event: Event) -> None:
        """Note that an event was written, here too, where the disk takes it.

        The copy serves to tell when the database's trail was cut; a release does not end for it.
        """
        self.latest = event
        with suppress(OSError):
            self._keep(_line(event).encode())

    def _keep(self, line: bytes) -> None:
        make_folder(self.folder)
        handle = open_file(self.folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)

    def follow(self, event: Event | None) -> None:
        """Go on behind an event that was just read as the last one."""
        self.latest, self._read = event, True

    def forget(self) -> None:
        """Read the trail's end again when it is needed next."""
        self._read = False

    def _look(self) -> None:
        if not self._read:
            self.follow(last(self.database))


def last(database: Database) -> Event | None:
    """Return the last event, or None."""
    return latest(database.query(LAST))


def latest(rows: Sequence[Row]) -> Event | None:
    """Return the event that :data:`LAST` found, or None."""
    return _event(rows[0]) if rows else None


def read(database: Database, environment: str = "", limit: int = -1) -> list[Event]:
    """Return the events in their order.

    Args:
        database: where the trail is.
        environment: only this one's; empty: all.
        limit: only the last so many; -1: all.
    """
    wanted = sys.maxsize if limit < 0 else min(limit, sys.maxsize)
    size = min(max(wanted, 1), _PAGE)
    newest_first = Paged(lambda oldest: _page(database, environment, oldest, size), size)
    return list(islice(newest_first, wanted))[::-1]


def _page(database: Database, environment: str, oldest: Event | None, size: int) -> list[Event]:
    """Read the events before the oldest that is known; libSQL's server gives at most 10 MB."""
    asked: list[Value]
    condition, asked = "? IN ('', environment)", [environment, size]
    if oldest:
        condition, asked = f"number < ? AND {condition}", [oldest.number, *asked]
    rows = database.query(
        f"SELECT {_COLUMNS} FROM _release_audit WHERE {condition}"  # noqa: S608 - constants only
        " ORDER BY number DESC LIMIT ?",
        asked,
    )
    return [_event(row) for row in rows]


def walk(database: Database) -> Iterator[Event]:
    """Yield all events in their order, page by page, so that a trail of any length fits."""
    behind = -1
    while page := database.query(
        f"SELECT {_COLUMNS} FROM _release_audit WHERE number > ?"  # noqa: S608 - constants only
        " ORDER BY number LIMIT ?",
        [behind, _PAGE],
    ):
        yield from map(_event, page)
        behind = page[-1].integer("number")


def exists(database: Database) -> bool:
    """Return whether there is a trail in this database."""
    return bool(database.query("SELECT 1 FROM sqlite_master WHERE name = '_release_audit'"))


class Examined(NamedTuple):
    """What looking at a whole trail found.

    Args:
        events: how many there are.
        keyed: how many of them only who has the key could make.
        last: the hash of the last one; empty: there is none.
        head_found: whether one has the hash that was looked for.
        faults: where it was touched.
    """

    events: int
    keyed: int
    last: str
    head_found: bool
    faults: list[str]


class _Kept(NamedTuple):
    """What is known of an event from elsewhere than the database."""

    number: int
    hash: str
    event: str
    time: str
    where: str = "was written from here"


def examine(
    events: Iterable[Event],
    kept: Iterable[Event] = (),
    head: str = "",
    keys: Secret = seal.NO_KEYS,
    anchors: Mapping[str, Event | None] = MappingProxyType({}),
) -> Examined:
    """Look whether a trail is whole, in one pass that holds few events at a time.

    Args:
        events: all of them, in their order.
        kept: what this machine added, about in the same order.
        head: a hash to look for.
        keys: those that keyed events are checked with, by comma.
        anchors: events that were kept where the trail's writers cannot take them back, by where.
    """
    found: list[str] = []
    number, previous, count, keyed, head_found = 1, "", 0, 0, False
    written = heapq.merge(_in_order(kept), _anchored(anchors))
    expected = next(written, None)
    for event in events:
        found += _faults(event, number, previous)
        found += _seal_faults(event, keys, keyed=keyed > 0)
        number, previous, count = event.number + 1, event.hash, count + 1
        keyed += seal.is_keyed(event.hash)
        head_found = head_found or event.hash == head
        while expected and expected.number <= event.number:
            if expected.number < event.number:
                found.append(_gone(expected))
            elif expected.hash != event.hash:
                found.append(f"event {event.number} is not the one that {expected.where}")
            expected = next(written, None)
    while expected:
        found.append(_gone(expected))
        expected = next(written, None)
    return Examined(count, keyed, previous, head_found, found)


def _anchored(anchors: Mapping[str, Event | None]) -> list[_Kept]:
    return sorted(
        _Kept(event.number, event.hash, event.event, event.time, f"is anchored in {place}")
        for place, event in anchors.items()
        if event is not None
    )


def _gone(kept: _Kept) -> str:
    return f"event {kept.number} ({kept.event}, {kept.time}) is gone"


def _in_order(kept: Iterable[Event]) -> Iterator[_Kept]:
    """Sort what two processes of one machine may have written in each other's order."""
    nearby: list[_Kept] = []
    for event in kept:
        heapq.heappush(nearby, _Kept(event.number, event.hash, event.event, event.time))
        if len(nearby) > _NEARBY:
            yield heapq.heappop(nearby)
    while nearby:
        yield heapq.heappop(nearby)


def _faults(event: Event, number: int, previous: str) -> Iterator[str]:
    """Return what is wrong with one event, which should have a number and follow a hash."""
    if event.number != number:
        yield f"event {number} is missing"
    elif event.previous != previous:
        yield f"event {event.number} does not follow the one before it"


def _seal_faults(event: Event, keys: Secret, *, keyed: bool) -> Iterator[str]:
    """Return what is wrong with an event's hash; ``keyed``: one before it bears a key."""
    state = seal.state(event.content, event.hash, keys)
    if state == "edited":
        yield f"event {event.number} was edited"
    elif state == "unknown":
        yield f"event {event.number} is sealed in no way that version {VERSION} of this tool knows"
    elif state == "another key":
        yield f"event {event.number} bears a key that is not in {seal.NAME}"
    elif state == "unchecked" and not keyed:
        yield f"event {event.number} and later ones are keyed, and {seal.NAME} is not set here"
    if keyed and not seal.is_keyed(event.hash):
        yield (
            f"event {event.number} ({event.who}@{event.host}) bears no key, and earlier ones do:"
            f" it was forged, or {seal.NAME} was not set there, or version 1.0.0 of this tool"
            " wrote it"
        )


def kept(folder: Path) -> Iterator[Event]:
    """Yield what this machine added; a last line that was torn by a crash is left out."""
    file = folder / FILE
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            with suppress(ValueError, RecursionError):  # torn: what follows was written whole
                yield event_of(json.loads(line))


class _Line(shape.Wire):
    """An event as JSON."""

    number: int
    time: str
    environment: str
    release: str
    who: str
    host: str
    event: str
    details: str
    previous: str
    hash: str


def event_of(content: object) -> Event:
    """Return an event from its JSON.

    Raises:
        ValueError: it is none.
    """
    line = shape.read(content, _Line)
    return Event(*(getattr(line, name) for name in Event._fields))


def forget_kept(folder: Path, environment: str) -> None:
    """Forget what this machine added for an environment whose database was deleted on purpose."""
    file = folder / FILE
    others = [event for event in kept(folder) if event.environment != environment]
    if not others:
        file.unlink(missing_ok=True)
        return
    fresh = file.with_suffix(".new")
    fresh.touch(0o600)
    fresh.write_text("".join(map(_line, others)), encoding="utf-8")
    fresh.replace(file)


def _line(event: Event) -> str:
    return json.dumps(event._asdict(), ensure_ascii=False) + "\n"


def summary(event: Event) -> str:
    """Return in a few words what an event was about."""
    details = json.loads(event.details)
    if event.event == "plan":
        return f"{details['phase']}: {len(details['changes'])} changes"
    if event.event == "prepare":
        return ", ".join(map(str, details["steps"]))
    names = ("kind", "step", "action", "resource", "status", "version", "message", "holder")
    if event.event == "begin":
        return " ".join((str(details["kind"]), event.release, str(details["message"]))).strip()
    return " ".join(str(details[name]) for name in names if details.get(name))


def _event(row: Row) -> Event:
    return Event(**{name: row[name] for name in Event._fields})  # type: ignore[arg-type]
