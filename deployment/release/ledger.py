"""The releases in the database, so that any machine can list, show, resume and undo them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from deployment.database.errors import DatabaseError
from deployment.errors import Locked
from deployment.release import audit, lock
from deployment.release.paging import Paged
from deployment.secret import redact
from deployment.steps.record import Record
from deployment.steps.step import Change, Facts

if TYPE_CHECKING:
    from deployment.database.client import Database, Row, Statement, Value
    from deployment.release.audit import Event, Trail
    from deployment.release.lock import Lease

_T = TypeVar("_T")

RUNNING: Final = "running"
UNDOING: Final = "undoing"
SUCCEEDED: Final = "succeeded"
ROLLED_BACK: Final = "rolled back"
FAILED: Final = "not rolled back"
UNENDED: Final = (RUNNING, UNDOING)
OPEN: Final = (*UNENDED, FAILED)

PLANNED: Final = "planned"
INTENDED: Final = "intended"
DONE: Final = "done"
UNDONE: Final = "undone"
NOT_UNDONE: Final = "not undone"

_CREATE: Final = (
    lock.CREATE,
    audit.CREATE,
    """CREATE TABLE IF NOT EXISTS _releases (
  release TEXT PRIMARY KEY, environment TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
  created TEXT NOT NULL, finished TEXT, author TEXT NOT NULL, message TEXT NOT NULL,
  version TEXT, facts TEXT NOT NULL, phases TEXT NOT NULL, phase TEXT NOT NULL,
  worker TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS _release_changes (
  release TEXT NOT NULL, number INTEGER NOT NULL, phase TEXT NOT NULL, state TEXT NOT NULL,
  change TEXT NOT NULL, outcome TEXT NOT NULL, began TEXT, ended TEXT,
  PRIMARY KEY (release, number))""",
)
TABLES: Final = ("_release_lock", "_releases", "_release_changes", "_release_audit")
"""What a restored backup must not bring back to an earlier state."""

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
_RECORD: Final = (
    "release, environment, kind, status, created, finished, author, message, version, facts,"
    " phases, phase, worker"
)
_NAMES: Final = _RECORD.replace(",", "").split()
_PAGE: Final = 100  # releases that are read at once
_THERE: Final = (
    'SELECT list.name AS "table", info.name AS "column" FROM sqlite_master AS list'
    " JOIN pragma_table_info(list.name) AS info WHERE list.name IN (?, ?, ?, ?)"
)


class Entry(NamedTuple):
    """One change of a release.

    Args:
        number: its place, from 1.
        phase: the part of the release it belongs to, mostly a step's name.
        state: planned, intended, done, undone, not undone.
        change: what.
        outcome: what came of it.
        seconds: how long it took, where it was done.
    """

    number: int
    phase: str
    state: str
    change: Change
    outcome: Facts
    seconds: float = 0.0


def prepare(database: Database) -> None:
    """Make the ledger's tables, and columns they came to have; looking first spares a write."""
    from deployment.database.client import Statement

    missing = _missing(_there(database))
    if not missing:
        return
    try:
        database.transaction([Statement(sql) for sql in missing])
    except DatabaseError:
        if _missing(_there(database)):  # else another deployer made them at the same moment
            raise


def with_tables(database: Database, act: Callable[[], _T]) -> _T:
    """Do what needs the ledger's tables; only where it fails for them, :func:`prepare` and repeat.

    So it is the first release that pays the round trip of looking, not each.
    """
    try:
        return act()
    except DatabaseError as error:
        if error.kind == "unavailable" or not _missing(_there(database)):
            raise
    prepare(database)
    return act()


def _missing(there: Mapping[str, set[str]]) -> list[str]:
    """Give the SQL for what an earlier version of this tool, or none, has left to be made."""
    made: list[str] = []
    for sql in _CREATE:
        table, columns = _columns(sql)
        if table not in there:
            made.append(sql)
            continue
        made += [
            f"ALTER TABLE {table} ADD COLUMN {definition} DEFAULT {_default(definition)}"
            for name, definition in columns.items()
            if name not in there[table]
        ]
    return made


def _there(database: Database) -> dict[str, set[str]]:
    return _columns_by_table(database.query(_THERE, TABLES))


def _columns_by_table(rows: Sequence[Row]) -> dict[str, set[str]]:
    """Give the columns of each of the ledger's tables that there is, from what _THERE found."""
    there: dict[str, set[str]] = {}
    for row in rows:
        there.setdefault(row.text("table"), set()).add(row.text("column"))
    return there


def _columns(sql: str) -> tuple[str, dict[str, str]]:
    """Give a table's name, and its columns' definitions, as CREATE TABLE says them."""
    head, _, body = sql.rpartition(")")[0].partition("(")
    parts = [part.strip() for part in re.findall(r"(?:[^,(]++|\([^()]*+\))+", body)]
    columns = {part.split()[0]: part for part in parts if not part.startswith("PRIMARY KEY")}
    return head.split()[-1], columns


def _default(definition: str) -> str:
    return "''" if " TEXT" in definition else "0"


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
        from deployment.database.client import Statement

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
    ) -> None:
        """Write down what came of a change, and which one is made next, if any is."""
        said = {
            "number": number,
            "step": change.step,
            "action": change.action,
            "resource": change.resource,
            "outcome": dict(outcome),
        }
        row = (state, _json(outcome), now(), self.release, number)
        intent = self._intent(number + 1, following) if following else []
        self._write([self._fenced(_MARK, *row), *intent], state, said)

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
        from deployment.database.client import Statement

        return Statement(sql, (*parameters, self.lease.owner, self.lease.fence))

    def _write(
        self, statements: list[Statement], event: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        """Write all or nothing; with it an event of the audit trail, if there is one to tell."""
        said = self.trail.next(self.release, event, now(), details or {}) if event else None
        sealed = [*statements, self.trail.statement(said, self.lease)] if said else statements
        results = self.database.transaction(sealed)
        if results[0].rows_affected == 0:
            raise Locked(
                "this release lost its lock, and stopped",
                "its lease ran out or was taken off, and another deployer may have taken over",
                "inv deploy.list",
            )
        if said and results[-1].rows_affected:
            self.trail.added(said)
        elif said:  # somebody else, say who took a lock off, has added an event meanwhile
            self.trail.forget()
            self.trail.add(self.release, event, now(), details or {})


def exists(database: Database) -> bool:
    """Tell whether there was ever a release on this database."""
    return bool(database.query("SELECT 1 FROM sqlite_master WHERE name = '_releases'"))


def records(
    database: Database,
    environment: str,
    worker: str = "",
    *,
    named: str = "",
    status: Sequence[str] = (),
) -> Sequence[Record]:
    """Give the releases of an environment, newest first; read as far as somebody looks.

    They grow for ever, each brings its facts along, and libSQL's server answers with at most
    10 MB.

    Args:
        database: where the ledger is.
        environment: which one.
        worker: only this Worker's, and those that do not tell whose they are; empty: all.
        named: only those whose id, or whose version's, begins so; empty: all.
        status: only those that are so; empty: all.
    """
    condition = (
        "environment = ? AND (worker IN ('', ?) OR ? = '')"
        " AND ? IN ('', substr(release, 1, ?), substr(version, 1, ?))"
    )
    if status:
        condition += f" AND status IN ({', '.join('?' * len(status))})"
    asked: tuple[Value, ...] = (environment, worker, worker, named, len(named), len(named), *status)
    return Paged(lambda last: _page(database, condition, asked, last), _PAGE)


def _page(
    database: Database, condition: str, asked: Sequence[Value], last: Record | None
) -> list[Record]:
    """Read the releases behind the last one that is known."""
    if last:
        condition, asked = f"release < ? AND {condition}", (last.release, *asked)
    rest = f" WHERE {condition} ORDER BY release DESC LIMIT {_PAGE}"
    try:
        rows = database.query(f"SELECT {_RECORD} FROM _releases{rest}", asked)  # noqa: S608
    except DatabaseError:
        there = _there(database).get("_releases")
        if there is None:
            return []
        if set(_NAMES) <= there:
            raise
        # Written by an earlier version of this tool; the next release adds what is missing.
        columns = ", ".join(name if name in there else f"'' AS {name}" for name in _NAMES)
        source = f"(SELECT {columns} FROM _releases)"  # noqa: S608 - constants only
        rows = database.query(f"SELECT {_RECORD} FROM {source}{rest}", asked)  # noqa: S608
    return [_record(row) for row in rows]


def unended(database: Database, environment: str) -> tuple[list[Record], Event | None]:
    """Give the releases that have not ended, newest first, and the audit trail's last event.

    What an earlier version of this tool left to be made of the tables is made.
    """
    from deployment.database.client import Statement

    sql = (
        f"SELECT {_RECORD} FROM _releases WHERE environment = ? AND status IN (?, ?)"  # noqa: S608
        " ORDER BY release DESC"
    )
    asked = [
        Statement(_THERE, TABLES),
        Statement(sql, (environment, *UNENDED)),
        Statement(audit.LAST),
    ]
    there, found, last = with_tables(database, lambda: database.snapshot(asked))
    if _missing(_columns_by_table(there.rows)):
        prepare(database)
    return [_record(row) for row in found.rows], audit.latest(last.rows)


def entries(database: Database, release: str) -> list[Entry]:
    """Give a release's changes in their order."""
    rows = database.query(
        "SELECT number, phase, state, change, outcome, began, ended FROM _release_changes"
        " WHERE release = ? ORDER BY number",
        (release,),
    )
    return [
        Entry(
            row.integer("number"),
            row.text("phase"),
            row.text("state"),
            Change(**json.loads(row.text("change"))),
            json.loads(row.text("outcome")),
            seconds_between(str(row["began"] or ""), str(row["ended"] or "")),
        )
        for row in rows
    ]


def status_of(database: Database, release: str) -> str:
    """Give a release's status; empty where there is none of that id."""
    rows = database.query("SELECT status FROM _releases WHERE release = ?", (release,))
    return rows[0].text(0) if rows else ""


def now() -> str:
    """Give the time in UTC, to the millisecond (RFC 3339)."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(began: str, ended: str) -> float:
    """Give the seconds between two times of :func:`now`; 0 where one is missing."""
    if not began or not ended:
        return 0.0
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _record(row: Row) -> Record:
    texts = {name: str(row[name] or "") for name in _NAMES}
    texts.pop("facts"), texts.pop("phases")
    return Record(
        **texts,
        facts=json.loads(row.text("facts")),
        phases=tuple(json.loads(row.text("phases") or "[]")),
    )


def _json(value: Any) -> str:
    return redact(json.dumps(value, ensure_ascii=False, sort_keys=True))
