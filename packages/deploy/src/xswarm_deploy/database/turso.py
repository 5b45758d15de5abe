"""The database at Turso, or in any libSQL server, through turso-python.

turso-python 1.8 is wrapped here and nowhere else, because its answers have to be
checked: it gives errors inside an HTTP 200 back in silence, its ``batch`` is no
transaction, and its own conversion of values loses or refuses some of them. Only
its raw ``execute_pipeline`` is used, with Hrana built and read in ``hrana``.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from http import HTTPStatus
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

from xswarm_deploy import fence, imports
from xswarm_deploy.database import asking, fencing, hrana, limits
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.database.rows import Result, Row, Statement, Value
from xswarm_deploy.database.statements import only_reads
from xswarm_deploy.secret import Secret

if TYPE_CHECKING:
    from requests import PreparedRequest, RequestException, Response
    from turso_python.connection import TursoConnection

T = TypeVar("T")
_CONNECT_SECONDS, _ANSWER_SECONDS = 10, 300
_FIRST_SECONDS = 30  # for the first answer of all, which no long statement needs: is it there?
_TRIES_TO_CONNECT = 3
_CONNECTIONS = 16  # that are kept, for as many threads
_QUOTED = 300  # characters of the server's words that an error quotes
_NO_JSON = "the answer is no JSON: a page of a proxy, or of a network that wants a login?"
_importing = threading.Lock()


class TursoDatabase:
    """libSQL over HTTP; threads share the connections, each of which serves one at a time.

    Args:
        url: ``libsql://``, ``https://`` or, on this machine, ``http://``.
        token: the bearer token, where one is needed.
    """

    def __init__(self, url: str, token: Secret | None) -> None:
        parts = urlsplit(url)
        self.url = f"{parts.scheme}://{parts.netloc}"
        self.round_trips = 0
        self.limits = limits.LIBSQL
        self._token = token
        self._shared: TursoConnection | None = None
        self._opening = threading.Lock()

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and give its rows."""
        return self.execute(sql, parameters).rows

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> Result:
        """Run one statement, which is a transaction of its own."""
        if sql.lstrip().upper().startswith(("BEGIN", "SAVEPOINT")):
            raise DatabaseError("syntax", "a transaction is opened by transaction() only")
        request = {"type": "execute", "stmt": hrana.statement(Statement(sql, parameters))}
        return hrana.result(self._answer(request, harmless=only_reads(sql)))

    def transaction(
        self,
        statements: Sequence[Statement],
        *,
        foreign_keys: bool = True,
        keep: bool = True,
    ) -> list[Result]:
        """Run all statements or none; see :class:`xswarm_deploy.database.client.Database`."""

        def act(all_: Sequence[Statement]) -> list[Result]:
            return self._atomic(all_, "BEGIN IMMEDIATE", foreign_keys=foreign_keys, keep=keep)

        return fencing.run(self.url, statements, act)

    def snapshot(self, statements: Sequence[Statement]) -> list[Result]:
        """Read several things as of one moment, in one round trip."""
        return self._atomic(statements, "BEGIN", foreign_keys=True, keep=True)

    @contextmanager
    def cursor(self, statements: Sequence[str]) -> Iterator[Iterator[hrana.Json]]:
        """Stream the rows of several statements as Hrana's cursor entries.

        Unlike a pipeline's answer, a cursor's has no limit of size. All statements
        run on one connection; each only if the one before succeeded.

        Args:
            statements: SQL, run in order.

        Raises:
            DatabaseError: the cursor could not be opened, or broke off.
        """
        steps = [
            {"stmt": {"sql": sql}, **hrana.after(place - 1)} for place, sql in enumerate(statements)
        ]
        body = json.dumps({"batch": {"steps": steps}})
        between = (sql for sql in statements if sql not in ("BEGIN", "COMMIT"))
        harmless = all(map(only_reads, between))
        with self._repeated(partial(self._streaming, body), harmless=harmless) as reply:
            yield _entries(reply)

    def position(self) -> str:
        """Return how far its log is; see :class:`xswarm_deploy.database.client.Database`."""
        return hrana.position(self._answer(hrana.execute("SELECT 1"), harmless=True))

    def replace(self, statements: Iterable[str], position: str) -> bool:
        """Run all or none, if nobody has written since; see the same.

        Two requests on one stream, whose connection holds the write lock meanwhile. When this
        process dies between them, the server ends the stream, and with it the transaction.
        """
        fence.require_held()  # what it makes durable is written before this holds the write lock
        opening = ("PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE", "SELECT 1")
        body = json.dumps({"requests": [hrana.execute(sql) for sql in opening]})
        opened = self._streamed(body)
        for answer in opened["results"]:
            if answer["type"] == "error":
                raise hrana.failure(answer["error"])
        if hrana.position(opened["results"][-1]["response"]["result"]) != position:
            self._streamed(_batch([], opened["baton"]), opened["base_url"])  # ends it all
            return False
        # The transaction is open: what stands in BEGIN's place only has to succeed.
        with fencing.before(self.url, statements) as fenced:
            steps = hrana.atomic(
                map(Statement, fenced), begin="SELECT 1", foreign_keys=True, keep=True
            )
            sent = self._streamed(_batch(steps, opened["baton"]), opened["base_url"])
            with _translated():
                answer = sent["results"][0]
            hrana.atomic_results(hrana.outcome(answer), foreign_keys=True)
        return True

    def open_ahead(self, count: int) -> None:
        """Begin to open so many connections, for requests that will go side by side."""
        from xswarm_deploy import transport

        connection = self._connection()
        transport.open_ahead(connection.session, connection.database_url, count)

    def close(self) -> None:
        """Close all connections."""
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

    def _atomic(
        self, statements: Sequence[Statement], begin: str, *, foreign_keys: bool, keep: bool
    ) -> list[Result]:
        steps = hrana.atomic(statements, begin=begin, foreign_keys=foreign_keys, keep=keep)
        harmless = not keep or all(only_reads(each.sql) for each in statements)
        asked = [{"type": "batch", "batch": {"steps": list(steps)}}]
        answer = self._pipeline(asked, harmless=harmless)[0]
        if hrana.is_refused(answer):  # as a whole, before any statement ran
            raise hrana.failure(answer["error"], self._first_unreadable(statements))
        return hrana.atomic_results(hrana.outcome(answer), foreign_keys=foreign_keys)

    def _streamed(self, body: str | Iterator[bytes], url: str | None = None) -> hrana.Json:
        """Send a pipeline as it is made, to where its stream lives."""
        with (
            self._exchange(largest=asking.LARGEST) as connection,
            _post(connection, "/v2/pipeline", body, url) as reply,
        ):
            answer: hrana.Json = reply.json()
        return answer

    def _streaming(self, body: str) -> Response:
        """Send a cursor's request, and return the answer as it begins."""
        with self._exchange() as connection:
            return _post(connection, "/v3/cursor", body)

    @contextmanager
    def _exchange(self, largest: int | None = None) -> Iterator[TursoConnection]:
        """Yield the connection for one request, whose answer is limited in time and size."""
        from xswarm_deploy import transport

        connection = self._connection()
        self.round_trips += 1
        seconds = sum(connection.timeout)
        with _translated(), transport.exchange(seconds, pace=asking.PACE, largest=largest):
            yield connection

    def _repeated(self, act: Callable[[], T], *, harmless: bool) -> T:
        return asking.once_more(act, harmless=harmless, anew=self._connection().session.close)

    def _first_unreadable(self, statements: Sequence[Statement]) -> int | None:
        """Find the statement a whole batch was refused for, without running any."""
        asked = [{"type": "execute", "stmt": {"sql": f"EXPLAIN {s.sql}"}} for s in statements]
        answers = self._pipeline(asked, harmless=True)
        codes = map(hrana.code, answers)
        refused = [place for place, code in enumerate(codes) if code.startswith("SQL_")]
        return refused[0] if refused else None

    def _answer(self, request: hrana.Json, *, harmless: bool) -> hrana.Json:
        return hrana.outcome(self._pipeline([request], harmless=harmless)[0])

    def _pipeline(self, requests: Sequence[hrana.Json], *, harmless: bool) -> list[hrana.Json]:
        return self._repeated(partial(self._sent, requests), harmless=harmless)

    def _sent(self, requests: Sequence[hrana.Json]) -> list[hrana.Json]:
        with self._exchange(largest=asking.LARGEST) as connection:
            answers: list[hrana.Json] = connection.execute_pipeline(list(requests))["results"]
            if type(answers) is not list or len(answers) <= len(requests):
                raise IndexError  # closing the stream has an answer, too
        connection.timeout = (_CONNECT_SECONDS, _ANSWER_SECONDS)
        return answers

    def _connection(self) -> TursoConnection:
        with self._opening:
            if self._shared is None:
                self._shared = _open(self.url, self._token)
            return self._shared


def _open(url: str, token: Secret | None) -> TursoConnection:
    from urllib3.util import Retry

    from xswarm_deploy import transport

    connection: TursoConnection = _library().TursoConnection(
        f"https://{urlsplit(url).netloc}",
        _checked(token) or "none",
        timeout=(_CONNECT_SECONDS, _FIRST_SECONDS),
    )
    if url.startswith("http://"):  # refused by turso-python; connect() took it for loopback only
        connection.database_url = url
        connection.session.trust_env = False  # no proxy reaches this machine's own ports
    if not token:
        del connection.headers["Authorization"]
    # Only what was never sent is sent again: a lost reply may have been carried out.
    retry = Retry(total=None, connect=_TRIES_TO_CONNECT, read=0, status=0, other=0, redirect=0)
    connection.session.mount(
        f"{urlsplit(connection.database_url).scheme}://",
        transport.Adapter(max_retries=retry, pool_maxsize=_CONNECTIONS),
    )
    connection.session.max_redirects = 0  # the statements would go to another place
    connection.session.headers["User-Agent"] = transport.USER_AGENT
    connection.session.auth = _finished  # without one, a netrc entry would replace the token
    return connection


def _finished(request: PreparedRequest) -> PreparedRequest:
    """Return a request its floats, which json cannot write as they have to be."""
    if isinstance(request.body, bytes):
        request.body = hrana.with_exact_floats(request.body)
    return request


def _checked(token: Secret | None) -> str:
    """Return the token, or refuse one that would be quoted in an error of requests."""
    text = token.reveal() if token else ""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise DatabaseError("unauthorised", "the token has characters that no token has")
    return text


@cache
def _library() -> ModuleType:
    """Import ``turso_python.connection`` without the rest of its package.

    The package's ``__init__`` imports all of it, aiohttp and msgspec included: four times as long
    as the one module that is used here.
    """
    with _importing, _root_logging_kept():
        return imports.alone("turso_python.connection")


@contextmanager
def _root_logging_kept() -> Iterator[None]:
    """Undo what importing turso-python does to the root logger."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def _batch(steps: Iterable[hrana.Json], baton: str) -> Iterator[bytes]:
    """Write a request of one batch, piece by piece, which ends its stream."""
    yield f'{{"baton": {json.dumps(baton)}, "requests": ['.encode()
    yield b'{"type": "batch", "batch": {"steps": ['
    for number, step in enumerate(steps):
        yield (b"," if number else b"") + json.dumps(step).encode()
    yield b']}}, {"type": "close"}]}'


def _post(
    connection: TursoConnection, path: str, body: str | Iterator[bytes], url: str | None = None
) -> Response:
    reply: Response = connection.session.post(
        f"{url or connection.database_url}{path}",
        data=body,
        headers={**connection.headers, "Accept-Encoding": _encoding(connection.database_url)},
        timeout=connection.timeout,
        stream=True,
    )
    if reply.status_code != HTTPStatus.OK:
        with reply:
            raise _of_status(reply.status_code, reply.text)
    return reply


def _encoding(url: str) -> str:
    """Spare the packing where there is no wire."""
    return "identity" if url.startswith("http://") else "gzip"


_PIECE = 1 << 18


def _entries(reply: Response) -> Iterator[hrana.Json]:
    """Return a cursor's entries, a JSON object a line, as they arrive."""
    with _translated():
        pieces = reply.iter_content(_PIECE)
    waiting: list[bytes] = []
    while True:
        with _translated():
            piece = next(pieces, None)
            first, *others = (b"".join(waiting), b"") if piece is None else piece.split(b"\n")
            waiting = [first] if piece is None else [*waiting, first]
            if not others:
                _require_bounded(waiting)
                continue
            entries = [json.loads(line) for line in (b"".join(waiting), *others[:-1]) if line]
            waiting = [others[-1]]
        yield from entries
        if piece is None:
            return


def _require_bounded(line: Sequence[bytes]) -> None:
    from xswarm_deploy import transport

    if sum(map(len, line)) > asking.LARGEST:
        raise transport.TooLarge


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what turso-python and requests raise into the errors both homes share."""
    from requests.exceptions import JSONDecodeError, RequestException

    try:
        yield
    except _library().TursoHTTPError as error:
        raise _of_status(error.status, str(error.message)) from None
    except (JSONDecodeError, json.JSONDecodeError):
        raise DatabaseError("unavailable", _NO_JSON, in_doubt=True) from None
    except RequestException as error:
        raise _unreached(error) from None
    except asking.ODD:
        raise DatabaseError("unavailable", "the answer is not Hrana's", in_doubt=True) from None


def _unreached(error: RequestException) -> DatabaseError:
    from requests.exceptions import TooManyRedirects

    if isinstance(error, TooManyRedirects):
        return DatabaseError("unavailable", asking.LEADS_AWAY)
    return asking.unreached(error)


def _of_status(status: int, message: str) -> DatabaseError:
    if "invalid utf-8" in message:
        return DatabaseError("value", f"a text is no UTF-8 (HTTP {status}: {message[:_QUOTED]})")
    return asking.refused(
        status, message, kind="value" if status == HTTPStatus.BAD_REQUEST else None
    )
