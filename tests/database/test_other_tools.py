"""Files and databases that drizzle, prisma, wrangler d1 and dbmate made are taken over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.database.folders import Rows, apply, objects, read, rows, run
from xswarm_deploy.database import (
    downs,
    guards,
    migrate,
    migration_history,
    migrations,
    restore,
    schema,
    script,
    snapshot,
)
from xswarm_deploy.database.client import Database
from xswarm_deploy.database.migrations import parse
from xswarm_deploy.database.pending import State
from xswarm_deploy.errors import Refused

MADE = Path(__file__).parents[1] / "fixtures/migrations"
TOOLS = {"dbmate": "dbmate", "drizzle": "drizzle", "prisma": "prisma", "wrangler": "wrangler d1"}
REBUILT = {"drizzle": "users → teams", "prisma": "User → Team"}
"""A key with ON DELETE CASCADE to a table that the tool makes anew."""


@pytest.mark.parametrize("tool", TOOLS)
def test_a_database_of_another_tool_is_taken_over(
    database: Database, tool: str, tmp_path: Path
) -> None:
    """Nothing is applied twice, no row is lost, and what comes of it is what the tool makes."""
    restore.whole(database, made(tool, "begun", tmp_path), tmp_path)
    files = read(MADE / tool / "migrations")
    with pytest.raises(Refused, match=f"1 of these files was applied by {TOOLS[tool]}") as caught:
        migrate.require_adopted(database, State(files, []))
    assert caught.value.remedy.endswith(f"inv migrate.baseline --to {files[0].name}")
    migrate.stamp(database, files[:1])
    if tool in REBUILT and not database.limits.lifts_keys:
        before = held(database, tmp_path / "before.db")
        with pytest.raises(Refused, match=REBUILT[tool]):
            apply(database, files)
        assert held(database, tmp_path / "then.db") == before
        return
    apply(database, files)
    assert [row.name for row in migration_history.read(database)] == [file.name for file in files]
    expected = made(tool, "after", tmp_path)
    found = tmp_path / "found.db"
    snapshot.take(database, found)
    assert rows(found) == rows(expected)
    assert schema.difference(objects(expected), objects(found)) == []


@pytest.mark.needs("sqlite3")
@pytest.mark.parametrize("tool", TOOLS)
def test_a_folder_of_another_tool_gives_what_sqlite3_makes_of_it(
    local: Database, tool: str, tmp_path: Path
) -> None:
    """As ``python -m tests.database.folders FOLDER`` compares any folder."""
    ended = run(local, MADE / tool / "migrations", tmp_path)
    assert (ended.files, ended.refused, ended.differences) == (3, "", [])
    assert ended.filled >= 3


def made(tool: str, name: str, folder: Path) -> Path:
    """Return the database that a tool made, by its dump."""
    path = folder / f"{name}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((MADE / tool / f"{name}.sql").read_text(encoding="utf-8"))
    return path


def held(database: Database, path: Path) -> Rows:
    snapshot.take(database, path)
    return rows(path)


def test_a_text_that_stands_for_a_column_is_refused(database: Database, tmp_path: Path) -> None:
    """drizzle-kit copies "seats" from a table without it: each row would hold the word."""
    restore.whole(database, made("drizzle", "after", tmp_path), tmp_path)
    text = (MADE / "drizzle/0003_seats.sql").read_text(encoding="utf-8")
    files = [*migrations.read(MADE / "drizzle/migrations"), parse("0003_seats.sql", text)]
    migrate.stamp(database, files[:-1])
    before = held(database, tmp_path / "before.db")
    with pytest.raises(Refused, match=r"0003_seats\.sql:12 writes the text 'seats' into"):
        migrate.foresee(database, files[-1:])
    with pytest.raises(Refused, match="is no column of what it reads"):
        apply(database, downs.complete(files, {"0003_seats"}))
    assert held(database, tmp_path / "then.db") == before


TEXTS = {
    'INSERT INTO n ("id", "new") SELECT "id", "new" FROM t': "n",
    'insert into n(id, new) select t.id, x."new" from t join (select "new") as x': "n",
    'INSERT INTO n (id, "new") SELECT "id", "NEW" FROM t WHERE "id" > 1': "n",
    'WITH x AS (SELECT "id", "new" FROM t) INSERT INTO n SELECT * FROM x': "n",
    'UPDATE n SET "id" = (SELECT "new" FROM t)': "",
    "INSERT INTO n (id, new) SELECT id, 'new' FROM t": "",
    'INSERT INTO n ("id", "new") VALUES (1, "new")': "",
    'INSERT INTO n ("id", "new") SELECT "id", NULL FROM t': "",
    'INSERT INTO n ("id", "new") SELECT "id", "active" FROM t': "",
    'CREATE TABLE "new" ("id", "new" DEFAULT "free")': "",
}


@pytest.mark.parametrize("sql", TEXTS)
def test_only_texts_for_columns_that_are_written_are_refused(local: Database, sql: str) -> None:
    local.execute("CREATE TABLE t (id, v)")
    local.execute("CREATE TABLE n (id, new)")
    text = f"-- removes: t, n\n-- irreversible: a test\n{sql};"
    found = guards.foresee(
        local.query(schema.SELECT.sql), script.up_parts([parse("a.sql", text)])
    ).refusals
    assert [f"into {TEXTS[sql]}:" in told for told in found] == ([True] if TEXTS[sql] else [])
