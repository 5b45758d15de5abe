"""What one request to a database may cost, and when it is sent a second time."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.support.answering import Answer, answering, reply
from xswarm_deploy.database import asking, turso
from xswarm_deploy.database import d1 as d1s
from xswarm_deploy.database.client import Database, Statement, connect
from xswarm_deploy.database.d1 import D1Access
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.database.statements import only_reads
from xswarm_deploy.database.turso import TursoDatabase
from xswarm_deploy.secret import Secret

CANARY = "canary-of-the-database-3f9c"


def libsql(*values: str) -> str:
    """Return an answer of libSQL's server: one column, these rows, and the closed stream."""
    rows = [[{"type": "text", "value": value}] for value in values]
    result = {"cols": [{"name": "v"}], "rows": rows, "affected_row_count": 0}
    results = [{"type": "execute", "result": result}, {"type": "close"}]
    return json.dumps({"results": [{"type": "ok", "response": each} for each in results]})


def of_d1(*values: str) -> str:
    rows = {"columns": ["v"], "rows": [[value] for value in values]}
    result = [{"results": rows, "meta": {}, "success": True}]
    return json.dumps({"success": True, "errors": [], "messages": [], "result": result})


Opened = Callable[[str], Database]


def open_libsql(url: str) -> Database:
    return connect(url, Secret(CANARY, "TOKEN"))


def open_d1(url: str) -> Database:
    return connect("d1:app", None, D1Access("account", Secret(CANARY, "TOKEN"), url))


HOMES = pytest.mark.parametrize(
    ("opened", "whole"), [(open_libsql, libsql), (open_d1, of_d1)], ids=["libsql", "d1"]
)


def reset(connection: socket.socket) -> None:
    """Break a connection as a load balancer does, by a reset."""
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


def closed(connection: socket.socket) -> None:
    """Close a connection without an answer."""


BREAKS: dict[str, Answer] = {
    "closed": closed,
    "reset": reset,
    "cut off": reply('{"results": [', length="900"),
    "502 of a proxy": reply("<html><title>502</title>", status="502 Bad Gateway", kind="text/html"),
    "522 of an edge": reply("error code: 522", status="522 x", kind="text/plain"),
}


def refused(
    act: Callable[[Database], Any], database: Database, match: str | None = None
) -> DatabaseError:
    """Return the one error that an act ends with."""
    with database, pytest.raises(DatabaseError, match=match) as caught:
        act(database)
    assert "next:" in caught.value.render()
    assert CANARY not in caught.value.render()
    return caught.value


def query(database: Database) -> Any:
    return database.query("SELECT 1")


@HOMES
@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
def test_a_read_is_asked_again_on_a_new_connection(
    opened: Opened, whole: Callable[..., str], broken: Answer
) -> None:
    with answering(broken, reply(whole("kept"))) as server, opened(server.url) as database:
        assert [row[0] for row in database.query("SELECT v FROM t")] == ["kept"]
    assert len(server.requests) == 2


@HOMES
@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
def test_a_write_is_not(opened: Opened, whole: Callable[..., str], broken: Answer) -> None:
    with (
        answering(broken, reply(whole())) as server,
        opened(server.url) as database,
        pytest.raises(DatabaseError) as caught,
    ):
        database.execute("INSERT INTO t VALUES (1)")
    assert (caught.value.kind, caught.value.in_doubt) == ("unavailable", True)
    assert len(server.requests) == 1, "it may have been carried out"


@HOMES
def test_a_read_is_asked_twice_and_no_more(opened: Opened, whole: Callable[..., str]) -> None:
    with answering(reset) as server:
        assert "broke" in refused(query, opened(server.url)).why
    assert len(server.requests) == 2


@HOMES
def test_a_connection_that_is_kept_and_closed_meanwhile(
    opened: Opened, whole: Callable[..., str]
) -> None:
    """The server answers, keeps the connection, and resets it at the next request."""
    kept = reply(whole("first"), close=False)

    def once(connection: socket.socket) -> None:
        connection.sendall(kept)
        connection.recv(65536)
        reset(connection)

    with answering(once, reply(whole("second"))) as server, opened(server.url) as database:
        assert database.query("SELECT 1")[0][0] == "first"
        assert database.query("SELECT 1")[0][0] == "second"


def test_so_is_a_backup_that_begins() -> None:
    entries = b"".join(json.dumps(each).encode() + b"\n" for each in ({"a": 1}, {"b": 2}))
    with answering(reset, reply(entries)) as server:
        database = TursoDatabase(server.url, None)
        with database.cursor(["BEGIN", "SELECT 1", "COMMIT"]) as found:
            assert list(found) == [{"a": 1}, {"b": 2}]


def test_a_snapshot_is_asked_again_and_a_transaction_is_not() -> None:
    reading, writing = [Statement("SELECT 1")], [Statement("DELETE FROM t")]
    for act, times in (
        (lambda database: database.snapshot(reading), 2),
        (lambda database: database.position(), 2),
        (lambda database: database.transaction(writing, keep=False), 2),  # rolled back, either way
        (lambda database: database.transaction(writing), 1),
    ):
        with answering(reset) as server:
            refused(act, open_libsql(server.url))
        assert len(server.requests) == times


@pytest.mark.parametrize("code", [{"code": None}, {"code": 5}, {}], ids=["null", "5", "none"])
def test_a_transaction_is_refused_by_an_error_without_a_code(code: dict[str, Any]) -> None:
    """Hrana's own words: ``"code"?: string | null``."""
    wrong = {"type": "error", "error": {"message": "blocked by the plan", **code}}
    with (
        answering(reply(json.dumps({"results": [wrong, {"type": "ok"}]}))) as server,
        open_libsql(server.url) as database,
        pytest.raises(DatabaseError, match="blocked by the plan"),
    ):
        database.transaction([Statement("INSERT INTO t VALUES (1)")])


@pytest.mark.parametrize("host", ["*.example", ".example", "h:99999"])
def test_what_is_no_address_is_not_taken_for_a_proxy(host: str) -> None:
    error = refused(query, open_libsql(f"libsql://{host}"), "no address that can be asked")
    assert "TURSO_DATABASE_URL" in error.remedy
    assert not error.in_doubt


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT 1", True),
        ("  -- a remark\nselect 1", True),
        ("VALUES (1)", True),
        ("EXPLAIN DELETE FROM t", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True),
        ("PRAGMA user_version", True),
        ("PRAGMA table_info(t)", True),
        ("PRAGMA user_version = 3", False),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", False),
        ("with x as (select 1) delete from t", False),
        ("INSERT INTO t VALUES (1) RETURNING v", False),
        ("BEGIN", False),
        ("", False),
    ],
)
def test_what_only_reads(sql: str, reads: bool) -> None:
    assert only_reads(sql) == reads


def _endless(piece: bytes, pause: float, head: bytes = b"") -> Callable[[socket.socket], None]:
    """Return what answers, and then sends more for ever."""

    def send(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(head)
            while True:
                connection.sendall(piece)
                time.sleep(pause)

    return send


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ACTS: dict[str, Callable[[Database], Any]] = {
    "query": lambda database: database.query("SELECT 1"),
    "transaction": lambda database: database.transaction([Statement("SELECT 1")]),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turso, "_CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(turso, "_FIRST_SECONDS", 0.4)
    monkeypatch.setattr(turso, "_ANSWER_SECONDS", 0.4)
    monkeypatch.setattr(d1s, "_WHOLE_SECONDS", 0.5)


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
@HOMES
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nX-Long: ", HEAD + b"Content-Length: 99999\r\n\r\n", HEAD + b"\r\n"],
    ids=["head", "length", "until it closes"],
)
def test_an_answer_that_drips_ends(
    opened: Opened, whole: Callable[..., str], act: Callable[[Database], Any], head: bytes
) -> None:
    """Each byte comes long before the time for one read is up."""
    with answering(_endless(b" ", 0.02, head)) as server:
        began = time.monotonic()
        error = refused(act, opened(server.url), "in time")
        assert time.monotonic() - began < 5
    assert (error.kind, len(server.requests)) == ("unavailable", 1)


@pytest.mark.usefixtures("impatient")
def test_so_does_a_backup_that_drips() -> None:
    with answering(
        _endless(b"1\r\n \r\n", 0.02, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    ) as s:
        database = TursoDatabase(s.url, None)
        with pytest.raises(DatabaseError, match="in time"), database.cursor(["SELECT 1"]) as found:
            list(found)


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_an_answer_that_is_slow_and_moves_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes twice the whole time, for what comes puts its end off."""
    monkeypatch.setattr(asking, "PACE", 20_000.0)
    body = libsql("x" * 30_000).encode()
    head = HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode()

    def slowly(connection: socket.socket) -> None:
        connection.sendall(head)
        for start in range(0, len(body), 2_000):
            time.sleep(0.06)
            connection.sendall(body[start : start + 2_000])

    with answering(slowly) as server, open_libsql(server.url) as database:
        assert database.query("SELECT v FROM t")[0].text("v") == "x" * 30_000


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_whoever_takes_rows_slowly_may() -> None:
    entries = b'{"row": 1}\n' * 3
    with answering(reply(entries)) as server:
        database = TursoDatabase(server.url, None)
        with database.cursor(["SELECT 1"]) as found:
            for _ in found:
                time.sleep(0.3)


@HOMES
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_an_answer_without_an_end_is_not_kept(
    opened: Opened,
    whole: Callable[..., str],
    packed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "LARGEST", 1_000_000)
    encoding = b"Content-Encoding: gzip\r\n" if packed else b""
    piece = gzip.compress(b" " * 5_000_000) if packed else b" " * 100_000
    head = HEAD + encoding + b"\r\n"
    with answering(_endless(piece, 0.0, head)) as server:
        error = refused(query, opened(server.url), "larger than any")
    assert (error.kind, len(server.requests)) == ("too large", 1)


def test_nor_is_a_line_of_a_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LARGEST", 1_000_000)
    with answering(_endless(b" " * 100_000, 0.0, HEAD + b"\r\n")) as server:
        database = TursoDatabase(server.url, None)
        with pytest.raises(DatabaseError, match="larger"), database.cursor(["SELECT 1"]) as found:
            list(found)


def test_a_backup_as_a_whole_may_be_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LARGEST", 100_000)
    entries = json.dumps({"row": "x" * 50_000}).encode() + b"\n"
    with (
        answering(reply(entries * 40)) as server,
        TursoDatabase(server.url, None) as database,
        database.cursor(["SELECT 1"]) as found,
    ):
        assert len(list(found)) == 40


ODD: dict[str, bytes] = {
    "nested": reply("[" * 200_000),
    "nested and whole": reply("[" * 100_000 + "]" * 100_000),
    "null": reply("null"),
    "a number without an end": reply('{"results": ' + "9" * 10_000 + "}"),
    "half a character": reply('{"success": false, "errors": [{"message": "\\ud800\\u001b[2J"}]}'),
    "errors as text": reply('{"success": false, "errors": "no"}'),
    "errors of numbers": reply('{"success": false, "errors": [1, null]}'),
    "a code that is an object": reply(
        '{"success": false, "errors": [{"code": {}, "message": []}]}'
    ),
    "a result that is null": reply('{"success": true, "result": null}'),
    "rows that are none": reply('{"success": true, "result": [{"results": 3, "meta": 4}]}'),
    "results that are none": reply('{"results": [{"type": "ok"}, {"type": "ok"}]}'),
    "an empty page": reply(""),
    "not packed": reply("x", "Content-Encoding: gzip"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "too many headers": reply("{}", *(f"X-{n}: y" for n in range(300))),
    "a login": reply("<html><title>Sign in</title></html>", kind="text/html"),
    "to a login": reply("", "Location: http://login/", status="302 Found"),
    "a proxy's login": reply("", status="407 Proxy Authentication Required"),
    "a firewall": reply("error code: 1020", status="403 Forbidden", kind="text/plain"),
    "too many": reply("error code: 1015", "Retry-After: -5", status="429 x", kind="text/plain"),
}


@HOMES
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_answer_is_one_error_with_a_next_step(
    opened: Opened, whole: Callable[..., str], odd: bytes
) -> None:
    for act in (*ACTS.values(), lambda database: database.position()):
        with answering(odd) as server:
            refused(act, opened(server.url))


@pytest.mark.parametrize("name", ["a firewall", "to a login", "a proxy's login"])
@HOMES
def test_who_answers_in_its_place_does_not_make_the_token_a_wrong_one(
    opened: Opened, whole: Callable[..., str], name: str
) -> None:
    with answering(ODD[name]) as server:
        error = refused(query, opened(server.url))
    assert error.kind == "unavailable"
    assert "TOKEN" not in error.remedy


@HOMES
@pytest.mark.parametrize(
    "before", [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", b"HTTP/1.1 102 P\r\n\r\n" * 3]
)
def test_what_only_announces_an_answer_is_none(
    opened: Opened, whole: Callable[..., str], before: bytes
) -> None:
    with answering(before + reply(whole("here"))) as server, opened(server.url) as database:
        assert database.query("SELECT 1")[0][0] == "here"


@pytest.mark.parametrize(
    "entry",
    [
        "3",
        "[]",
        '{"type": "row"}',
        '{"type": "step_begin", "step": 99}',
        '{"type": "step_begin", "step": "x"}',
        '{"type": "step_error"}',
        '{"type": "error", "error": 7}',
        "<html>",
        "[" * 100_000,
    ],
)
def test_an_odd_entry_of_a_backup_is_one_error(entry: str, tmp_path: Any) -> None:
    from xswarm_deploy.database.loading import Loading
    from xswarm_deploy.database.survey import Survey

    with answering(reply(entry + "\n" + '{"type": "row", "row": [1]}')) as server:
        database = TursoDatabase(server.url, None)
        with pytest.raises(DatabaseError), database.cursor(["SELECT 1"]) as found:
            Loading(None, Survey([], []), lambda *_: None).read(found, 3)  # type: ignore[arg-type]
