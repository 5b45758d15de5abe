"""The database as a file, through sqlite3."""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from xswarm_deploy import fence
from xswarm_deploy.database import fencing, limits
from xswarm_deploy.database.errors import DatabaseError, Kind, kind_of
from xswarm_deploy.database.rows import Result, Row, Statement, Value, check

_BUSY_SECONDS = 5.0  # as long as sqld waits


class FileDatabase:
    """SQLite in this process; each thread has a connection of its own.

    Args:
        path: the file; made when it is first written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.url = f"file:{path}"
        self.round_trips = 0
        self.limits = limits.FILE
        self._of_thread = threading.local()
        self._all: list[_Held] = []
        weakref.finalize(self, _close, self._all)  # a command that ends closes nothing by itself

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and give its rows."""
        return self.execute(sql, parameters).rows

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> Result:
        """Run one statement, which is a transaction of its own."""
        connection, using = self._held()
        with using:
            result = _run(connection, Statement(sql, parameters))
            if connection.in_transaction:
                connection.execute("ROLLBACK")
                raise DatabaseError("syntax", "a transaction is opened by transaction() only")
        return result

    def transaction(
        self,
        statements: Sequence[Statement],
        *,
        foreign_keys: bool = True,
        keep: bool = True,
    ) -> list[Result]:
        """Run all statements or none; see :class:`xswarm_deploy.database.client.Database`."""
        connection, using = self._held()

        def act(all_: Sequence[Statement]) -> list[Result]:
            return _within(connection, "BEGIN IMMEDIATE", all_, keep=keep)

        with using, _foreign_keys(connection, foreign_keys):
            return fencing.run(self.url, statements, act)

    def snapshot(self, statements: Sequence[Statement]) -> list[Result]:
        """Read several things as of one moment."""
        connection, using = self._held()
        with using:
            return _within(connection, "BEGIN", statements, keep=True)

    def position(self) -> str:
        """Return how far it is; see :class:`xswarm_deploy.database.client.Database`."""
        connection, using = self._held()
        with using, translated():
            (others,) = connection.execute("PRAGMA data_version").fetchone()
            (schema,) = connection.execute("PRAGMA schema_version").fetchone()
        return f"{others} {schema} {connection.total_changes}"

    def replace(self, statements: Iterable[str], position: str) -> bool:
        """Run all or none, if nobody has written since; see the same."""
        connection, using = self._held()
        fence.require_held()  # what it makes durable is written before this holds the write lock
        with using, _foreign_keys(connection, False):
            with translated():
                connection.execute("BEGIN IMMEDIATE")
            if self.position() != position:
                connection.execute("ROLLBACK")
                return False
            with fencing.before(self.url, statements) as fenced:
                _run_all(connection, map(Statement, fenced), keep=True)
        return True

    def open_ahead(self, count: int) -> None:
        """Do nothing: a file is there."""

    def close(self) -> None:
        """Close the connections of every thread."""
        _close(self._all)
        self._of_thread = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _held(self) -> _Held:
        held: _Held | None = getattr(self._of_thread, "held", None)
        if held is None:
            held = self._of_thread.held = _Held(_open(self.path), threading.RLock())
            self._all.append(held)
        return held


class _Held(NamedTuple):
    """A thread's connection, and what it holds while it uses it: SQLite crashes, closed then."""

    connection: sqlite3.Connection
    using: threading.RLock


def _close(all_: list[_Held]) -> None:
    """Close connections; one whose thread is still at it after a while is left to that."""
    while all_:
        connection, using = all_.pop()
        if using.acquire(timeout=_BUSY_SECONDS):
            try:
                connection.close()
            finally:
                using.release()


def _open(path: Path) -> sqlite3.Connection:
    with translated():
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    # Both are sqld's defaults: the two homes must behave alike.
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")
    return connection


def _within(
    connection: sqlite3.Connection, begin: str, statements: Sequence[Statement], *, keep: bool
) -> list[Result]:
    with translated():
        connection.execute(begin)
    return _run_all(connection, statements, keep=keep)


def _run_all(
    connection: sqlite3.Connection, statements: Iterable[Statement], *, keep: bool
) -> list[Result]:
    """Run statements in the transaction that was begun, and end it."""
    try:
        results = [_run(connection, statement, place) for place, statement in enumerate(statements)]
        with translated():
            connection.execute("COMMIT" if keep else "ROLLBACK")
    except BaseException:
        # Some errors (INSERT OR ROLLBACK) have ended the transaction already.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    return results


def _run(connection: sqlite3.Connection, statement: Statement, place: int | None = None) -> Result:
    started = time.perf_counter()
    with translated(place):
        check(statement)
        cursor = connection.execute(statement.sql, statement.parameters)
        rows = cursor.fetchall()
    columns = tuple([column[0] for column in cursor.description]) if rows else ()
    affected = max(cursor.rowcount, 0)
    return Result(
        affected,
        cursor.lastrowid if affected and _inserts(statement.sql) else None,
        [Row(columns, row) for row in rows],
        time.perf_counter() - started,
    )


def _inserts(sql: str) -> bool:
    return sql.lstrip().upper().startswith(("INSERT", "REPLACE"))


@contextmanager
def _foreign_keys(connection: sqlite3.Connection, enforced: bool) -> Iterator[None]:
    if enforced:
        yield
        return
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        connection.execute("PRAGMA foreign_keys = ON")


class translated:  # noqa: N801 - used as a function is; a generator would cost ten times as much
    """Turn what sqlite3 raises into the errors both homes share.

    Args:
        place: of the statement in its transaction.
    """

    __slots__ = ("_place",)

    def __init__(self, place: int | None = None) -> None:
        self._place = place

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raise the error both homes share, where sqlite3 raised one."""
        if isinstance(error, DatabaseError):
            error.statement = self._place
        elif isinstance(error, sqlite3.Error | sqlite3.Warning):
            raise DatabaseError(_kind(error), str(error), statement=self._place) from None


def _kind(error: Exception) -> Kind:
    if isinstance(error, sqlite3.ProgrammingError):
        return "value" if "bindings" in str(error) else "syntax"
    if isinstance(error, sqlite3.Warning):  # more than one statement, before Python 3.12
        return "syntax"
    if "decode to UTF-8" in str(error):
        return "value"
    return kind_of(getattr(error, "sqlite_errorname", ""))
