"""Write a release's story into the database, so that any machine can resume and undo it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xswarm_deploy import fence
from xswarm_deploy.database.client import Statement
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.release import lock
from xswarm_deploy.release.records import INTENDED, PLANNED, UNDOING, now, status_of
from xswarm_deploy.secret import dumped, redact

if TYPE_CHECKING:
    from xswarm_deploy.database.client import Database, Result, Statement
    from xswarm_deploy.release.audit import Event, Trail
    from xswarm_deploy.release.lock import Lease

_BEGIN: Final = (
    "INSERT INTO _releases (release, environment, kind, status, created, author, message, facts,"
    f" phases, worker, phase) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '' WHERE {lock.HELD}"
    " ON CONFLICT (release) DO UPDATE SET status = excluded.status"  # it was written: repeated
)
_ENTER: Final = (
    "UPDATE _releases SET phase = ?"  # noqa: S608 - constants only
    f" WHERE release = ? AND {lock.HELD}"
)
_PLAN: Final = (
    "INSERT INTO _release_changes (release, number, phase, state, change, outcome)"
    f" SELECT ?, ?, ?, '{PLANNED}', ?, '{{}}' WHERE {lock.HELD}"
    " ON CONFLICT (release, number) DO NOTHING"  # it was written: repeated after a lost reply
)
_INTEND: Final = (
    f"UPDATE _release_changes SET state = '{INTENDED}', began = ?"  # noqa: S608 - constants only
    f" WHERE release = ? AND number = ? AND {lock.HELD}"
)
_UNBEGUN: Final = (
    f"UPDATE _release_changes SET state = '{PLANNED}', began = NULL"  # noqa: S608
    f" WHERE release = ? AND number = ? AND {lock.HELD}"
)
_MARK: Final = (
    "UPDATE _release_changes SET state = ?, outcome = ?, ended = ?"  # noqa: S608
    f" WHERE release = ? AND number = ? AND {lock.HELD}"
)
_STATUS: Final = (
    "UPDATE _releases SET status = ?"  # noqa: S608 - constants only
    f" WHERE release = ? AND {lock.HELD}"
)
_FINISH: Final = (
    "UPDATE _releases SET status = ?, facts = ?, version = ?, finished = ?"  # noqa: S608
    f" WHERE release = ? AND {lock.HELD}"
)
_NEAR: Final = "file:"
"""What the URL of a database begins with that is written at once: it is no round trip away."""
_DOING: Final = "UPDATE _release_lock SET doing = ? WHERE owner = ? AND fence = ?"


class _Entry(NamedTuple):
    """What is written at once.

    Args:
        statements: the first changes a row, or the lock is lost.
        time: when it was so.
        event: of the audit trail; empty: there is nothing to tell.
        details: of that event.
        awaited: whether nothing may be changed before it is written: it intends something.
    """

    statements: Sequence[Statement]
    time: str
    event: str
    details: Mapping[str, Any]
    awaited: bool


@dataclass
class Ledger:
    """Write one release's story, only while its lease holds.

    Every write carries the fencing number, so that a deployer that slept through the end of
    its lease cannot write, and therefore does not change, anything any more. What it says is
    added to the audit trail in the same transaction.

    What came of a change, and the intent of the next, may be held until the next write, or be
    written while what follows still reads: the lease lets nothing that changes anything leave
    before what is intended is durable (:meth:`settle_intents`). What came of a change is not waited
    for: the journal on this machine has it, and without either the provider is asked.

    Args:
        database: where it is.
        lease: the lock, held.
        release: the id.
        trail: the audit trail.
    """

    database: Database
    lease: Lease
    release: str
    trail: Trail
    _held: list[_Entry] = field(default_factory=list, repr=False)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _writer: int = field(default=0, repr=False)  # the thread that writes now

    def __post_init__(self) -> None:
        self.lease.before = self.settle_intents

    def begin(self, record: Record) -> None:
        """Hold that the release begins."""
        values = (
            record.release,
            record.environment,
            record.kind,
            record.status,
            record.created,
            record.author,
            record.message,
            _json(record.facts),
            _json(list(record.phases)),
            record.worker,
        )
        said = {"kind": record.kind, "message": record.message, "phases": list(record.phases)}
        self._write([self._fenced(_BEGIN, *values)], "begin", said, hold=True)

    def prepare(self, names: Sequence[str]) -> None:
        """Hold that what of these steps no user meets is made before their turn.

        Args:
            names: of the steps.
        """
        held = Statement(_DOING, ("", self.lease.owner, self.lease.fence))
        self._write([held], "prepare", {"steps": list(names)}, hold=True)

    def plan(
        self,
        phase: str,
        first: int,
        changes: Sequence[Change],
        intended: int = 1,
        *,
        awaited: bool = True,
    ) -> None:
        """Hold what a phase will change, numbered from ``first``, which is intended at once.

        One write for both: each costs the database a sync, and a release its time.

        Args:
            phase: its name.
            first: the number of the first change.
            changes: all of the phase.
            intended: how many of them are intended by this.
            awaited: whether the first is made only once this is written.
        """
        rows = [
            self._fenced(_PLAN, self.release, number, phase, _json(change.as_json()))
            for number, change in enumerate(changes, start=first)
        ]
        intents = [
            statement
            for number, change in reversed([*enumerate(changes[:intended], start=first)])
            for statement in self._intent(number, change)  # what the first is doing is said last
        ]
        said = {"phase": phase, "changes": [change.as_json() for change in changes]}
        entered = self._fenced(_ENTER, phase, self.release)
        statements = [entered, *rows, *intents]
        self._write(statements, "plan", said, hold=True, awaited=awaited)

    def intend(self, number: int, change: Change) -> None:
        """Write down what is about to be changed, for whoever is kept waiting, too."""
        self._write(self._intent(number, change))

    def _intent(self, number: int, change: Change) -> list[Statement]:
        doing = redact(f"{change.step}: {change.action} {change.resource}")
        return [
            self._fenced(_INTEND, now(), self.release, number),
            Statement(_DOING, (doing, self.lease.owner, self.lease.fence)),
        ]

    def mark(
        self,
        number: int,
        state: str,
        change: Change,
        outcome: Facts,
        following: Change | None = None,
        *,
        reached: str = "",
        hold: bool = False,
        joined: bool = False,
    ) -> None:
        """Write down what came of a change, and which one is made next, or that none is.

        Args:
            number: the change's place, from 1.
            state: done, undone, not undone.
            change: what was made.
            outcome: what came of it.
            following: the change that is made next, at once.
            reached: the last phase, where nothing more is changed; empty: something may be.
            hold: write it with what comes next, or when :meth:`later` or :meth:`settle` is called.
            joined: whether the following one was intended before, together with this one.
        """
        said = {
            "number": number,
            "step": change.step,
            "action": change.action,
            "resource": change.resource,
            "outcome": dict(outcome),
        }
        row = (state, _json(outcome), now(), self.release, number)
        intent = self._intent(number + 1, following) if following else []
        entered = [self._fenced(_ENTER, reached, self.release)] if reached else []
        awaited = following is not None and not joined
        statements = [self._fenced(_MARK, *row), *intent, *entered]
        self._write(statements, state, said, hold=hold, awaited=awaited)

    def undoing(self, unbegun: Sequence[int] = ()) -> None:
        """Write down that the release failed and is being undone.

        From here on what could not be written holds nothing back: undoing goes on without the
        database, and what is held is written when that answers again.

        Args:
            unbegun: numbers of changes that are intended, and of which it is known that they were
                not begun.
        """
        self.lease.before = _wait_for_nothing
        status = self._fenced(_STATUS, UNDOING, self.release)
        only_planned = [self._fenced(_UNBEGUN, self.release, number) for number in unbegun]
        self._write([status, *only_planned], UNDOING, {})

    def finish(self, status: str, facts: Facts, finished: str, *, free: bool = False) -> None:
        """Write down how the release ended; a lost reply is settled by reading.

        Args:
            status: how.
            facts: what going back to it will need.
            finished: when.
            free: give the lock back in the same write.
        """
        version = str(facts.get("version") or "")
        row = self._fenced(_FINISH, status, _json(facts), version, finished, self.release)
        said = {"status": status, "version": version}
        try:
            self._write([row, self.lease.freeing()] if free else [row], "end", said)
        except DatabaseError as error:
            if not error.in_doubt or status_of(self.database, self.release) != status:
                raise
            self._held.clear()
            self.trail.forget()

    def later(self, linger: float = 0.0) -> None:
        """Begin to write what is held; where that fails, the next write says so.

        A file is near, and written at once.

        Args:
            linger: seconds in which another write may take it along.

        Raises:
            DatabaseError: a file was not written.
        """
        if not self._held:
            return
        if self.database.url.startswith(_NEAR) or fence.current() is not self.lease:
            self.settle()  # or nothing holds back what is to leave only after it
            return
        begun = threading.Timer(linger, self._try_to_settle)
        begun.name, begun.daemon = "ledger", True  # the end of a release is written by itself
        begun.start()

    def _try_to_settle(self) -> None:
        with suppress(DeployError):  # told by whoever settles next
            self.settle()

    def settle(self) -> None:
        """Return once nothing is held any more.

        Raises:
            Locked: the lock is another's now.
            DatabaseError: it could not be written, and stays held.
        """
        if self._writer == threading.get_ident():
            return  # it is this very write that waits for nothing
        with self._writing:
            if self._held:
                self._send()

    def settle_intents(self) -> None:
        """Return once nothing that is intended is held any more.

        Raises:
            Locked: the lock is another's now.
            DatabaseError: it could not be written, and stays held.
        """
        if any(entry.awaited for entry in list(self._held)):
            self.settle()

    def _fenced(self, sql: str, *parameters: Any) -> Statement:
        return Statement(sql, (*parameters, self.lease.owner, self.lease.fence))

    def _write(
        self,
        statements: Sequence[Statement],
        event: str = "",
        details: Mapping[str, Any] | None = None,
        *,
        hold: bool = False,
        awaited: bool = True,
    ) -> None:
        """Write all or nothing; with it an event of the audit trail, if there is one to tell."""
        entry = _Entry(statements, now(), event, details or {}, awaited)
        if hold:  # even while others are being written
            self._held.append(entry)
            return
        with self._writing:
            self._send(entry)

    def _send(self, *more: _Entry) -> None:
        """Write what is held, and more behind it; what is not written stays held."""
        held = list(self._held)
        self._writer = threading.get_ident()
        try:
            self._sent([*held, *more])
        finally:
            self._writer = 0
        del self._held[: len(held)]

    def _sent(self, entries: Sequence[_Entry]) -> None:
        events = self._events(entries)
        parts = [
            [*entry.statements, *([self.trail.statement(event, self.lease)] if event else [])]
            for entry, event in zip(entries, events, strict=True)
        ]
        results = iter(self.database.transaction([one for part in parts for one in part]))
        for entry, event, part in zip(entries, events, parts, strict=True):
            self._told(entry, event, [next(results) for _ in part])

    def _events(self, entries: Sequence[_Entry]) -> list[Event | None]:
        """Return the event of each entry, one behind the other."""
        made: list[Event | None] = []
        for entry in entries:
            before = next((event for event in reversed(made) if event), None)
            told = (self.release, entry.event, entry.time, entry.details)
            made.append(self.trail.next(*told, after=before) if entry.event else None)
        return made

    def _told(self, entry: _Entry, event: Event | None, results: Sequence[Result]) -> None:
        """Note that an entry was written.

        Raises:
            Locked: it was not, since the lock is another's now.
        """
        if results[0].rows_affected == 0:
            raise self.lease.lost()
        if event and results[-1].rows_affected:
            self.trail.added(event)
        elif event:  # somebody else, say who took a lock off, has added an event meanwhile
            self.trail.forget()
            self.trail.add(self.release, entry.event, entry.time, entry.details)


def _wait_for_nothing() -> None:
    """Let what leaves leave."""


def _json(value: Any) -> str:
    return dumped(value)
