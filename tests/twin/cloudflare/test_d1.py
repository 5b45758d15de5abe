"""D1 over HTTP: what wrangler and the API's documents say, and what workerd itself answers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.d1 import access
from tests.twin.cloudflare import d1_engine
from tests.twin.cloudflare.stand_in import Api
from xswarm_twin import programs
from xswarm_twin.cloudflare import d1_transfers
from xswarm_twin.cloudflare.d1_transfers import Transfer, Transfers
from xswarm_twin.cloudflare.envelope import Refusal

PROJECT = Path(__file__).resolve().parents[3]

BATCHES: list[list[str]] = [
    ["CREATE TABLE p (id INTEGER PRIMARY KEY, n TEXT UNIQUE)"],
    ["CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p)"],
    ["INSERT INTO p VALUES (1, 'a'), (2, 'b')", "INSERT INTO c VALUES (1, 1)"],
    ["INSERT INTO p VALUES (3, 'c')", "INSERT INTO p VALUES (4, 'c')"],
    ["SELECT count(*) FROM p"],
    ["INSERT INTO c VALUES (2, 99)"],
    ["SELECT 9007199254740993, 1.0, 0.5, x'00ff', 9e999, CAST(x'ff' AS TEXT), char(0) || 'x'"],
    ["SELECT json_extract('{}', '!told')"],
    ["SELECT * FROM nowhere"],
    ["PRAGMA foreign_keys"],
    ["PRAGMA foreign_keys = off", "DELETE FROM p WHERE id = 1"],
    ["PRAGMA defer_foreign_keys = on", "DELETE FROM p", "PRAGMA defer_foreign_keys = off"],
    ["SELECT count(*) FROM p", "PRAGMA foreign_key_check"],
    ["DELETE FROM c", "SELECT changes()"],
    *(
        [sql]
        for sql in (
            "PRAGMA user_version",
            "PRAGMA integrity_check",
            "PRAGMA quick_check",
            "PRAGMA recursive_triggers",
            "PRAGMA schema_version",
            "ATTACH 'x' AS y",
            "CREATE TEMP TABLE t (v)",
            "SELECT sqlite_version()",
            "SELECT hex(unhex('00ff'))",
            "SELECT name FROM pragma_table_info('p')",
            "CREATE VIRTUAL TABLE f USING fts5 (b)",
        )
    ),
    ["INSERT INTO f VALUES ('word')", "SELECT b FROM f WHERE f MATCH 'word'"],
]


def answers(api: Api, batch: list[str]) -> Any:
    """Return the rows of each statement, or the message of the refusal."""
    reply = api.call("POST", "A/d1/database/app/raw", json={"batch": [{"sql": s} for s in batch]})
    body = reply.json()
    if not body["success"]:
        return body["errors"][0]["message"]
    return [one["results"]["rows"] for one in body["result"]]


def comparable(told: Any) -> Any:
    """Leave out where in a statement a word stands, which only some versions of SQLite say."""
    if not isinstance(told, str):
        return told
    return told.partition(" at offset")[0].removesuffix(": SQLITE_ERROR")


@pytest.mark.slow
def test_workerd_itself_answers_the_same(api: Api) -> None:
    api.result("POST", "A/d1/database", json={"name": "app"})
    asked = subprocess.run(
        [programs.node(), Path(__file__).with_name("d1_probe.cjs")],
        input=json.dumps(BATCHES),
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
        env={"NODE_PATH": str(PROJECT / "node_modules"), "PATH": "/usr/bin:/bin"},
        timeout=120,
    )
    real = json.loads(asked.stdout.splitlines()[-1])
    for batch, expected in zip(BATCHES, real, strict=True):
        assert comparable(answers(api, batch)) == comparable(expected), batch


def test_a_database_is_made_found_and_removed(api: Api) -> None:
    made = api.result("POST", "A/d1/database", json={"name": "app"})
    assert api.refused("POST", "A/d1/database", json={"name": "app"}) == (400, 7502)
    assert api.result("GET", "A/d1/database/app") == made
    assert api.result("GET", f"A/d1/database/{made['uuid']}") == made
    assert api.result("GET", "A/d1/database?name=app") == [made]
    assert api.result("GET", "A/d1/database?name=other") == []
    api.result("DELETE", f"A/d1/database/{made['uuid']}")
    assert api.refused("GET", "A/d1/database/app") == (404, 7404)


def test_rows_come_as_objects_or_as_lists_and_parameters_go_in(api: Api) -> None:
    api.result("POST", "A/d1/database", json={"name": "app"})
    asked = {"sql": "SELECT ? AS a, 2 AS b", "params": ["x"]}
    (objects,) = api.result("POST", "A/d1/database/app/query", json=asked)
    assert objects["results"] == [{"a": "x", "b": 2}]
    (lists,) = api.result("POST", "A/d1/database/app/raw", json=asked)
    assert lists["results"] == {"columns": ["a", "b"], "rows": [["x", 2]]}
    assert lists["meta"]["changes"] == 0
    several = api.result("POST", "A/d1/database/app/raw", json={"sql": "SELECT 1; SELECT 2"})
    assert [one["results"]["rows"] for one in several] == [[[1]], [[2]]]


def test_a_bookmark_moves_with_what_it_holds_and_with_nothing_else(api: Api) -> None:
    api.result("POST", "A/d1/database", json={"name": "app"})

    def bookmark() -> str:
        path = "A/d1/database/app/time_travel/bookmark"
        return str(api.result("GET", path)["bookmark"])

    def run(sql: str) -> None:
        api.call("POST", "A/d1/database/app/query", json={"sql": sql})

    run("CREATE TABLE t (v UNIQUE)")
    first = bookmark()
    run("SELECT * FROM t")
    run("INSERT INTO t VALUES (1), (1)")  # fails
    assert bookmark() == first
    run("INSERT INTO t VALUES (1)")
    assert bookmark() != first
    run("CREATE VIRTUAL TABLE words USING fts5(word)")  # which an export does not take
    with_words = bookmark()
    run("INSERT INTO words VALUES ('a')")
    assert bookmark() != with_words


def test_what_takes_too_long_is_ended(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(d1_engine, "SECONDS", 0.2)
    api.result("POST", "A/d1/database", json={"name": "app"})
    endless = "WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v FROM n) SELECT max(v) FROM n"
    assert "exceeded timeout" in answers(api, [endless])


def test_the_official_limits_hold(api: Api) -> None:
    api.result("POST", "A/d1/database", json={"name": "app"})
    assert access(api).base == api.base
    for sql, why in {
        f"SELECT '{'x' * 100_000}'": "statement too long: SQLITE_TOOBIG",
        f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(101))})": "too many columns",
        f"SELECT printf('%d'{', 1' * 32})": "too many arguments",
        "SELECT zeroblob(2000001)": "string or blob too big",
    }.items():
        assert why in answers(api, [sql])


def test_an_export_is_polled_and_blocks_the_database(api: Api) -> None:
    made = api.result("POST", "A/d1/database", json={"name": "exported"})
    at = f"A/d1/database/{made['uuid']}"
    for sql in ("CREATE TABLE t (v)", "INSERT INTO t VALUES ('a''b'), (x'00ff')"):
        api.result("POST", f"{at}/query", json={"sql": sql})
    refused = api.call("POST", f"{at}/export", json={"dump_options": {}})
    assert refused.status_code == 400  # the format has to be said
    polling: dict[str, Any] = {"output_format": "polling", "dump_options": {}}
    begun = api.result("POST", f"{at}/export", json=polling)
    assert (begun["status"], "result" in begun) == ("active", False)
    for path, body in (("query", {"sql": "SELECT 1"}), ("export", polling)):
        told = api.call("POST", f"{at}/{path}", json=body).json()
        assert "Currently processing a long-running export" in told["errors"][0]["message"]
    polled = polling | {"current_bookmark": begun["at_bookmark"]}
    ended = api.result("POST", f"{at}/export", json=polled)
    assert (ended["status"], ended["at_bookmark"]) == ("complete", begun["at_bookmark"])
    assert api.session.get(ended["result"]["signed_url"]).ok  # wrangler reads it, in its own test
    assert api.result("POST", f"{at}/query", json={"sql": "SELECT 1 AS one"})
    again = api.call("POST", f"{at}/export", json=polled).json()
    assert again["errors"][0]["message"] == "Not currently exporting anything."


def test_an_export_that_nobody_polls_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    transfers = Transfers()
    transfers.begin("a", Transfer("export", "mark", "a.sql"))
    with pytest.raises(Refusal):
        transfers.require_none("a")
    transfers.require_none("b")
    monkeypatch.setattr(time, "monotonic", lambda: float("inf"))
    transfers.require_none("a")
    with pytest.raises(Refusal, match="Not currently exporting"):
        transfers.find("a", "export", "mark")


def uploaded(api: Api, at: str, sql: str) -> dict[str, str]:
    """Upload a file for an import, and return what begins it."""
    etag = hashlib.md5(sql.encode(), usedforsecurity=False).hexdigest()
    begun = api.result("POST", f"{at}/import", json={"action": "init", "etag": etag})
    told = api.session.put(begun["upload_url"], data=sql.encode())
    assert told.headers["ETag"] == f'"{etag}"'
    return {"action": "ingest", "etag": etag, "filename": begun["filename"]}


def polled(api: Api, at: str, told: dict[str, Any]) -> dict[str, Any]:
    """Poll an import until it is no longer under way, as wrangler does."""
    while told["status"] == "active":
        asked = {"action": "poll", "current_bookmark": told["at_bookmark"]}
        told = api.result("POST", f"{at}/import", json=asked)
    return told


def test_an_import_is_uploaded_ingested_and_polled(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(d1_transfers, "_DELAY", 0.0)
    at = f"A/d1/database/{api.result('POST', 'A/d1/database', json={'name': 'imported'})['uuid']}"
    sql = "CREATE TABLE t (v); INSERT INTO t VALUES (1); INSERT INTO t VALUES ('a;b');"
    asked = uploaded(api, at, sql)
    begun = api.result("POST", f"{at}/import", json=asked)
    assert (begun["status"], begun["type"], begun["success"]) == ("active", "import", True)
    ended = polled(api, at, begun)
    assert (ended["status"], ended["at_bookmark"]) == ("complete", begun["at_bookmark"])
    assert (ended["result"]["num_queries"], ended["result"]["meta"]["rows_written"]) == (3, 2)
    assert polled(api, at, begun) == ended, "what has ended lately can be asked for again"
    (rows,) = api.result("POST", f"{at}/query", json={"sql": "SELECT count(*) AS n FROM t"})
    assert rows["results"] == [{"n": 2}]


def test_an_import_that_fails_says_so_and_leaves_nothing(api: Api) -> None:
    at = f"A/d1/database/{api.result('POST', 'A/d1/database', json={'name': 'failed'})['uuid']}"
    asked = uploaded(api, at, "CREATE TABLE t (v); INSERT INTO nowhere VALUES (1);")
    told = polled(api, at, api.result("POST", f"{at}/import", json=asked))
    assert (told["success"], told["status"]) == (False, "error")
    assert "no such table: nowhere" in told["error"]
    assert api.refused("POST", f"{at}/query", json={"sql": "SELECT * FROM t"}) == (400, 7500)
    for wrong in (asked, {"action": "poll", "current_bookmark": "x"}, {"action": "y", "etag": "z"}):
        assert api.refused("POST", f"{at}/import", json=wrong) == (400, 7400)


def test_an_import_blocks_its_database() -> None:
    async def scene() -> None:
        ended = asyncio.Event()

        async def work() -> dict[str, Any]:
            await ended.wait()
            return {"num_queries": 1}

        transfers = Transfers()
        begun = Transfer("import", "mark", "a.sql", asyncio.create_task(work()))
        transfers.begin("a", begun)
        with pytest.raises(Refusal, match="processing a long-running import"):
            transfers.require_none("a", "export")
        ended.set()
        assert (await begun.told())["result"] == {"num_queries": 1}
        transfers.require_none("a")

    asyncio.run(scene())
