"""The database, over HTTP: statements in, rows out, errors typed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from boss.hrana import Result, Row, Statement, Value, batch, result

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Fetched(Protocol):
    """The part of a fetch's answer that is used here."""

    @property
    def status(self) -> int:
        """Return the HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers, by names in any case."""

    async def text(self) -> str:
        """Return the body."""


Fetch = Callable[..., Awaitable[Fetched]]


class Observe(Protocol):
    """The monitor's measure of a query."""

    def __call__(self, sql: str, seconds: float, rows: int = 0, *, failed: bool = False) -> None:
        """Count one query."""


class DatabaseError(Exception):
    """The database did not do what was asked.

    Args:
        kind: ``constraint``, ``busy``, ``unauthorised``, ``unavailable`` or ``refused``.
        code: the server's own code, such as ``SQLITE_CONSTRAINT_UNIQUE``; never its message,
            which may quote data.
    """

    def __init__(self, kind: str, code: str = "") -> None:
        super().__init__(f"database: {kind} {code}".rstrip())
        self.kind = kind
        self.code = code


class Database:
    """Talk to one libSQL server.

    Args:
        url: ``libsql://`` or ``https://``; ``http://`` for this machine only.
        token: the bearer token; empty for a server that wants none.
        fetch: the host's fetch.
        time_limit: seconds that one call may take.
        observe: told of each round trip: its first statement, its seconds, its rows.
    """

    def __init__(
        self, url: str, token: str, fetch: Fetch, time_limit: float, observe: Observe
    ) -> None:
        self._pipeline = f"{_address(url)}/v2/pipeline"
        self._headers = {"content-type": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._fetch = fetch
        self._time_limit = time_limit
        self._observe = observe

    async def rows(self, statement: Statement) -> tuple[Row, ...]:
        """Return a statement's rows."""
        return (await self.transaction(statement))[0].rows

    async def row(self, statement: Statement) -> Row | None:
        """Return a statement's first row, or None when there is none."""
        rows = await self.rows(statement)
        return rows[0] if rows else None

    async def transaction(self, *statements: Statement) -> list[Result]:
        """Do all statements or none, in one round trip.

        Raises:
            DatabaseError: a statement failed, and nothing was kept; or the server gave no
                answer, and what was kept is unknown.
        """
        begin, sql = time.perf_counter(), statements[0].sql
        try:
            results = _results(await self._send(batch(statements)), len(statements))
        except BaseException as error:
            self._observe(sql, time.perf_counter() - begin, failed=not _is_answer(error))
            raise
        rows = sum(len(result.rows) or result.affected for result in results)
        self._observe(sql, time.perf_counter() - begin, rows)
        return results

    async def execute(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Value, ...]]:
        """Do one statement and give its rows by index: what the monitor keeps its measures by."""
        return [tuple(row.values()) for row in await self.rows(Statement(sql, parameters))]

    async def check(self) -> None:
        """Ask the database anything, to see that it answers.

        Raises:
            DatabaseError: it does not.
        """
        await self.transaction(Statement("SELECT 1"))

    async def _send(self, pipeline: Mapping[str, Any]) -> Mapping[str, Any]:
        status, text = await self._post(json.dumps(pipeline))
        if status in (401, 403):
            raise DatabaseError("unauthorised", str(status))
        if status != 200:
            raise DatabaseError("unavailable", str(status))
        answer: Mapping[str, Any] = json.loads(text)
        return answer

    async def _post(self, body: str) -> tuple[int, str]:
        try:
            async with asyncio.timeout(self._time_limit):
                answer = await self._fetch(
                    self._pipeline, method="POST", headers=self._headers, body=body
                )
                return answer.status, await answer.text()
        except TimeoutError:
            raise DatabaseError("unavailable", "timeout") from None
        except OSError:
            raise DatabaseError("unavailable", "unreachable") from None


def _address(url: str) -> str:
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "libsql" else parts.scheme
    if scheme != "https" and not (scheme == "http" and parts.hostname in LOOPBACK):
        raise DatabaseError("refused", "INSECURE_URL")
    return f"{scheme}://{parts.netloc}"


def _results(answer: Mapping[str, Any], count: int) -> list[Result]:
    first = answer["results"][0]
    if first["type"] == "error":
        raise _error(first["error"])
    outcome = first["response"]["result"]
    failed = next((error for error in outcome["step_errors"] if error), None)
    if failed:
        raise _error(failed)
    start = 1 if count > 1 else 0
    return [result(raw) for raw in outcome["step_results"][start : start + count]]


def _is_answer(error: BaseException) -> bool:
    """Return whether the database works: a constraint is violated by what a user sent."""
    return isinstance(error, DatabaseError) and error.kind == "constraint"


def _error(error: Mapping[str, Any]) -> DatabaseError:
    code = str(error.get("code") or "")
    if "CONSTRAINT" in code:
        return DatabaseError("constraint", code)
    if "BUSY" in code or "LOCKED" in code or "TIMEOUT" in code:
        return DatabaseError("busy", code)
    return DatabaseError("refused", code)
