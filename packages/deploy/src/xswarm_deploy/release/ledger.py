"""Write a release's story into the database, so that any machine can resume and undo it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.database.client import Statement
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.release import lock
from xswarm_deploy.release.records import INTENDED, PLANNED, UNDOING, now, status_of
from xswarm_deploy.secret import redact

if TYPE_CHECKING:
    from xswarm_deploy.database.client import Database, Statement
    from xswarm_deploy.release.audit import Trail
    from xswarm_deploy.release.lock import Lease

_BEGIN: Final = (
    "INSERT INTO _releases (release, environment, kind, status, created, author, message, facts,"
    f" phases, worker, phase) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '' WHERE {lock.HELD}"
)
_ENTER: Final = (
    "UPDATE _releases SET phase = ?"  # noqa: S608 - constants only
    f" WHERE release = ? AND {lock.HELD}"
)
_PLAN: Final = (
    "INSERT INTO _release_changes (release, number, phase, state, change, outcome)"
    f" SELECT ?, ?, ?, '{PLANNED}', ?, '{{}}' WHERE {lock.HELD}"
)
_INTEND: Final = (
    f"UPDATE _release_changes SET state = '{INTENDED}', began = ?"  # noqa: S608 - constants only
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
_DOING: Final = "UPDATE _release_lock SET doing = ? WHERE owner = ? AND fence = ?"


@dataclass(frozen=True)
class Ledger:
    """Write one release's story, only while its lease holds.

    Every write carries the fencing number, so that a deployer that slept through the end of
    its lease cannot write, and therefore does not change, anything any more. What it says is
    added to the audit trail in the same transaction.

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

    def begin(self, record: Record) -> None:
        """Write down that the release begins."""
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
        self._write([self._fenced(_BEGIN, *values)], "begin", said)

    def plan(self, phase: str, first: int, changes: Sequence[Change]) -> None:
        """Write down what a phase will change, numbered from ``first``, which is intended at once.

        One write for both: each costs the database a sync, and a release its time.
        """
        rows = [
            self._fenced(_PLAN, self.release, number, phase, _json(change.as_json()))
            for number, change in enumerate(changes, start=first)
        ]
        intent = self._intent(first, changes[0]) if changes else []
        said = {"phase": phase, "changes": [change.as_json() for change in changes]}
        self._write([self._fenced(_ENTER, phase, self.release), *rows, *intent], "plan", said)

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
    ) -> None:
        """Write down what came of a change, and which one is made next, or that none is.

        Args:
            number: the change's place, from 1.
            state: done, undone, not undone.
            change: what was made.
            outcome: what came of it.
            following: the change that is made next, at once.
            reached: the last phase, where nothing more is changed; empty: something may be.
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
        self._write([self._fenced(_MARK, *row), *intent, *entered], state, said)

    def undoing(self) -> None:
        """Write down that the release failed and is being undone."""
        self._write([self._fenced(_STATUS, UNDOING, self.release)], UNDOING, {})

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
            self.trail.forget()

    def _fenced(self, sql: str, *parameters: Any) -> Statement:
        return Statement(sql, (*parameters, self.lease.owner, self.lease.fence))

    def _write(
        self, statements: list[Statement], event: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        """Write all or nothing; with it an event of the audit trail, if there is one to tell."""
        said = self.trail.next(self.release, event, now(), details or {}) if event else None
        sealed = [*statements, self.trail.statement(said, self.lease)] if said else statements
        results = self.database.transaction(sealed)
        if results[0].rows_affected == 0:
            raise self.lease.lost()
        if said and results[-1].rows_affected:
            self.trail.added(said)
        elif said:  # somebody else, say who took a lock off, has added an event meanwhile
            self.trail.forget()
            self.trail.add(self.release, event, now(), details or {})


def _json(value: Any) -> str:
    return redact(json.dumps(value, ensure_ascii=False, sort_keys=True))
