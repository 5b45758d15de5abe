"""The releases in the database as any machine reads them, and the tables that hold them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from xswarm_deploy.database.client import Statement
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.errors import LATER, UPDATE, DeployError, Refused
from xswarm_deploy.model.payload import UnknownPayload
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.release import audit, lock, steps
from xswarm_deploy.release.paging import Paged
from xswarm_deploy.services import shape

if TYPE_CHECKING:
    from xswarm_deploy.database.client import Database, Result, Row, Value
    from xswarm_deploy.release.audit import Event

_T = TypeVar("_T")

RUNNING: Final = "running"
UNDOING: Final = "undoing"
SUCCEEDED: Final = "succeeded"
ROLLED_BACK: Final = "rolled back"
FAILED: Final = "not rolled back"
ENDED: Final = (SUCCEEDED, ROLLED_BACK, FAILED)
"""Any other has not ended: a status that only a later version of this tool knows, too."""
SETTLED: Final = (SUCCEEDED, ROLLED_BACK)
_STATUSES: Final = (RUNNING, UNDOING, *ENDED)

PLANNED: Final = "planned"
INTENDED: Final = "intended"
DONE: Final = "done"
UNDONE: Final = "undone"
NOT_UNDONE: Final = "not undone"
_STATES: Final = (PLANNED, INTENDED, DONE, UNDONE, NOT_UNDONE)

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

_COLUMNS: Final = (
    "release, environment, kind, status, created, finished, author, message, version, facts,"
    " phases, phase, worker"
)
_NAMES: Final = _COLUMNS.replace(",", "").split()
_NUMBERED: Final = f"(SELECT {_COLUMNS}, rowid AS number FROM _releases)"  # noqa: S608
"""The releases in the order the database took them: clocks of deployers may be days apart."""
_IS_UNENDED: Final = f"status NOT IN ({', '.join('?' * len(ENDED))})"
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
    """Return the SQL for what an earlier version of this tool, or none, has left to be made."""
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
    """Return the columns of each of the ledger's tables that there is, from what _THERE found."""
    there: dict[str, set[str]] = {}
    for row in rows:
        there.setdefault(row.text("table"), set()).add(row.text("column"))
    return there


def _columns(sql: str) -> tuple[str, dict[str, str]]:
    """Return a table's name, and its columns' definitions, as CREATE TABLE says them."""
    head, _, body = sql.rpartition(")")[0].partition("(")
    parts = [part.strip() for part in re.findall(r"(?:[^,(]++|\([^()]*+\))+", body)]
    columns = {part.split()[0]: part for part in parts if not part.startswith("PRIMARY KEY")}
    return head.split()[-1], columns


def _default(definition: str) -> str:
    return "''" if " TEXT" in definition else "0"


def exists(database: Database) -> bool:
    """Return whether there was ever a release on this database."""
    return bool(database.query("SELECT 1 FROM sqlite_master WHERE name = '_releases'"))


def read(
    database: Database,
    environment: str,
    worker: str = "",
    *,
    named: str = "",
    unended: bool = False,
) -> Sequence[Record]:
    """Return the releases of an environment, newest first; read as far as somebody looks.

    They grow for ever, each brings its facts along, and libSQL's server answers with at most
    10 MB.

    Args:
        database: where the ledger is.
        environment: which one.
        worker: only this Worker's, and those that do not tell whose they are; empty: all.
        named: only those whose id, or whose version's, begins so; empty: all.
        unended: only those that have not ended.
    """
    condition = (
        "environment = ? AND (worker IN ('', ?) OR ? = '')"
        " AND ? IN ('', substr(release, 1, ?), substr(version, 1, ?))"
    )
    asked: tuple[Value, ...] = (environment, worker, worker, named, len(named), len(named))
    if unended:
        condition, asked = f"{condition} AND {_IS_UNENDED}", (*asked, *ENDED)
    return Paged(lambda last: _page(database, condition, asked, last), _PAGE)


def _page(
    database: Database, condition: str, asked: Sequence[Value], last: Record | None
) -> list[Record]:
    """Read the releases behind the last one that is known."""
    if last:
        condition, asked = f"number < ? AND {condition}", (last.number, *asked)
    rest = f" WHERE {condition} ORDER BY number DESC LIMIT {_PAGE}"
    try:
        rows = database.query(f"SELECT * FROM {_NUMBERED}{rest}", asked)  # noqa: S608
    except DatabaseError:
        there = _there(database).get("_releases")
        if there is None:
            return []
        source = _NUMBERED  # it was made meanwhile, by a release that takes the lock
        if not set(_NAMES) <= there:
            # Written by an earlier version of this tool; the next release adds what is missing.
            columns = ", ".join(name if name in there else f"'' AS {name}" for name in _NAMES)
            source = f"(SELECT {columns}, rowid AS number FROM _releases)"  # noqa: S608
        rows = database.query(f"SELECT * FROM {source}{rest}", asked)  # noqa: S608
    return [_record(row) for row in rows]


def asking_unended(environment: str) -> list[Statement]:
    """Return what reads the releases that have not ended; see :func:`unended`."""
    sql = (
        f"SELECT * FROM {_NUMBERED} WHERE environment = ? AND {_IS_UNENDED}"  # noqa: S608
        " ORDER BY number DESC"
    )
    return [
        Statement(_THERE, TABLES),
        Statement(sql, (environment, *ENDED)),
        Statement(audit.LAST),
    ]


def unended(
    database: Database, environment: str, read: Sequence[Result] = ()
) -> tuple[list[Record], Event | None]:
    """Return the releases that have not ended, newest first, and the audit trail's last event.

    What an earlier version of this tool left to be made of the tables is made.

    Args:
        database: where the ledger is.
        environment: which one.
        read: what :func:`asking_unended` has read of it already; empty: it is read now.
    """
    asked = asking_unended(environment)
    there, found, last = read or with_tables(database, lambda: database.snapshot(asked))
    if _missing(_columns_by_table(there.rows)):
        prepare(database)
    return [_record(row) for row in found.rows], audit.latest(last.rows)


def none_unended(read: Sequence[Result]) -> bool:
    """Return whether what :func:`asking_unended` has read shows that every release had ended."""
    return bool(read) and not read[1].rows


def recorded(database: Database, release: str) -> list[dict[str, Any]]:
    """Return a release's changes in their order, as JSON; of any version of this tool."""
    rows = database.query(
        "SELECT number, phase, state, change, outcome, began, ended FROM _release_changes"
        " WHERE release = ? ORDER BY number",
        (release,),
    )
    return [
        {
            "number": row.integer("number"),
            "phase": row.text("phase"),
            "state": row.text("state"),
            "seconds": seconds_between(str(row["began"] or ""), str(row["ended"] or "")),
            "change": _json(row, "change", dict[str, object]),
            "outcome": _json(row, "outcome", dict[str, object]),
        }
        for row in rows
    ]


def entries(database: Database, release: str) -> list[Entry]:
    """Return a release's changes in their order.

    Raises:
        UnknownPayload: another version of this tool planned one that this one cannot read.
    """
    return [_entry(found) for found in recorded(database, release)]


def _entry(found: Mapping[str, Any]) -> Entry:
    if found["state"] not in _STATES:
        what = f"change {found['number']} of the release is {found['state']}"
        raise UnknownPayload(what, f"{LATER}; nothing was changed", UPDATE)
    return Entry(**{**found, "change": steps.change_of(found["change"])})


def require_known(record: Record) -> None:
    """Refuse a release of which only a later version of this tool can tell how it stands.

    Raises:
        Refused: nobody settles it, and none begins upon it, before the tool is updated.
    """
    if record.status not in _STATUSES:
        what = f"release {record.release} is {record.status!r}, which is not known here"
        raise Refused(what, f"{LATER}; nothing was changed", UPDATE)


def status_of(database: Database, release: str) -> str:
    """Return a release's status; empty where there is none of that id."""
    rows = database.query("SELECT status FROM _releases WHERE release = ?", (release,))
    return rows[0].text(0) if rows else ""


def now() -> str:
    """Return the time in UTC, to the millisecond (RFC 3339)."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(began: str, ended: str) -> float:
    """Return the seconds between two times of :func:`now`; 0 where one is missing."""
    if not began or not ended:
        return 0.0
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _record(row: Row) -> Record:
    texts = {name: str(row[name] or "") for name in _NAMES}
    texts.pop("facts"), texts.pop("phases")
    return Record(
        **texts,
        facts=_json(row, "facts", dict[str, object]),
        phases=_json(row, "phases", tuple[str, ...]),
        number=row.integer("number"),
    )


def _json(row: Row, column: str, kind: type[_T]) -> _T:
    """Return a column's JSON by its shape.

    Raises:
        DeployError: it is of another one: nobody of this tool wrote it.
    """
    try:
        content = json.loads(row.text(column) or ("[]" if column == "phases" else ""))
        return cast("_T", shape.read(content, kind, column))
    except (ValueError, RecursionError) as error:
        what = f"the ledger is damaged: column {column} of a release cannot be read"
        raise DeployError(what, str(error), "restore the ledger from a backup") from None
