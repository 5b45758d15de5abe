"""What another tool applied is not applied again: its own ledger names it."""

from __future__ import annotations

import hashlib

import pytest

from xswarm_deploy.database import migrate, migration_history, other_ledgers, schema
from xswarm_deploy.database.client import Database
from xswarm_deploy.database.migrations import parse
from xswarm_deploy.database.pending import State
from xswarm_deploy.errors import Refused

FILES = [
    parse(f"{name}.sql", f"CREATE TABLE x{name} (v)") for name in ("0001_a", "0002_b", "0003_c")
]
LEDGERS = {
    "wrangler d1": (
        "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT UNIQUE, applied_at)",
        "INSERT INTO d1_migrations (name) VALUES ('0001_a.sql'), ('0002_b.sql')",
    ),
    "dbmate": (
        "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('0001'), ('0002')",
    ),
    "drizzle": (
        "CREATE TABLE __drizzle_migrations (id INTEGER PRIMARY KEY, hash TEXT, created_at NUMERIC)",
        "INSERT INTO __drizzle_migrations (hash) VALUES"
        f" ('{FILES[0].checksum}'), ('{FILES[1].checksum}')",
    ),
    "goose": (
        "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY, version_id INTEGER, is_applied)",
        "INSERT INTO goose_db_version VALUES (1, 0, 1), (2, 1, 1), (3, 2, 1), (4, 3, 0),"
        " (5, 3, 1), (6, 3, 0), (7, 2, 0), (8, 2, 1)",
    ),
    "yoyo": (
        "CREATE TABLE _yoyo_migration (migration_hash VARCHAR(64) PRIMARY KEY, migration_id)",
        "INSERT INTO _yoyo_migration VALUES ('x', '0001_a'), ('y', '0002_b')",
    ),
    "sql-migrate": (
        "CREATE TABLE gorp_migrations (id TEXT PRIMARY KEY, applied_at)",
        "INSERT INTO gorp_migrations VALUES ('0001_a.sql', 1), ('0002_b.sql', 2)",
    ),
    "prisma": (
        "CREATE TABLE _prisma_migrations"
        " (migration_name TEXT, started_at, finished_at, rolled_back_at)",
        "INSERT INTO _prisma_migrations VALUES ('0001_a', 1, 2, NULL), ('0002_b', 2, 3, NULL),"
        " ('0003_c', 3, NULL, NULL)",
    ),
}


@pytest.mark.parametrize("tool", LEDGERS)
def test_what_another_tool_applied_is_entered_and_not_run(database: Database, tool: str) -> None:
    for sql in LEDGERS[tool]:
        database.execute(sql)
    with pytest.raises(Refused, match=f"2 of these files were applied by {tool}") as caught:
        migrate.require_adopted(database, State(FILES, []))
    assert caught.value.remedy.endswith("inv migrate.baseline --to 0002_b")
    migrate.stamp(database, FILES[:2])
    migrate.require_adopted(database, State(FILES, migration_history.read(database)))


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE d1_migrations (other)", "CREATE TABLE schema_migrations (version)"]
)
def test_a_table_that_only_has_the_name_is_none(database: Database, sql: str) -> None:
    database.execute(sql)
    migrate.require_adopted(database, State(FILES, []))


@pytest.mark.parametrize(
    ("tool", "column", "table", "names"),
    [
        ("wrangler d1", "name", "d1_migrations", [f.filename for f in FILES] + ["0004_d.sql"]),
        ("dbmate", "version", "schema_migrations", ["0001", "0002", "0003", "0004"]),
    ],
)
def test_the_tool_is_told_what_is_applied_and_taken_back(
    database: Database, tool: str, column: str, table: str, names: list[str]
) -> None:
    for sql in LEDGERS[tool]:
        database.execute(sql)
    migrate.stamp(database, FILES[:2])
    later = [
        parse("0003_c.sql", "-- migrate:up\nCREATE TABLE c (v);\n-- migrate:down\nDROP TABLE c;"),
        parse("0004_d.sql", "-- transaction: none\n-- irreversible: a test\nCREATE TABLE d (v);"),
    ]
    for group in migrate.groups(later):
        migrate.apply(database, group)
    listing = f"SELECT {column} FROM {table} ORDER BY 1"
    assert [row[0] for row in database.query(listing)] == names
    rows = [row for row in migration_history.read(database) if row.name == "0003_c"]
    migrate.take_back(database, rows)
    assert [row[0] for row in database.query(listing)] == [*names[:2], names[3]]


@pytest.mark.parametrize("columns", ["version, dirty", "version TEXT", "version bigint not null"])
def test_a_ledger_that_is_not_dbmates_is_left_alone(database: Database, columns: str) -> None:
    database.execute(f"CREATE TABLE schema_migrations ({columns})")
    migrate.apply(database, migrate.groups(FILES)[0])
    assert database.query("SELECT * FROM schema_migrations") == []


def test_a_ledger_of_another_tool_is_known_by_its_columns(database: Database) -> None:
    for create, _ in LEDGERS.values():
        database.execute(create)
    database.execute("CREATE TABLE goose (version_id)")
    found = {name for _, name in other_ledgers.ledgers(schema.read(database))}
    assert found == {
        "__drizzle_migrations",
        "_prisma_migrations",
        "_yoyo_migration",
        "d1_migrations",
        "goose_db_version",
        "gorp_migrations",
        "schema_migrations",
    }
    database.execute("DROP TABLE d1_migrations")
    database.execute("CREATE TABLE d1_migrations (other)")
    assert ("table", "d1_migrations") not in other_ledgers.ledgers(schema.read(database))


NUMBERS = {
    "sqlx": "_sqlx_migrations (version, description, success) VALUES (1, 'a', 1), (2, 'b', 1)",
    "Atlas": "atlas_schema_revisions (version, applied, total)"
    " VALUES ('0001', 1, 1), ('0002', 3, 3), ('0003', 1, 2)",
    "Flyway": "flyway_schema_history (installed_rank, script, success)"
    " VALUES (1, '0001_a.sql', 1), (2, '0002_b.sql', 1), (3, '0003_c.sql', 0)",
    "refinery": "refinery_schema_history (version, name) VALUES (1, 'a'), (2, 'b')",
    "diesel": "__diesel_schema_migrations (version, run_on) VALUES ('0001', 1), ('0002', 2)",
    "golang-migrate": "schema_migrations (version, dirty) VALUES (2, 0)",
}


@pytest.mark.parametrize("tool", NUMBERS)
def test_ledgers_of_numbers_are_read(local: Database, tool: str) -> None:
    table, _, rows = NUMBERS[tool].partition(" VALUES ")
    local.execute(f"CREATE TABLE {table}")
    local.execute(f"INSERT INTO {table} VALUES {rows}")
    found = other_ledgers.applied(local, FILES)
    assert (found.tool, list(found.files)) == (tool, FILES[:2])
    assert (list(found.missing), found.unknown) == ([], 0)


def test_what_golang_migrate_left_unfinished_is_refused(local: Database) -> None:
    local.execute("CREATE TABLE schema_migrations (version uint64, dirty bool)")
    local.execute("INSERT INTO schema_migrations VALUES (2, 1)")
    with pytest.raises(Refused, match=r"0002_b\.sql was left unfinished by golang-migrate"):
        migrate.require_adopted(local, State(FILES, []))


def test_a_file_that_was_left_out_is_not_entered_unseen(local: Database) -> None:
    local.execute(LEDGERS["dbmate"][0])
    local.execute("INSERT INTO schema_migrations VALUES ('0001'), ('0003')")
    with pytest.raises(Refused, match="but not 0002_b") as caught:
        migrate.require_adopted(local, State(FILES, []))
    assert caught.value.remedy.startswith("apply 0002_b by dbmate first")


def test_a_file_that_was_edited_since_is_told(local: Database) -> None:
    for sql in LEDGERS["drizzle"]:
        local.execute(sql)
    edited = [FILES[0], parse("0001_b.sql", "CREATE TABLE edited (v)"), FILES[2]]
    with pytest.raises(Refused, match="1 more of it have no file here") as caught:
        migrate.require_adopted(local, State(edited, []))
    assert caught.value.remedy.startswith("bring those files back")


def test_drizzles_hash_of_other_line_ends_is_known(local: Database) -> None:
    text = "CREATE TABLE t (\r\n  v\r\n);\r\n"
    local.execute(LEDGERS["drizzle"][0])
    digest = hashlib.sha256(text.encode()).hexdigest()
    local.execute("INSERT INTO __drizzle_migrations (hash) VALUES (?)", [digest])
    assert other_ledgers.applied(local, [parse("0000_t.sql", text)]).tool == "drizzle"


def test_dates_in_names_are_numbers(local: Database) -> None:
    local.execute("CREATE TABLE __diesel_schema_migrations (version, run_on)")
    local.execute("INSERT INTO __diesel_schema_migrations VALUES ('20231201000000', 1)")
    file = parse("2023-12-01-000000_users.sql", "CREATE TABLE users (v)")
    assert other_ledgers.applied(local, [file]).files == [file]
