"""The database client against a real sqld, and its transaction against every kind of failure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from boss.database import Database, DatabaseError
from boss.hrana import Result, Statement, batch

from tests.worker.isolate import fetch
from xswarm_deploy.database.client import Database as Home


class Observed:
    """Keeps what the client tells the monitor."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, bool]] = []

    def __call__(self, sql: str, seconds: float, rows: int = 0, *, failed: bool = False) -> None:
        assert seconds > 0
        self.told.append((sql, rows, failed))


@pytest.fixture
def observed() -> Observed:
    return Observed()


@pytest.fixture
def client(database: Home, observed: Observed) -> Iterator[Database]:
    database.execute("CREATE TABLE IF NOT EXISTS things (name TEXT UNIQUE, value)")
    yield Database(database.url, "", fetch, 10, observed)
    database.execute("DROP TABLE things")


def do(client: Database, *statements: Statement) -> list[Result]:
    return asyncio.run(client.transaction(*statements))


def insert(name: str, value: Any = None) -> Statement:
    return Statement("INSERT INTO things VALUES (?, ?)", (name, value))


SELECT = Statement("SELECT name, value FROM things ORDER BY name")


@pytest.mark.parametrize(
    "value",
    [None, 0, -1, 2**63 - 1, -(2**63), 0.5, -1e308, "", "Zoë 🐝\n'\"", b"", b"\x00\xff", b"abcd"],
)
def test_every_kind_of_value_comes_back_as_it_went(client: Database, value: object) -> None:
    do(client, insert("a", value))
    given = do(client, SELECT)[0].rows[0]["value"]
    assert given == value
    assert type(given) is type(value)


def test_a_truth_is_a_number(client: Database) -> None:
    do(client, insert("a", True))
    assert do(client, SELECT)[0].rows[0]["value"] == 1


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_an_integer_that_does_not_fit_is_refused(client: Database, value: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        do(client, insert("a", value))


def test_results_are_those_of_the_statements_in_order(client: Database) -> None:
    results = do(client, insert("a"), insert("b"), SELECT)
    assert [result.affected for result in results[:2]] == [1, 1]
    assert [row["name"] for row in results[2].rows] == ["a", "b"]


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        (insert("a"), "constraint"),
        (Statement("INSERT INTO nowhere VALUES (1)"), "refused"),
        (Statement("SELEKT"), "refused"),
        (Statement("SELECT 1; SELECT 2"), "refused"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_all_statements_are_done_or_none(
    client: Database, observed: Observed, failing: Statement, kind: str, place: int
) -> None:
    do(client, insert("a"))
    statements = [insert("x"), insert("y")]
    statements.insert(place, failing)
    with pytest.raises(DatabaseError) as raised:
        do(client, *statements)
    assert raised.value.kind == kind
    *_, (_, _, failed) = observed.told
    assert failed == (kind != "constraint")  # which is an answer, and no fault of the database
    assert [row["name"] for row in do(client, SELECT)[0].rows] == ["a"]


def test_a_failed_transaction_is_over_before_its_stream_is(
    client: Database, database: Home
) -> None:
    pipeline = batch([insert("a"), insert("a"), insert("b")])
    pipeline["requests"][1] = {"type": "get_autocommit"}
    sent = fetch(
        f"{database.url}/v3/pipeline", method="POST", headers={}, body=json.dumps(pipeline)
    )
    answer = json.loads(asyncio.run(_text(sent)))
    assert answer["results"][1]["response"]["is_autocommit"] is True
    assert do(client, SELECT)[0].rows == ()


async def _text(sent: Awaitable[Any]) -> str:
    return str(await (await sent).text())


def test_an_error_quotes_no_data(client: Database) -> None:
    do(client, insert("a secret"))
    with pytest.raises(DatabaseError) as raised:
        do(client, insert("a secret"))
    assert "secret" not in str(raised.value)
    assert raised.value.code.startswith("SQLITE_CONSTRAINT")


def test_each_round_trip_is_measured_once(client: Database, observed: Observed) -> None:
    do(client, insert("a"), insert("b"))
    do(client, SELECT)
    with pytest.raises(DatabaseError):
        do(client, insert("a"))
    sql = insert("a").sql
    assert observed.told == [(sql, 2, False), (SELECT.sql, 2, False), (sql, 0, False)]


def test_a_lost_connection_is_an_unavailable_database(observed: Observed) -> None:
    with pytest.raises(DatabaseError, match="unreachable") as raised:
        do(Database("http://127.0.0.1:9", "", fetch, 5, observed), SELECT)
    assert raised.value.kind == "unavailable"
    assert observed.told == [(SELECT.sql, 0, True)]


@pytest.mark.parametrize(
    "url", ["http://db.example", "ftp://127.0.0.1", "", "//db", "http://127.0.0.1.evil.example"]
)
def test_nothing_is_sent_in_the_clear(observed: Observed, url: str) -> None:
    with pytest.raises(DatabaseError, match="INSECURE_URL"):
        Database(url, "token", fetch, 5, observed)


class Stand:
    """A server that keeps what it is asked, and answers as it is told."""

    def __init__(self, status: int, body: bytes, *, silent: bool = False) -> None:
        self.left = Event()  # a silent one answers when nobody waits for it any more
        self.asked: list[tuple[str, str]] = []
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stand.asked.append((self.path, self.headers["authorization"]))
                self.rfile.read(int(self.headers["content-length"]))
                if silent:
                    stand.left.wait(60)
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "unauthorised"), (403, "unauthorised"), (500, "unavailable")]
)
def test_a_status_of_failure_is_told_by_its_kind(
    observed: Observed, status: int, kind: str
) -> None:
    stand = Stand(status, b"no")
    try:
        with pytest.raises(DatabaseError) as raised:
            do(Database(stand.url, "the-token", fetch, 5, observed), SELECT)
    finally:
        stand.close()
    assert raised.value.kind == kind
    assert stand.asked == [("/v2/pipeline", "Bearer the-token")]
    assert "the-token" not in str(raised.value)


def test_a_database_that_does_not_answer_is_left(observed: Observed) -> None:
    stand = Stand(200, b"{}", silent=True)
    try:
        with pytest.raises(DatabaseError, match="timeout"):
            asyncio.run(_ask_and_leave(Database(stand.url, "", fetch, 0.1, observed), stand))
    finally:
        stand.close()


async def _ask_and_leave(client: Database, stand: Stand) -> None:
    """Leave before asyncio.run waits for the fetch's thread."""
    try:
        await client.transaction(SELECT)
    finally:
        stand.left.set()
