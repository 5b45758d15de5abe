"""The database at Cloudflare D1, over its HTTP API.

A request of several statements is one transaction, wholly or not at all, and there is no other:
nothing can be asked within it, and its write lock ends with it. So a rehearsal is a transaction
whose last statement fails; where one failed is found by rehearsals of ever shorter parts; and
foreign keys cannot be lifted, only checked later (``defer_foreign_keys``).

Source: https://developers.cloudflare.com/api/resources/d1/ (query, raw, time travel); what D1's
engine allows was asked of workerd.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from xswarm_deploy import permissions
from xswarm_deploy.database import asking, fencing, limits
from xswarm_deploy.database.errors import DatabaseError, Kind, kind_of
from xswarm_deploy.database.literals import with_literals
from xswarm_deploy.database.rows import Result, Row, Statement, Value, check
from xswarm_deploy.database.statements import first_words, only_reads, split
from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret, redact

if TYPE_CHECKING:
    from requests import Response, Session

SCHEME: Final = "d1"
_CONNECT_SECONDS, _ANSWER_SECONDS = 10, 60
_WHOLE_SECONDS: Final = 70.0  # of an answer; more as long as it comes
_TRIES_TO_CONNECT: Final = 3
_CONNECTIONS = 16  # that are kept, for as many threads
_REHEARSED: Final = "rehearsed and rolled back"
_MARK: Final = f"SELECT CASE WHEN 1 THEN json_extract('{{}}', '!{_REHEARSED}') END"
_DEFER, _NO_LONGER = "PRAGMA defer_foreign_keys = on", "PRAGMA defer_foreign_keys = off"
_EXACT: Final = 2**53  # below it a double is every whole number
_TOLD: Final = re.compile(
    r"(?P<why>.*?)(?: at offset \d+)?: (?P<code>SQLITE_\w+)"
    r"(?: \(extended: (?P<more>SQLITE_\w+)\))?",
    re.DOTALL,
)
_LONGEST: Final = 300  # characters of an unexpected answer that an error quotes
_NOT_D1: Final = "the answer is not D1's"
_SQL_FAILED: Final = 7500
_MISSING: Final = 7404
_STATUS: Final[Mapping[int, Kind]] = {
    401: "unauthorised",
    403: "unauthorised",
    413: "too large",
    429: "busy",
}


@dataclass(frozen=True)
class D1Access:
    """The way to a D1 database.

    Args:
        account: Cloudflare's id of the account.
        token: an API token with D1: Edit.
        base: of Cloudflare's API.
    """

    account: str
    token: Secret = field(repr=False)
    base: str = "https://api.cloudflare.com/client/v4"


class D1Database:
    """D1 over HTTP; each thread has a connection of its own.

    Args:
        database: its id, or its name.
        access: the way to it.
    """

    def __init__(self, database: str, access: D1Access) -> None:
        self.url = f"{SCHEME}:{database}"
        self.round_trips = 0
        self.limits = limits.D1
        self.access = access
        self._path = f"/accounts/{quote(access.account)}/d1/database/{quote(database)}"
        self._shared: Session | None = None
        self._opening = threading.Lock()

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and give its rows."""
        return self.execute(sql, parameters).rows

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> Result:
        """Run one statement, which is a transaction of its own."""
        statement = Statement(sql, parameters)
        (found,) = self._run([_query(statement)], harmless=only_reads(sql))
        return _result(statement, found)

    def transaction(
        self,
        statements: Sequence[Statement],
        *,
        foreign_keys: bool = True,
        keep: bool = True,
    ) -> list[Result]:
        """Run all statements or none; see :class:`xswarm_deploy.database.client.Database`.

        Without ``foreign_keys`` they are checked no more than the statements themselves do, but
        their actions still take place: D1 lifts no keys. Of a rehearsal D1 tells only that it
        would not fail, and the time of all statements.
        """

        def act(all_: Sequence[Statement]) -> list[Result]:
            return self._atomic(all_, foreign_keys=foreign_keys, keep=keep)

        return fencing.run(self.url, statements, act)

    def _atomic(
        self, statements: Sequence[Statement], *, foreign_keys: bool, keep: bool
    ) -> list[Result]:
        queries = _queries(statements)
        before, after = ([], []) if foreign_keys else ([{"sql": _DEFER}], [{"sql": _NO_LONGER}])
        if not queries:
            return []
        started = time.perf_counter()
        if keep:
            harmless = all(only_reads(each.sql) for each in statements)
            all_ = [*before, *queries, *after]
            found = self._placed(all_, len(before), len(queries), harmless=harmless)
            own = found[len(before) : len(before) + len(queries)]
            return [_result(one, told) for one, told in zip(statements, own, strict=True)]
        self._rehearse([*before, *queries, *after], len(before), len(queries))
        each = (time.perf_counter() - started) / len(queries)
        return [Result(0, None, [], each) for _ in queries]

    def snapshot(self, statements: Sequence[Statement]) -> list[Result]:
        """Read several things as of one moment, in one round trip."""
        return self._atomic(statements, foreign_keys=True, keep=True)

    def position(self) -> str:
        """Return how far it is: its bookmark, by which D1 also goes back in time."""
        answer = self._answer("GET", "/time_travel/bookmark")
        if not isinstance(answer, Mapping) or "bookmark" not in answer:
            raise DatabaseError("unavailable", _NOT_D1)
        return str(answer["bookmark"])

    def replace(self, statements: Iterable[str], position: str) -> bool:  # noqa: ARG002
        """Refuse: nothing holds D1's write lock between looking and replacing.

        Raises:
            Refused: always.
        """
        raise Refused(
            "D1 cannot be put back unseen",
            "it has no transaction of several requests, in which it could be looked at first",
            "inv backup.restore FILE; or go back in time: wrangler d1 time-travel restore",
        )

    def open_ahead(self, count: int) -> None:
        """Do nothing: what is asked here goes one after the other."""

    def close(self) -> None:
        """Close every connection."""
        with self._opening:
            shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _placed(
        self, queries: Sequence[dict[str, Any]], first: int, count: int, *, harmless: bool
    ) -> list[dict[str, Any]]:
        """Run a batch; where it fails, find out by which statement."""
        try:
            return self._run(queries, harmless=harmless)
        except DatabaseError as error:
            error.statement = self._place(error, queries, first, count)
            raise

    def _rehearse(self, queries: Sequence[dict[str, Any]], first: int, count: int) -> None:
        """Run a batch whose last statement fails, so that nothing remains."""
        error = self._failure(queries)
        if error is not None:
            error.statement = self._place(error, queries, first, count)
            raise error

    def _failure(self, queries: Sequence[dict[str, Any]]) -> DatabaseError | None:
        """Rehearse a batch, and return why it would fail; None: it would not."""
        try:
            self._run([*queries, {"sql": _MARK}], harmless=True)
        except DatabaseError as error:
            return None if _REHEARSED in error.why else error
        raise DatabaseError("failed", "a rehearsal was not rolled back", in_doubt=True)

    def _place(
        self, error: DatabaseError, queries: Sequence[dict[str, Any]], first: int, count: int
    ) -> int | None:
        """Return which statement failed: the shortest part that fails ends with it."""
        if error.in_doubt or error.kind not in ("constraint", "syntax", "value", "failed"):
            return None
        if self._failure(queries) is None:
            return None  # a key that was checked at the end
        good, bad = first, first + count
        while bad - good > 1:
            middle = (good + bad) // 2
            if self._failure(queries[:middle]) is None:
                good = middle
            else:
                bad = middle
        return bad - 1 - first

    def _run(self, queries: Sequence[dict[str, Any]], *, harmless: bool) -> list[dict[str, Any]]:
        body = queries[0] if len(queries) == 1 else {"batch": list(queries)}
        found = self._answer("POST", "/raw", body, harmless=harmless)
        if not isinstance(found, list) or len(found) != len(queries):
            raise DatabaseError("unavailable", _NOT_D1, in_doubt=True)
        return found

    def _answer(self, method: str, path: str, body: object = None, *, harmless: bool = True) -> Any:
        act = partial(self._sent, method, path, body)
        return asking.once_more(act, harmless=harmless, anew=self._session().close)

    def _sent(self, method: str, path: str, body: object) -> Any:
        """Send a request, and return the result in its envelope."""
        from requests.exceptions import RequestException

        from xswarm_deploy import transport

        self.round_trips += 1
        limits = transport.exchange(_WHOLE_SECONDS, pace=asking.PACE, largest=asking.LARGEST)
        try:
            with limits:
                reply = self._session().request(
                    method,
                    f"{self.access.base}{self._path}{path}",
                    data=None if body is None else json.dumps(body).encode(),
                    timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS),
                    allow_redirects=False,
                )
        except RequestException as error:
            raise asking.unreached(error, _REACH) from None
        return _unwrapped(reply, self.url.removeprefix(f"{SCHEME}:"))

    def _session(self) -> Session:
        with self._opening:
            if self._shared is None:
                self._shared = _open(self.access)
            return self._shared


_REACH: Final = "check the network and CLOUDFLARE_API_BASE_URL (the local twin: inv sandbox.up)"


def _open(access: D1Access) -> Session:
    import requests
    from urllib3.util import Retry

    from xswarm_deploy import transport

    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {access.token.reveal()}"
    session.headers["Content-Type"] = "application/json"
    session.headers["User-Agent"] = transport.USER_AGENT
    session.auth = lambda request: request  # without one, a netrc entry would replace the token
    session.trust_env = not access.base.startswith("http://")
    # Only what was never sent is sent again: a lost reply may have been carried out.
    retry = Retry(total=None, connect=_TRIES_TO_CONNECT, read=0, status=0, other=0, redirect=0)
    adapter = transport.Adapter(max_retries=retry, pool_maxsize=_CONNECTIONS)
    session.mount(access.base.partition("//")[0] + "//", adapter)
    return session


def _queries(statements: Sequence[Statement]) -> list[dict[str, Any]]:
    found = []
    for place, statement in enumerate(statements):
        try:
            found.append(_query(statement))
        except DatabaseError as error:
            error.statement = place
            raise
    return found


def _query(statement: Statement) -> dict[str, Any]:
    """Return a statement as D1 takes it.

    D1's parameters are texts: numbers and bytes are written into the statement.
    """
    check(statement)
    verb = "".join(first_words(statement.sql, 1))
    if verb in ("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"):
        raise DatabaseError("syntax", "a transaction is opened by transaction() only")
    if ";" in statement.sql and len(split(statement.sql)) > 1:
        raise DatabaseError("syntax", "there is more than one statement")
    sql, texts = with_literals(statement)
    if len(sql.encode()) > (limits.D1.statement or 0):
        raise DatabaseError(
            "too large",
            f"the statement has {len(sql.encode())} bytes, and D1 takes {limits.D1.statement}",
            remedy="write it as several statements",
        )
    return {"sql": sql, "params": texts} if texts else {"sql": sql}


def _result(statement: Statement, found: Mapping[str, Any]) -> Result:
    try:
        return _read(statement, found)
    except asking.ODD:
        raise DatabaseError("unavailable", _NOT_D1, in_doubt=True) from None


def _read(statement: Statement, found: Mapping[str, Any]) -> Result:
    held, meta = found["results"], found["meta"]
    columns = tuple(map(str, held["columns"]))
    rows = [
        Row(columns, [_value(cell, name) for cell, name in zip(row, columns, strict=True)])
        for row in held["rows"]
    ]
    changes = int(meta.get("changes") or 0)
    inserts = changes and statement.sql.lstrip().upper().startswith(("INSERT", "REPLACE"))
    rowid = int(meta.get("last_row_id") or 0) if inserts else None
    seconds = float(meta.get("duration") or 0.0) / 1000
    return Result(changes, rowid, rows, seconds)


def _value(cell: Any, column: str) -> Value:
    if isinstance(cell, list):
        return bytes(cell)
    if isinstance(cell, int) and abs(cell) >= _EXACT:
        raise DatabaseError(
            "value",
            f"column {column!r} holds a whole number that D1's answer rounds",
            remedy=f"select CAST({column} AS TEXT)",
        )
    return cell if isinstance(cell, (int, float, str)) or cell is None else str(cell)


def _unwrapped(reply: Response, database: str) -> Any:
    try:
        answer = reply.json()
        failed = not answer["success"]
        result = None if failed else answer["result"]
        code, message = _first(answer.get("errors"))
    except asking.ODD:
        kind = _STATUS.get(reply.status_code)
        raise asking.refused(reply.status_code, reply.text, _REACH, kind) from None
    if failed:
        raise _error(reply.status_code, code, message, database)
    return result


def _first(errors: object) -> tuple[int, str]:
    """Return code and message of the first error, as far as it is one."""
    found = errors[0] if isinstance(errors, list) and errors else errors
    if not isinstance(found, Mapping):
        return 0, str(found or "")
    code = found.get("code")
    return code if isinstance(code, int) else 0, str(found.get("message") or "")


def _error(status: int, code: int, message: str, database: str) -> DatabaseError:
    """Return the error that all homes share, from D1's."""
    found = _TOLD.fullmatch(message)
    if code == _SQL_FAILED and found:
        kind = kind_of(found["more"] or found["code"])
        return DatabaseError("syntax" if kind == "unauthorised" else kind, found["why"])
    why = f"HTTP {status}, {code}: {redact(message)[:_LONGEST]}"
    if code == _MISSING:
        remedy = f"make it: npx wrangler d1 create {database}; or correct d1:{database}"
        return DatabaseError("unavailable", why, remedy=remedy)
    if "exceeded timeout" in message:
        return DatabaseError("busy", f"timed out: {why}")
    if "overloaded" in message or "long-running export" in message:
        return DatabaseError("busy", why)
    kind = _STATUS.get(status, "failed" if code == _SQL_FAILED else "unavailable")
    remedy = permissions.remedy("/d1/", status, [str(code)], message)
    passing = status in asking.BETWEEN
    return DatabaseError(kind, why, in_doubt=status >= 500, remedy=remedy, passing=passing)
