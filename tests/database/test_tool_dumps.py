"""Dumps of other tools, restored: what the sqlite3 program reads of them is what is there."""

from __future__ import annotations

import sqlite3
import subprocess
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from xswarm_deploy.database import backup, restore
from xswarm_deploy.database.client import Database, Statement
from xswarm_deploy.database.schema import quoted
from xswarm_deploy.database.statements import split
from xswarm_deploy.errors import Refused

DUMPS = Path(__file__).parents[1] / "fixtures/dumps"
CONTENT = DUMPS / "content.sql"
OBJECTS = """SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL
    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_cf_KV' ORDER BY type, name"""

pytestmark = pytest.mark.needs("sqlite3")


def stored(name: str) -> Callable[[Path, Database], str]:
    return lambda _folder, _remote: (DUMPS / name).read_text(encoding="utf-8")


def of_sqlite3(command: str) -> Callable[[Path, Database], str]:
    """Let the sqlite3 program dump a file that it made."""

    def dump(folder: Path, _remote: Database) -> str:
        file = folder / "made.db"
        read(CONTENT.read_text(encoding="utf-8"), file).close()  # else Python 3.13 says so
        told = subprocess.run(["sqlite3", file, command], check=True, capture_output=True)
        return told.stdout.decode()

    return dump


def of_libsql(_folder: Path, remote: Database) -> str:
    """Let libSQL's server dump what it holds; its dump breaks off at a name with a quote."""
    texts = [each.sql for each in split(CONTENT.read_text(encoding="utf-8"))]
    remote.transaction([Statement(text) for text in texts if '"odd ' not in text])
    with urllib.request.urlopen(f"{remote.url}/dump", timeout=20) as answer:
        return str(answer.read().decode())


MADE: dict[str, Callable[[Path, Database], str]] = {
    "wrangler d1 export": stored("wrangler-d1-export.sql"),
    "dbmate dump": stored("dbmate-schema.sql"),
    "sqlite3 .dump": of_sqlite3(".dump"),
    "sqlite3 .schema, as Rails has it": of_sqlite3(".schema --nosys"),
    "libSQL's server": of_libsql,
}


def read(text: str, file: Path) -> sqlite3.Connection:
    """Return what the sqlite3 program reads of a dump."""
    command = ["sqlite3", "-bail", str(file)]
    subprocess.run(command, input=text.encode(), check=True, capture_output=True)
    return sqlite3.connect(file)


@pytest.mark.parametrize("tool", MADE)
def test_a_dump_of_another_tool_is_restored_as_sqlite3_reads_it(
    database: Database, remote: Database, tmp_path: Path, tool: str
) -> None:
    text = MADE[tool](tmp_path, remote)
    dump = tmp_path / "dump.sql"
    dump.write_text(text, encoding="utf-8", newline="")
    found = backup.of_path(dump)
    restore.whole(database, backup.unpack(found, tmp_path), tmp_path)
    with closing(read(text, tmp_path / "judge.db")) as judge:
        expected = [list(row) for row in judge.execute(OBJECTS)]
        assert [list(row.values_in_order) for row in database.query(OBJECTS)] == expected
        assert len(expected) >= 5
        for kind, table, _ in expected:
            if kind == "table":
                columns = judge.execute(f"PRAGMA table_xinfo({quoted(str(table))})").fetchall()
                values = ", ".join(f"quote({quoted(column[1])})" for column in columns)
                rows = f"SELECT {values} FROM {quoted(str(table))} ORDER BY 1"
                ours = [list(row.values_in_order) for row in database.query(rows)]
                assert ours == [list(row) for row in judge.execute(rows)], table


def test_a_dump_of_another_tool_that_was_cut_off_is_refused(
    tmp_path: Path, local: Database
) -> None:
    whole = MADE["sqlite3 .dump"](tmp_path, local)
    cuts = (
        whole[: whole.index("COMMIT")],
        whole[: len(whole) // 2],
        whole.replace("BEGIN TRANSACTION;", "").replace("COMMIT;", "/* and so on"),
    )
    for number, cut in enumerate(cuts):
        dump = tmp_path / f"dump-{number}.sql"
        dump.write_text(cut, encoding="utf-8")
        with pytest.raises(Refused):
            backup.unpack(backup.of_path(dump), tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE a (id SERIAL PRIMARY KEY, at TIMESTAMPTZ DEFAULT now());",
        "SET statement_timeout = 0;\nCREATE TABLE public.a (id integer);",
        "CREATE TABLE a (id integer);\nCOPY public.a (id) FROM stdin;\n1\n\\.\n",
        "CREATE TABLE a (id integer);\nALTER TABLE ONLY a ADD CONSTRAINT a_pk PRIMARY KEY (id);",
        "CREATE TABLE `a` (`id` int NOT NULL AUTO_INCREMENT) ENGINE=InnoDB DEFAULT CHARSET=utf8;",
        "CREATE TABLE a (b);\nCREATE FUNCTION f() RETURNS int AS $$ SELECT 1; $$ LANGUAGE sql;",
    ],
)
def test_sql_of_other_databases_is_refused_by_its_line(tmp_path: Path, sql: str) -> None:
    dump = tmp_path / "dump.sql"
    dump.write_text(sql, encoding="utf-8")
    with pytest.raises(Refused, match=r"dump\.sql(:\d+ fails| is no whole dump)"):
        backup.unpack(backup.of_path(dump), tmp_path)
