"""The releases in the database, so that any machine can list, show and settle them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from deployment.errors import Locked
from deployment.release import lock
from deployment.secret import redact
from deployment.steps.record import Record
from deployment.steps.step import Change, Facts

if TYPE_CHECKING:
    from deployment.database.client import Database, Row
    from deployment.release.lock import Lease

RUNNING: Final = "running"
SUCCEEDED: Final = "succeeded"
ROLLED_BACK: Final = "rolled back"
FAILED: Final = "not rolled back"

INTENDED: Final = "intended"
DONE: Final = "done"
UNDONE: Final = "undone"
NOT_UNDONE: Final = "not undone"

_CREATE: Final = (
    lock.CREATE,
    """CREATE TABLE IF NOT EXISTS _releases (
  release TEXT PRIMARY KEY, environment TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
  created TEXT NOT NULL, finished TEXT, author TEXT NOT NULL, message TEXT NOT NULL,
  version TEXT, facts TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS _release_changes (
  release TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL, change TEXT NOT NULL,
  outcome TEXT NOT NULL, PRIMARY KEY (release, number))""",
)
TABLES: Final = ("_release_lock", "_releases", "_release_changes")
_FENCED: Final = "EXISTS (SELECT 1 FROM _release_lock WHERE owner = ? AND fence = ?)"
_BEGIN: Final = (
    "INSERT INTO _releases (release, environment, kind, status, created, author, message, facts)"
    f" SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE {_FENCED}"
)
_INTEND: Final = (
    "INSERT INTO _release_changes (release, number, state, change, outcome)"
    f" SELECT ?, ?, ?, ?, '{{}}' WHERE {_FENCED}"
)
_MARK: Final = (
    "UPDATE _release_changes SET state = ?, outcome = ?"  # noqa: S608 - constants only
    f" WHERE release = ? AND number = ? AND {_FENCED}"
)
_FINISH: Final = (
    "UPDATE _releases SET status = ?, facts = ?, version = ?, finished = ?"  # noqa: S608
    f" WHERE release = ? AND {_FENCED}"
)


@dataclass(frozen=True)
class Entry:
    """One change of a release: its number, its state, the change, what came of it."""

    number: int
    state: str
    change: Change
    outcome: Facts


def prepare(database: Database) -> None:
    """Make the ledger's tables where they are missing."""
    from deployment.database.client import Statement

    database.transaction([Statement(sql) for sql in _CREATE])


@dataclass(frozen=True)
class Ledger:
    """Write one release's story, only while its lease holds.

    Every write carries the fencing number, so that a deployer that slept through the end of
    its lease cannot write, and therefore does not change, anything any more.
    """

    database: Database
    lease: Lease
    release: str

    def begin(self, record: Record) -> None:
        """Write down that the release begins."""
        self._write(
            _BEGIN,
            (
                record.release,
                record.environment,
                record.kind,
                record.status,
                record.created,
                record.author,
                record.message,
                _json(record.facts),
            ),
        )

    def intend(self, number: int, change: Change) -> None:
        """Write down what is about to be changed."""
        self._write(
            _INTEND,
            (self.release, number, INTENDED, _json(change.as_json())),
        )

    def mark(self, number: int, state: str, outcome: Facts) -> None:
        """Write down what came of a change."""
        self._write(
            _MARK,
            (state, _json(outcome), self.release, number),
        )

    def finish(self, status: str, facts: Facts, finished: str) -> None:
        """Write down how the release ended."""
        self._write(
            _FINISH,
            (status, _json(facts), str(facts.get("version") or ""), finished, self.release),
        )

    def _write(self, sql: str, parameters: tuple[Any, ...]) -> None:
        fenced = (*parameters, self.lease.owner, self.lease.fence)
        if self.database.execute(sql, fenced).rows_affected == 0:
            raise Locked(
                "this release lost its lock, and stopped",
                "its lease ran out, and another deployer may have taken over",
                "inv deploy.list",
            )


def exists(database: Database) -> bool:
    """Tell whether there was ever a release on this database."""
    return bool(database.query("SELECT 1 FROM sqlite_master WHERE name = '_releases'"))


def records(database: Database, environment: str) -> list[Record]:
    """Give all releases of an environment, newest first."""
    if not exists(database):
        return []
    rows = database.query(
        "SELECT release, environment, kind, status, created, finished, author, message, version,"
        " facts FROM _releases WHERE environment = ? ORDER BY release DESC",
        (environment,),
    )
    return [_record(row) for row in rows]


def entries(database: Database, release: str) -> list[Entry]:
    """Give a release's changes in their order."""
    rows = database.query(
        "SELECT number, state, change, outcome FROM _release_changes WHERE release = ?"
        " ORDER BY number",
        (release,),
    )
    return [
        Entry(
            int(str(row[0])),
            str(row[1]),
            Change(**json.loads(str(row[2]))),
            json.loads(str(row[3])),
        )
        for row in rows
    ]


def _record(row: Row) -> Record:
    release, environment, kind, status, created, finished, author, message, version = (
        str(row[index] or "") for index in range(9)
    )
    return Record(
        release,
        environment,
        kind,
        status,
        created,
        finished,
        author,
        message,
        version,
        json.loads(str(row[9])),
    )


def _json(value: Any) -> str:
    return redact(json.dumps(value, ensure_ascii=False, sort_keys=True))
