"""SQLite as D1 lets it be used, in place of workerd's: its limits and its refusals.

What is allowed was asked of workerd, D1's own engine (``tests/twin/cloudflare/test_d1.py``);
the limits are those of https://developers.cloudflare.com/d1/platform/limits/.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from xswarm_twin.edge.simulators import Answer, Question

EXPORT: Final = "PRAGMA miniflare_d1_export"

SECONDS = 30.0
"""What one request may take."""

_LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 100,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 32,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
    sqlite3.SQLITE_LIMIT_LENGTH: 2_000_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}
_PRAGMAS = frozenset(
    {
        "case_sensitive_like",
        "data_version",
        "defer_foreign_keys",
        "foreign_key_check",
        "foreign_key_list",
        "foreign_keys",
        "function_list",
        "ignore_check_constraints",
        "index_info",
        "index_list",
        "index_xinfo",
        "legacy_alter_table",
        "optimize",
        "quick_check",
        "recursive_triggers",
        "reverse_unordered_selects",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)
_DENIED = frozenset(
    {
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DETACH,
        sqlite3.SQLITE_CREATE_TEMP_INDEX,
        sqlite3.SQLITE_CREATE_TEMP_TABLE,
        sqlite3.SQLITE_CREATE_TEMP_TRIGGER,
        sqlite3.SQLITE_CREATE_TEMP_VIEW,
    }
)
_OF_TABLES = frozenset(
    {
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_DROP_TABLE,
    }
)
_FUNCTIONS = frozenset({"sqlite_version", "sqlite_source_id", "load_extension", "random_blob"})
_TRANSACTIONS = (
    "To execute a transaction, please use the state.storage.transaction() or"
    " state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT"
    " statements."
)
_TIMEOUT = "D1 DB storage operation exceeded timeout which caused object to be reset."


def answer(file: Path, question: Question) -> Answer:
    """Answer as the simulator of D1 does."""
    asked = json.loads(question.body or b"[]")
    try:
        told: object = (
            _exported(file) if asked[0]["sql"].startswith(EXPORT) else _run(file, question)
        )
    except Failed as error:
        told = {"error": str(error)}
    return Answer(200, "OK", {}, json.dumps(told).encode())


def _run(file: Path, question: Question) -> list[dict[str, Any]]:
    queries = [(one["sql"], one.get("params", [])) for one in json.loads(question.body or b"[]")]
    formed = "ROWS_AND_COLUMNS" in question.path
    return [
        {
            "success": True,
            "meta": ran.meta,
            "results": {"columns": ran.columns, "rows": ran.rows}
            if formed
            else [dict(zip(ran.columns, row, strict=True)) for row in ran.rows],
        }
        for ran in run(file, queries)
    ]


def _exported(file: Path) -> list[dict[str, Any]]:
    """Return what stands for the export: another text for other contents."""
    with closing(_open(file)) as connection:
        digest = hashlib.sha256(connection.serialize()).hexdigest()
    return [{"success": True, "meta": {}, "results": [[digest]]}]


class Failed(Exception):
    """A request that the database refuses; nothing of it remains."""


class Broken(Failed):
    """The database failed by itself; nothing remains either."""


@dataclass(frozen=True)
class Ran:
    """What one statement did: its columns and rows, and what the answer's ``meta`` says."""

    columns: list[str]
    rows: list[list[Any]]
    meta: dict[str, Any]


def run(file: Path, queries: Sequence[tuple[str, Sequence[Any]]]) -> list[Ran]:
    """Run all queries or none.

    Args:
        file: the database.
        queries: SQL, which may hold several statements, and its parameters.

    Raises:
        Failed: with the message that D1 gives.
    """
    with closing(_open(file)) as connection:
        state = _Authorised(connection)
        try:
            connection.execute("BEGIN IMMEDIATE")
            state.begin()
            found = [ran for sql, given in queries for ran in _ran(connection, sql, given)]
            state.end()
            _commit(connection)
        except sqlite3.Error as error:
            state.end()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise Failed(_message(error, denied=state.denied)) from None
    return found


def _commit(connection: sqlite3.Connection) -> None:
    """End the transaction; a key that is violated only then is an internal error, as in workerd."""
    try:
        connection.execute("COMMIT")
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK")
        raise Broken("internal error; reference = twin") from None


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=SECONDS, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")  # as JavaScript's are
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = OFF")  # only a crash of the machine loses anything
    connection.execute("CREATE TABLE IF NOT EXISTS _cf_KV (key TEXT PRIMARY KEY, value BLOB)")
    if sqlite3.sqlite_version_info < _MODERN:
        connection.create_function("unhex", 1, bytes.fromhex, deterministic=True)
        connection.create_function("printf", -1, _printf, deterministic=True)
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    return connection


_MODERN = (3, 43)
"""D1's SQLite is younger: it has unhex(), and its printf() writes doubles exactly."""


def _printf(form: str, *values: Any) -> str:
    """Write values as printf() of a younger SQLite does."""
    given = iter(values)
    return re.sub(r"%(!?)([.\d]*[dsfg])", lambda found: _formatted(found, next(given)), form)


def _formatted(found: re.Match[str], value: Any) -> str:
    if found[2] == "s":
        return "" if value is None else str(value)
    text = f"%{found[2]}" % (value or 0)
    return f"{text}.0" if found[1] and text.lstrip("-").isdigit() else text


class _Authorised:
    """What may be done between BEGIN and COMMIT, and for how long."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.denied = ""

    def begin(self) -> None:
        deadline = time.monotonic() + SECONDS
        self._connection.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        self._connection.set_authorizer(self._authorise)

    def end(self) -> None:
        self._connection.set_authorizer(None)
        self._connection.set_progress_handler(None, 0)

    def _authorise(self, code: int, first: str | None, second: str | None, *_: object) -> int:
        name = (first or second or "").lower()
        if code in (sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT):
            self.denied = _TRANSACTIONS
        elif name.startswith("_cf_") and code in _OF_TABLES:
            self.denied = f"access to {first} is prohibited: SQLITE_AUTH"
        elif code in _DENIED or (code == sqlite3.SQLITE_PRAGMA and name not in _PRAGMAS):
            self.denied = "not authorized: SQLITE_AUTH"
        elif code == sqlite3.SQLITE_FUNCTION and str(second).lower() in _FUNCTIONS:
            self.denied = f"not authorized to use function: {second}: SQLITE_ERROR"
        else:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY


def _ran(connection: sqlite3.Connection, sql: str, given: Sequence[Any]) -> Iterator[Ran]:
    statements = list(_split(sql))
    if given and len(statements) > 1:
        raise Failed("A prepared SQL statement must contain only one statement.: SQLITE_ERROR")
    if not statements:
        raise Failed("No SQL statements detected.")
    for statement in statements:
        if len(statement.encode()) > _LIMITS[sqlite3.SQLITE_LIMIT_SQL_LENGTH]:
            raise Failed("statement too long: SQLITE_TOOBIG")
        yield _one(connection, statement, given)


def _one(connection: sqlite3.Connection, sql: str, given: Sequence[Any]) -> Ran:
    before, started = connection.total_changes, time.perf_counter()
    cursor = connection.execute(sql, [_bound(value) for value in given])
    rows = [[_told(value) for value in row] for row in cursor.fetchall()]
    changes = connection.total_changes - before
    columns = [column[0] for column in cursor.description or ()]
    meta = {
        "served_by": "twin",
        "duration": (time.perf_counter() - started) * 1000,
        "changes": changes,
        "last_row_id": cursor.lastrowid or 0,
        "changed_db": changes > 0 or cursor.description is None,
        "rows_read": len(rows),
        "rows_written": changes,
    }
    return Ran(columns, rows, meta)


def _split(sql: str) -> Iterator[str]:
    """Return the statements of a text, as SQLite itself would find their ends."""
    start = 0
    for place, letter in enumerate(sql):
        if letter == ";" and sqlite3.complete_statement(sql[start : place + 1]):
            if sql[start:place].strip():
                yield sql[start:place]
            start = place + 1
    if sql[start:].strip():
        yield sql[start:]


def _bound(value: Any) -> Any:
    """Return a parameter as D1 binds it: a list is bytes."""
    if isinstance(value, list):
        return bytes(value)
    return float(value) if isinstance(value, int) and abs(value) > 2**53 else value


def _told(value: Any) -> Any:
    """Return a value as JavaScript writes it: every number is a double, bytes are a list."""
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, int) and abs(value) > 2**53:
        return int(float(value))
    return value


def _message(error: sqlite3.Error, *, denied: str) -> str:
    name = getattr(error, "sqlite_errorname", "") or "SQLITE_ERROR"
    if denied:
        return denied
    if name == "SQLITE_INTERRUPT":
        return _TIMEOUT
    if name.startswith("SQLITE_CONSTRAINT_"):
        return f"{error}: SQLITE_CONSTRAINT (extended: {name})"
    return f"{str(error).replace('JSON path error near', 'bad JSON path:')}: {name}"
