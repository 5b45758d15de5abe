"""One client for all homes of the database: Turso (Hrana over HTTP), D1 and a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import unquote, urlsplit

from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.database.limits import Limits
from xswarm_deploy.database.rows import Result, Row, Statement, Value
from xswarm_deploy.errors import Refused
from xswarm_deploy.loopback import is_loopback_host
from xswarm_deploy.secret import Secret

if TYPE_CHECKING:
    from xswarm_deploy.database.d1 import D1Access

__all__ = ["Database", "DatabaseError", "Result", "Row", "Statement", "Value", "connect"]


class Database(Protocol):
    """The face both homes share: the same results, types and errors.

    Foreign keys are enforced. A connection may be used from several threads.
    """

    url: str
    """Where it is, without any secret."""
    round_trips: int
    """How many requests went over the network so far; 0 for a file."""
    limits: Limits
    """What it allows."""

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and give its rows."""
        ...

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> Result:
        """Run one statement, which is a transaction of its own."""
        ...

    def transaction(
        self,
        statements: Sequence[Statement],
        *,
        foreign_keys: bool = True,
        keep: bool = True,
    ) -> list[Result]:
        """Run all statements or none, in one round trip, under the write lock.

        Args:
            statements: what to run, in order.
            foreign_keys: False lifts their enforcement for this transaction, as a
                rebuilt table needs; the statements then have to check them.
            keep: False rolls back at the end: a rehearsal on the real data.

        Raises:
            DatabaseError: with the place of the failing statement; nothing remains.
        """
        ...

    def snapshot(self, statements: Sequence[Statement]) -> list[Result]:
        """Read several things as of one moment, in one round trip."""
        ...

    def position(self) -> str:
        """Return how far its log is: another text after every write, whoever wrote."""
        ...

    def replace(self, statements: Iterable[str], position: str) -> bool:
        """Run all statements or none, if nobody has written since a position; foreign keys lifted.

        Args:
            statements: SQL without parameters; they have to check foreign keys themselves.
            position: where the database stood when it was looked at.

        Returns:
            Whether they were run; False: somebody wrote meanwhile, nothing was changed.

        Raises:
            DatabaseError: nothing remains.
        """
        ...

    def open_ahead(self, count: int) -> None:
        """Begin to open so many connections, for requests that will go side by side."""
        ...

    def close(self) -> None:
        """Return every connection to the pool."""
        ...

    def __enter__(self) -> Self:
        """Return the database; leaving the block closes it."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        ...


def connect(url: str, token: Secret | None = None, d1: D1Access | None = None) -> Database:
    """Connect to the database a URL names.

    Args:
        url: ``libsql://`` or ``https://`` (Turso), ``http://`` (an address of this
            machine only), ``file:`` with a path, or ``d1:`` with a database's id or name.
        token: the bearer token; may be absent for an address of this machine.
        d1: the way to D1, where the URL names a database there.

    Raises:
        Refused: the URL is of no such form, or the token is missing.
    """
    scheme, _, rest = url.partition(":")
    scheme = scheme.lower()
    if scheme == "d1":
        from xswarm_deploy.database.d1 import D1Database

        if d1 is None or not rest or not d1.account or not d1.token:
            raise Refused(
                f"Nothing leads to {url}",
                "D1 is reached by Cloudflare's API, with an account and a token",
                "set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN, and write d1:NAME or d1:ID",
            )
        return D1Database(rest, d1)
    if scheme == "file":
        from xswarm_deploy.database.file import FileDatabase

        return FileDatabase(path_of(url))
    _check_remote(url, scheme, token)
    from xswarm_deploy.database.turso import TursoDatabase

    return TursoDatabase(url, token)


def path_of(url: str) -> Path:
    """Return the path a ``file:`` URL names.

    Raises:
        Refused: another host is named, or no path.
    """
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path:
        raise Refused(f"Not a database file: {url!r}", "", "give file:PATH, e.g. file:app.db")
    return Path(unquote(parts.path))


def _check_remote(url: str, scheme: str, token: Secret | None) -> None:
    host = urlsplit(url).hostname
    if scheme not in ("libsql", "https", "http") or not host or "@" in urlsplit(url).netloc:
        raise Refused(
            f"Not a database URL: scheme {scheme!r}",
            "no libsql://HOST, https://HOST, http://127.0.0.1:PORT, file:PATH or d1:NAME",
            "set TURSO_DATABASE_URL",
        )
    if is_loopback_host(host):
        return
    if scheme == "http":
        raise Refused(
            f"http:// to {host} would send the token in the clear",
            "http is taken for addresses of this machine only",
            "write libsql:// or https://",
        )
    if not token:
        raise Refused(f"No token for {host}", "", "set TURSO_AUTH_TOKEN")
