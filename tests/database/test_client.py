"""The contract both homes keep, and what only one of them can get wrong."""

from __future__ import annotations

import http.server
import logging
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.d1 import WITHOUT_D1
from xswarm_deploy.database import limits
from xswarm_deploy.database.client import Database, DatabaseError, Statement, Value, connect
from xswarm_deploy.database.file import FileDatabase
from xswarm_deploy.database.floats import token
from xswarm_deploy.errors import ExitCode, Refused
from xswarm_deploy.secret import Secret

StartSqld = Callable[..., AbstractContextManager[tuple[str, int]]]

VALUES: list[Value] = [
    None,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**53 + 1,
    0.5,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    0.1 + 0.2,
    "",
    "text",
    'it\'s "quoted" `here` [there]',
    "NUL \0 inside",
    "é ü 漢字 🐝\u2028",
    b"",
    b"\0\xff\xfe",
    bytes(range(256)),
]


def _is_no_number_of_javascript(value: Value) -> bool:
    """Return whether D1 answers another number, or refuses: no double, or none with a sign."""
    return repr(value) == "-0.0" or (isinstance(value, int) and abs(value) >= 2**53)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_it_went_in(database: Database, value: Value) -> None:
    if database.limits is limits.D1 and _is_no_number_of_javascript(value):
        pytest.skip("D1's numbers are JavaScript's: tests/database/test_d1.py")
    row = database.query("SELECT ? AS v, typeof(?) AS t", [value, value])[0]
    assert row["v"] == value
    assert type(row["v"]) is type(value)
    assert repr(row["v"]) == repr(value)  # tells -0.0 from 0.0


@WITHOUT_D1
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False).filter(token),
            st.text(),
            st.binary(),
        ),
        min_size=1,
        max_size=20,
    )
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_values_come_back(database: Database, values: list[Value]) -> None:
    sql = "SELECT " + ", ".join("?" for _ in values)
    back = database.query(sql, values)[0].values_in_order
    assert [(type(v), repr(v)) for v in back] == [(type(v), repr(v)) for v in values]


def test_a_bool_is_the_integer_it_is(database: Database) -> None:
    assert database.query("SELECT ?, ?", [True, False])[0].values_in_order == (1, 0)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (2**63, "outside 64 bits"),
        (-(2**63) - 1, "outside 64 bits"),
        (math.nan, "not a number"),
        ("\ud800", "lone surrogate"),
        ({"a": 1}, "type dict"),
    ],
)
def test_what_sqlite_cannot_hold_is_refused_by_name(
    database: Database, value: Value, why: str
) -> None:
    with pytest.raises(DatabaseError, match=f"parameter 2 is .*{why}") as caught:
        database.query("SELECT ?, ?", [1, value])
    assert caught.value.kind == "value"


def test_infinity_is_kept_by_a_file_and_refused_by_name_over_the_network(
    local: Database, remote: Database
) -> None:
    assert local.query("SELECT ?, -9e999", [math.inf])[0].values_in_order == (math.inf, -math.inf)
    with pytest.raises(DatabaseError, match="an infinite number cannot be sent"):
        remote.query("SELECT ?", [math.inf])
    with pytest.raises(DatabaseError, match="column 'huge' holds an infinite number"):
        remote.query("SELECT 9e999 AS huge")


@WITHOUT_D1
def test_text_that_is_no_utf8_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseError) as caught:
        database.query("SELECT CAST(x'ff' AS TEXT)")
    assert caught.value.kind == "value"


def test_rows_by_name_and_by_place(database: Database) -> None:
    row = database.query("SELECT 1 AS a, 'x' AS b, 2 AS a")[0]
    assert (row["a"], row["b"], row[2], row[-1]) == (1, "x", 2, 2)
    assert dict(row) == {"a": 1, "b": "x"}
    assert (row.integer("a"), row.text("b")) == (1, "x")
    with pytest.raises(KeyError):
        row["c"]
    with pytest.raises(TypeError, match="no integer"):
        row.integer("b")


def test_results_say_what_was_done(database: Database) -> None:
    made = database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    assert (made.rows_affected, made.last_insert_rowid, made.rows) == (0, None, [])
    first = database.execute("INSERT INTO t (v) VALUES (?), (?)", ["a", "b"])
    assert (first.rows_affected, first.last_insert_rowid) == (2, 2)
    changed = database.execute("UPDATE t SET v = 'c'")
    assert (changed.rows_affected, changed.last_insert_rowid) == (2, None)
    returned = database.execute("DELETE FROM t WHERE id = 1 RETURNING v")
    assert [dict(row) for row in returned.rows] == [{"v": "c"}]
    assert database.execute("INSERT OR IGNORE INTO t VALUES (2, 'd')").last_insert_rowid is None


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("INSERT INTO child VALUES (1, 99)", "constraint"),
        ("INSERT INTO parent VALUES (1)", "constraint"),
        ("INSERT INTO parent VALUES (NULL)", "constraint"),
        ("SELECT * FROM nowhere", "syntax"),
        ("SELEC 1", "syntax"),
        ("SELECT 1; SELECT 2", "syntax"),
        ("", "syntax"),
        ("-- nothing", "syntax"),
        ("BEGIN", "syntax"),
        ("SELECT abs(-9223372036854775808)", "syntax"),
    ],
)
def test_both_homes_refuse_alike(database: Database, sql: str, kind: str) -> None:
    database.execute("CREATE TABLE parent (id INTEGER NOT NULL UNIQUE)")
    database.execute("CREATE TABLE child (id, parent_id REFERENCES parent (id))")
    database.execute("INSERT INTO parent VALUES (1)")
    with pytest.raises(DatabaseError) as caught:
        database.execute(sql)
    assert caught.value.kind == kind
    assert caught.value.exit_code == ExitCode.REFUSED
    assert database.query("SELECT count(*) FROM parent")[0][0] == 1


@pytest.mark.parametrize("parameters", [[1], [1, 2, 3]])
def test_the_number_of_parameters_is_checked(database: Database, parameters: list[Value]) -> None:
    with pytest.raises(DatabaseError) as caught:
        database.query("SELECT ?, ?", parameters)
    assert caught.value.kind == "value"


def test_a_transaction_is_all(database: Database) -> None:
    results = database.transaction(
        [
            Statement("CREATE TABLE t (v)"),
            Statement("INSERT INTO t VALUES (?)", ["kept"]),
            Statement("SELECT v FROM t"),
        ]
    )
    assert results[2].rows[0]["v"] == "kept"
    assert all(result.seconds >= 0 for result in results)
    assert database.query("SELECT v FROM t")[0]["v"] == "kept"


FAILURES = {
    "missing table": (["INSERT INTO t VALUES (2)", "INSERT INTO nowhere VALUES (1)"], 1),
    "unique": (["INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (2)"], 1),
    "parse error": (["INSERT INTO t VALUES (2)", "INSRT"], 1),
    "or rollback": (["INSERT INTO t VALUES (2)", "INSERT OR ROLLBACK INTO t VALUES (2)"], 1),
    "deferred key at COMMIT": (["INSERT INTO t VALUES (2)", "INSERT INTO late VALUES (9)"], None),
    "empty": (["INSERT INTO t VALUES (2)", "-- nothing"], 1),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_transaction_is_nothing(database: Database, name: str) -> None:
    if name == "deferred key at COMMIT" and database.limits is limits.D1:
        pytest.skip("D1 calls it an internal error")
    database.execute("CREATE TABLE t (v UNIQUE)")
    database.execute("CREATE TABLE late (v REFERENCES t (v) DEFERRABLE INITIALLY DEFERRED)")
    database.execute("INSERT INTO t VALUES (1)")
    statements, place = FAILURES[name]
    with pytest.raises(DatabaseError) as caught:
        database.transaction([Statement(sql) for sql in statements])
    assert caught.value.statement == place
    assert [row["v"] for row in database.query("SELECT v FROM t")] == [1]
    database.transaction([Statement("INSERT INTO t VALUES (2)")])


def test_a_bad_value_names_its_statement_and_leaves_nothing(database: Database) -> None:
    database.execute("CREATE TABLE t (v)")
    with pytest.raises(DatabaseError) as caught:
        database.transaction(
            [Statement("INSERT INTO t VALUES (1)"), Statement("INSERT INTO t VALUES (?)", [2**64])]
        )
    assert (caught.value.kind, caught.value.statement) == ("value", 1)
    assert database.query("SELECT count(*) FROM t")[0][0] == 0


def test_a_rehearsal_runs_on_the_real_data_and_leaves_nothing(database: Database) -> None:
    database.execute("CREATE TABLE t (v)")
    database.execute("INSERT INTO t VALUES (1)")
    results = database.transaction(
        [Statement("DELETE FROM t"), Statement("CREATE TABLE u (v)")], keep=False
    )
    assert len(results) == 2
    assert results[0].rows_affected == (0 if database.limits is limits.D1 else 1)
    assert database.query("SELECT count(*) FROM t")[0][0] == 1
    assert database.query("SELECT count(*) FROM sqlite_schema WHERE name = 'u'")[0][0] == 0


@WITHOUT_D1
def test_foreign_keys_are_enforced_and_can_be_lifted_for_one_transaction(
    database: Database,
) -> None:
    database.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    database.execute("CREATE TABLE child (p REFERENCES parent ON DELETE CASCADE)")
    database.execute("INSERT INTO parent VALUES (1)")
    database.execute("INSERT INTO child VALUES (1)")
    database.transaction([Statement("DELETE FROM parent")], foreign_keys=False)
    assert database.query("SELECT count(*) FROM child")[0][0] == 1
    database.execute("INSERT INTO parent VALUES (1)")
    database.execute("DELETE FROM parent")
    assert database.query("SELECT count(*) FROM child")[0][0] == 0


def test_a_snapshot_reads_several_things_of_one_moment(database: Database) -> None:
    database.execute("CREATE TABLE t (v)")
    before = database.round_trips
    names, count = database.snapshot(
        [
            Statement("SELECT name FROM sqlite_schema WHERE name = 't'"),
            Statement("SELECT count(*) FROM t"),
        ]
    )
    assert (names.rows[0]["name"], count.rows[0][0]) == ("t", 0)
    assert database.round_trips - before == (0 if database.url.startswith("file:") else 1)


def test_a_transaction_is_one_round_trip(remote: Database) -> None:
    remote.execute("CREATE TABLE t (v)")
    before = remote.round_trips
    remote.transaction([Statement("INSERT INTO t VALUES (?)", [i]) for i in range(500)])
    assert remote.round_trips == before + 1
    assert remote.query("SELECT count(*) FROM t")[0][0] == 500


def test_several_threads_may_use_one_database(database: Database) -> None:
    database.execute("CREATE TABLE t (v)")
    threads = [
        threading.Thread(target=database.execute, args=("INSERT INTO t VALUES (?)", [i]))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.query("SELECT count(*) FROM t")[0][0] == 8


def test_a_locked_file_is_busy(local: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xswarm_deploy.database.file._BUSY_SECONDS", 0.05)
    local.execute("CREATE TABLE t (v)")
    with connect(local.url) as other, pytest.raises(DatabaseError) as caught:
        _write_while_locked(local, other)
    assert caught.value.kind == "busy"


def _write_while_locked(holder: Database, other: Database) -> None:
    statements = [Statement("INSERT INTO t VALUES (1)")]

    class Meanwhile(list[Statement]):
        def __iter__(self) -> Iterator[Statement]:
            other.execute("INSERT INTO t VALUES (2)")
            return super().__iter__()

    holder.transaction(Meanwhile(statements))


@pytest.mark.parametrize(
    "url",
    ["", "app.db", "postgres://h/d", "libsql://", "file:", "file://elsewhere/x", "https://u:p@h"],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(Refused):
        connect(url, Secret("a-token-of-some-length"))


def test_plain_http_is_for_this_machine_only() -> None:
    with pytest.raises(Refused, match="in the clear"):
        connect("http://db.example.com", Secret("a-token-of-some-length"))


def test_a_remote_database_needs_a_token() -> None:
    with pytest.raises(Refused, match="No token"):
        connect("libsql://db.example.com")


@pytest.mark.parametrize("form", ["file:{}", "file://{}", "file://localhost{}"])
def test_forms_of_a_file_url(form: str, tmp_path: Path) -> None:
    with connect(form.format(tmp_path / "a b%20.db".replace("%", "%25"))) as database:
        database.execute("CREATE TABLE t (v)")
    assert (tmp_path / "a b%20.db").exists()


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with connect(f"file:{tmp_path / 'x.db'}") as database, pytest.raises(DatabaseError) as caught:
        database.query("SELECT * FROM sqlite_schema")
    assert caught.value.kind == "corrupt"


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with (
        connect(f"file:{tmp_path / 'none' / 'x.db'}") as database,
        pytest.raises(DatabaseError) as caught,
    ):
        database.query("SELECT 1")
    assert (caught.value.kind, caught.value.exit_code) == ("unavailable", ExitCode.UNAVAILABLE)


def test_no_server_is_unavailable_and_not_in_doubt() -> None:
    with connect("http://127.0.0.1:9") as database, pytest.raises(DatabaseError) as caught:
        database.execute("CREATE TABLE t (v)")
    assert (caught.value.kind, caught.value.in_doubt) == ("unavailable", False)


@contextmanager
def _answering(status: int | None, body: bytes) -> Iterator[str]:
    """Serve one answer to everything; None closes the connection without one."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if status is not None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "kind", "in_doubt"),
    [
        (None, b"", "unavailable", True),
        (500, b"{}", "unavailable", True),
        (503, b"later", "unavailable", True),
        (429, b"slow down", "unavailable", False),
        (401, b'{"error": "no"}', "unauthorised", False),
        (413, b"", "too large", False),
        (200, b"<html>", "unavailable", True),
        (200, b'{"results": []}', "unavailable", True),
        (200, b'{"odd": 1}', "unavailable", True),
    ],
)
def test_what_a_lost_or_odd_answer_means(
    status: int | None, body: bytes, kind: str, in_doubt: bool
) -> None:
    with _answering(status, body) as url, connect(url) as database:
        with pytest.raises(DatabaseError) as caught:
            database.execute("INSERT INTO t VALUES (1)")
        assert (caught.value.kind, caught.value.in_doubt) == (kind, in_doubt)
        assert database.round_trips == 1


def test_a_wrong_token_is_unauthorised_and_not_shown(start_sqld: StartSqld, tmp_path: Path) -> None:
    secret = Secret("canary-token-5f1c9e", "TURSO_AUTH_TOKEN")
    with (
        start_sqld(tmp_path, "--http-auth", "basic:dXNlcjpwYXNz") as (url, _),
        connect(url, secret) as database,
        pytest.raises(DatabaseError) as caught,
    ):
        database.query("SELECT 1")
    assert caught.value.kind == "unauthorised"
    assert secret.reveal() not in caught.value.render()


def test_a_token_with_a_newline_is_refused_without_being_quoted(remote: Database) -> None:
    secret = Secret("canary\ntoken-77aa", "TURSO_AUTH_TOKEN")
    with connect(remote.url, secret) as database, pytest.raises(DatabaseError) as caught:
        database.query("SELECT 1")
    assert caught.value.kind == "unauthorised"
    assert "canary" not in caught.value.render()


@pytest.mark.slow
def test_the_root_logger_stays_as_it_was() -> None:
    program = (
        "import logging; from xswarm_deploy.database.client import connect\n"
        "try: connect('http://127.0.0.1:9').query('SELECT 1')\n"
        "except Exception as error: assert error.kind == 'unavailable', error\n"
        "assert logging.getLogger().handlers == [], logging.getLogger().handlers\n"
        "assert logging.getLogger().level == logging.WARNING\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert logging.getLogger().level == logging.WARNING


@pytest.mark.slow
def test_a_file_needs_nothing_of_the_network(tmp_path: Path) -> None:
    program = (
        "import sys; from xswarm_deploy.database.client import connect, Statement\n"
        f"with connect('file:{tmp_path}/x.db') as database:\n"
        "    database.transaction([Statement('CREATE TABLE t (v)')])\n"
        "heavy = {'turso_python', 'aiohttp', 'requests', 'zstandard'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
def test_a_file_is_closed_once_no_thread_is_at_it(tmp_path: Path) -> None:
    """SQLite crashes where a connection is closed while another thread asks it."""
    database, began = FileDatabase(tmp_path / "app.db"), threading.Event()
    counted = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000000)"

    def ask() -> int:
        database.query("SELECT 1")
        began.set()
        return int(str(database.query(f"{counted} SELECT count(*) FROM n")[0][0]))

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask)
        assert began.wait(60)
        using = database._all[0].using
        while using.acquire(blocking=False):  # until the thread is at it
            using.release()
            time.sleep(0.001)
        database.close()
        assert asked.result() == 2_000_000
    assert database.query("SELECT 1")[0][0] == 1, "it opens anew"
    database.close()
