"""D1: what it does otherwise than SQLite, how it refuses, and what stops at its limits."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import d1
from tests.support.monitoring import Hands
from tests.twin.cloudflare.stand_in import Api
from xswarm_deploy.database import (
    d1_snapshot,
    manifest,
    migrate,
    migration_history,
    restore,
    snapshot,
)
from xswarm_deploy.database.client import Database, DatabaseError, Statement, connect
from xswarm_deploy.database.migrate import Group
from xswarm_deploy.database.migrations import parse
from xswarm_deploy.errors import Refused
from xswarm_deploy.monitor import alert_store
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.selection import SUMMARY, WHOLE, of_route
from xswarm_monitoring.storage import Storage
from xswarm_monitoring.window import merge


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**63 - 1])
def test_a_whole_number_that_is_no_double_is_refused_by_name(cloud: Database, value: int) -> None:
    cloud.execute("CREATE TABLE t (n)")
    cloud.execute("INSERT INTO t VALUES (?)", [value])
    with pytest.raises(DatabaseError, match="a whole number that D1's answer rounds") as caught:
        cloud.query("SELECT n FROM t")
    assert (caught.value.kind, caught.value.remedy) == ("value", "select CAST(n AS TEXT)")
    assert cloud.query("SELECT CAST(n AS TEXT) FROM t")[0][0] == str(value)  # held exactly


@pytest.mark.parametrize(
    "value", ["?", "a'b", "x" * 5000, "'" * 1500, "nul\0", b"\0\xff", b"y" * 5000, -5, -0.25, None]
)
def test_a_parameter_arrives_as_it_was(cloud: Database, value: object) -> None:
    cloud.execute("CREATE TABLE t (a, b)")
    cloud.execute("INSERT INTO t VALUES (?, '?') -- ?", [value])  # type: ignore[list-item]
    (row,) = cloud.query("SELECT a, b FROM t WHERE a IS ?", [value])  # type: ignore[list-item]
    assert row.values_in_order == (value, "?")


def test_places_with_a_number_take_their_value_wherever_they_stand(cloud: Database) -> None:
    long = "é" * 2000
    sql = "SELECT ?2 AS a, ?1 AS b, ?2 AS c, '?3' AS d, ? AS e"
    (row,) = cloud.query(sql, [7, long, "last"])
    assert row.values_in_order == (long, 7, long, "?3", "last")
    for values in ([1], [1, 2]):
        with pytest.raises(DatabaseError, match="more places than values"):
            cloud.query("SELECT ?3, ?1", values)
    with pytest.raises(DatabaseError, match="more values than places"):
        cloud.query("SELECT ?1, ?1", [1, 2])


def test_what_was_measured_is_kept_and_read(cloud: Database) -> None:
    hands, execute = Hands(), alert_store.execute(cloud)
    measured, kept = Metrics(clock=hands.clock), Storage(execute, instance="a")
    asyncio.run(kept.prepare())
    for _ in range(8):
        measured.tick(hands.now)
        measured.requests.observe("/it's", "GET", 200, 0.1)
        hands.turn(60)
        asyncio.run(kept.flush(measured, "v1"))
        asyncio.run(kept.compact(hands.now))
    for selection in (WHOLE, SUMMARY, of_route("/it's", "GET")):
        found = asyncio.run(kept.stretch(hands.now - 600, hands.now, None, 60.0, selection))
        (series,) = merge(found.windows, 0, 0).sketches["http_request_duration_seconds"].values()
        assert series.count == 8


@pytest.mark.parametrize("place", range(7))
def test_which_statement_failed_is_found_and_nothing_remains(cloud: Database, place: int) -> None:
    cloud.execute("CREATE TABLE t (v UNIQUE)")
    statements = [Statement("INSERT INTO t VALUES (?)", [number]) for number in range(7)]
    statements[place] = Statement("INSERT INTO t SELECT 9 UNION ALL SELECT 9")
    before = cloud.round_trips
    with pytest.raises(DatabaseError) as caught:
        cloud.transaction(statements)
    assert (caught.value.kind, caught.value.statement) == ("constraint", place)
    assert cloud.round_trips - before <= 5  # itself, the whole, and by halves
    assert cloud.query("SELECT count(*) FROM t")[0][0] == 0


def test_keys_are_not_lifted_but_checked_later(cloud: Database) -> None:
    for sql in (
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (p REFERENCES p ON DELETE CASCADE)",
        "CREATE TABLE d (p REFERENCES p)",
        "INSERT INTO p VALUES (1), (2)",
        "INSERT INTO c VALUES (1)",
        "INSERT INTO d VALUES (2)",
    ):
        cloud.execute(sql)
    swap = [Statement("DELETE FROM p"), Statement("INSERT INTO p VALUES (1), (2)")]
    cloud.transaction(swap, foreign_keys=False)
    assert cloud.query("SELECT (SELECT count(*) FROM c), (SELECT count(*) FROM d)")[
        0
    ].values_in_order == (0, 1)


PARENT = "CREATE TABLE p (id INTEGER PRIMARY KEY, v);\nINSERT INTO p VALUES (1, 'a')"
REBUILD = (
    "CREATE TABLE n (id INTEGER PRIMARY KEY, v TEXT);\nINSERT INTO n SELECT * FROM p;\n"
    "DROP TABLE p;\nALTER TABLE n RENAME TO p"
)


@pytest.mark.parametrize("action", ["", "CASCADE", "SET NULL", "RESTRICT"])
def test_a_parent_is_made_anew_where_no_key_acts(cloud: Database, action: str) -> None:
    child = f"CREATE TABLE c (p REFERENCES p {action and f'ON DELETE {action}'})"
    first = parse("a.sql", f"{PARENT};\n{child};\nINSERT INTO c VALUES (1)")
    second = parse("b.sql", REBUILD)
    migrate.apply(cloud, Group([first]))
    if action:
        with pytest.raises(Refused, match=rf"c → p \(ON DELETE {action}\)"):
            migrate.apply(cloud, Group([second]))
    else:
        assert migrate.rehearse(cloud, Group([second]))[0][0] == "b.sql:1"
        migrate.apply(cloud, Group([second]))
        assert "TEXT" in cloud.query("SELECT sql FROM sqlite_schema WHERE name = 'p'")[0].text(0)
    assert cloud.query("SELECT p FROM c")[0][0] == 1
    assert cloud.query("PRAGMA foreign_key_check") == []


def test_each_refusal_is_told_with_what_to_do(cloud: Database, d1_api: Api) -> None:
    access = d1.access(d1_api)
    found: dict[str, Callable[[], object]] = {
        "unavailable: make it: npx wrangler d1 create nowhere": lambda: connect(
            "d1:nowhere", None, access
        ).query("SELECT 1"),
        "unauthorised: put an API token into CLOUDFLARE_API_TOKEN": lambda: connect(
            cloud.url, None, d1.access(d1_api, "w" * 40)
        ).query("SELECT 1"),
        "too large: write it as several statements": lambda: cloud.query(
            "SELECT '" + "x" * 100_000 + "'"
        ),
        "syntax: ": lambda: cloud.query("PRAGMA user_version"),
        "syntax:  ": lambda: cloud.query("SELECT 1; SELECT 2"),
        "syntax:   ": lambda: cloud.query("BEGIN"),
    }
    for expected, ask in found.items():
        kind, remedy = expected.split(": ", 1)
        with pytest.raises(DatabaseError) as caught:
            ask()
        assert caught.value.kind == kind
        assert caught.value.remedy.startswith(remedy.strip())
        assert "w" * 40 not in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("PRAGMA user_version = 3", r"a\.sql:3: D1 keeps no user_version"),
        (f"INSERT INTO t VALUES ('{'é' * 50_000}')", "has 100,0.* bytes, and D1 takes 100,000"),
    ],
)
def test_what_d1_never_takes_is_told_before_anything_runs(
    cloud: Database, local: Database, sql: str, why: str
) -> None:
    file = parse("a.sql", f"-- irreversible: a test\nCREATE TABLE t (v);\n{sql};")
    with pytest.raises(Refused, match=why):
        migrate.foresee(cloud, [file])
    migrate.foresee(local, [file])


def test_it_is_busy_while_somebody_exports_it(cloud: Database, d1_api: Api) -> None:
    at = f"A/d1/database/{cloud.url.removeprefix('d1:')}/export"
    begun = d1_api.result("POST", at, json={"output_format": "polling"})
    with pytest.raises(DatabaseError, match="long-running export") as caught:
        cloud.execute("CREATE TABLE t (v)")
    assert caught.value.kind == "busy"
    ended = {"output_format": "polling", "current_bookmark": begun["at_bookmark"]}
    assert d1_api.result("POST", at, json=ended)["status"] == "complete"
    cloud.execute("CREATE TABLE t (v)")


@pytest.mark.slow
def test_hundreds_of_migrations_are_one_transaction(cloud: Database) -> None:
    """Whatever the number: D1 takes a hundred parameters a statement."""
    files = [
        parse(f"m{i:03}.sql", f"CREATE TABLE t{i} (v);\n-- migrate:down\nDROP TABLE t{i};")
        for i in range(250)
    ]
    migrate.apply(cloud, Group(files), "worker")
    entries = migration_history.read(cloud)
    assert len(entries) == 250
    migrate.take_back(cloud, entries[::-1])
    migrate.stamp(cloud, files, "worker")
    assert len(migration_history.read(cloud)) == 250


def test_without_an_account_or_a_token_nothing_leads_there() -> None:
    with pytest.raises(Refused, match="Nothing leads to d1:x") as caught:
        connect("d1:x")
    assert "CLOUDFLARE_API_TOKEN" in caught.value.remedy


@pytest.mark.slow
def test_a_large_one_is_read_by_pages_and_only_if_nobody_writes(
    cloud: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(d1_snapshot, "_SMALL", 2_000)
    monkeypatch.setattr(d1_snapshot, "_MOST_ROWS", 7)
    cloud.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    cloud.execute("CREATE TABLE u (a, b, PRIMARY KEY (b, a)) WITHOUT ROWID")
    cloud.execute("CREATE VIRTUAL TABLE f USING fts5 (body)")
    rows = ", ".join(f"({number - 9007199254740999}, x'{number:04x}')" for number in range(60))
    cloud.execute(f"INSERT INTO t VALUES {rows}")
    cloud.execute(f"INSERT INTO u VALUES {rows}")
    cloud.execute("INSERT INTO f VALUES ('word'), (CAST(x'ff41' AS TEXT))")
    snapshot.take(cloud, tmp_path / "a.db")
    held = manifest.of_file(tmp_path / "a.db")
    assert (held.tables["t"][0], held.tables["u"][0]) == (60, 60)
    restore.whole(cloud, tmp_path / "a.db", tmp_path)
    snapshot.take(cloud, tmp_path / "b.db")
    assert manifest.differences(held, manifest.of_file(tmp_path / "b.db")) == []
    real = d1_snapshot._require_same

    def meddling(*given: object) -> None:
        cloud.execute("INSERT INTO t (v) VALUES (1)")
        real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(d1_snapshot, "_require_same", meddling)
    with pytest.raises(Refused, match="changes while the backup is taken"):
        snapshot.take(cloud, tmp_path / "c.db")


def test_a_row_longer_than_a_statement_is_restored(cloud: Database, tmp_path: Path) -> None:
    with connect(f"file:{tmp_path / 'a.db'}") as source:
        source.execute("CREATE TABLE t (v, w)")
        source.execute("INSERT INTO t VALUES (?, ?)", ["é" * 300_000, b"\xff" * 400_000])
        source.execute("INSERT INTO t VALUES (1, 2)")
    restore.whole(cloud, tmp_path / "a.db", tmp_path)
    assert cloud.query("SELECT length(v), length(w) FROM t ORDER BY rowid")[0].values_in_order == (
        300_000,
        400_000,
    )


def test_what_d1_keeps_in_a_file_of_its_own_is_not_put_back(
    cloud: Database, tmp_path: Path
) -> None:
    """A copy of .wrangler/state has such tables; D1 lets nobody else make them."""
    file = tmp_path / "local.sqlite"
    with closing(sqlite3.connect(file)) as made:
        made.executescript(
            "CREATE TABLE users (id); INSERT INTO users VALUES (1);"
            "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;"
            "CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB);"
            "INSERT INTO _cf_METADATA VALUES (2, 5)"
        )
    assert restore.whole(cloud, file, tmp_path) == restore.Replaced(1)
    assert cloud.query("SELECT id FROM users")[0][0] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "kind", "small"),
    [
        (bytes(range(256)) * 7_800, "BLOB", 8_000_000),
        (b'"\n\x01' * 600_000, "TEXT", 1_000_000),
        (b"\xff\0e" * 600_000, "TEXT", 8_000_000),
    ],
    ids=["bytes", "text that grows as JSON, by pages", "no UTF-8"],
)
def test_a_row_near_d1s_limit_goes_there_and_back(
    cloud: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    value: bytes,
    kind: str,
    small: int,
) -> None:
    """As hexadecimal digits, or as JSON, it is longer than any text of D1's."""
    monkeypatch.setattr(d1_snapshot, "_SMALL", small)
    with connect(f"file:{tmp_path / 'a.db'}") as source:
        source.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v, w) WITHOUT ROWID")
        source.execute(f"INSERT INTO t VALUES ('a', CAST(? AS {kind}), ?)", [value, 2**62])
        source.execute("INSERT INTO t VALUES ('b', '', x''), ('c', -0.0, NULL), ('é', 9e999, 'é')")
    held = manifest.of_file(tmp_path / "a.db")
    restore.whole(cloud, tmp_path / "a.db", tmp_path)
    assert manifest.of_file(tmp_path / "read-back.db").tables == held.tables


@pytest.mark.parametrize("size", [1_999_900, 1_999_999])
def test_rows_that_d1_does_not_take_are_told_before_one_is_sent(
    cloud: Database, tmp_path: Path, size: int
) -> None:
    cloud.execute("CREATE TABLE mine (v)")
    with connect(f"file:{tmp_path / 'a.db'}") as source:
        source.execute("CREATE TABLE pictures (id INTEGER PRIMARY KEY, name, data)")
        source.execute("INSERT INTO pictures (name, data) VALUES (?, ?)", ["é", b"\xff" * size])
    if size < 1_999_997:
        restore.whole(cloud, tmp_path / "a.db", tmp_path)
        return
    sent = cloud.round_trips
    with pytest.raises(Refused, match="at most 2,000,000 bytes") as caught:
        restore.whole(cloud, tmp_path / "a.db", tmp_path)
    assert "pictures has 1, the longest of 2,000,002 bytes" in str(caught.value.why)
    assert cloud.round_trips == sent
    assert cloud.query("SELECT count(*) FROM mine")[0].integer(0) == 0


def test_a_backup_is_not_put_back_unseen(cloud: Database) -> None:
    with pytest.raises(Refused, match="cannot be put back unseen") as caught:
        cloud.replace([], cloud.position())
    assert "time-travel" in caught.value.remedy
