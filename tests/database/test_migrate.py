"""Applying migrations and taking them back, on both homes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.d1 import WITHOUT_D1, again
from xswarm_deploy.database import forecast, migrate, migration_history, migrations, schema
from xswarm_deploy.database.client import Database, DatabaseError, Result, Statement, connect
from xswarm_deploy.database.migrate import Group
from xswarm_deploy.database.migrations import Migration, parse
from xswarm_deploy.database.pending import State, check
from xswarm_deploy.errors import DeployError, Refused


def file(name: str, up: str, down: str = "SELECT 1", header: str = "") -> Migration:
    return parse(f"{name}.sql", f"{header}-- migrate:up\n{up};\n-- migrate:down\n{down};\n")


USERS = file(
    "a-users",
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
    "DROP TABLE users",
)
POSTS = file(
    "b-posts",
    "CREATE TABLE posts (id INTEGER PRIMARY KEY, u REFERENCES users ON DELETE CASCADE);\n"
    "INSERT INTO users VALUES (1, 'first; user');\nINSERT INTO posts VALUES (1, 1)",
    "DROP TABLE posts;\nDELETE FROM users",
)
INDEX = file("c-index", "CREATE INDEX posts_u ON posts (u)", "DROP INDEX posts_u")
THREE = [USERS, POSTS, INDEX]


def names(database: Database) -> list[str]:
    return [row.name for row in migration_history.read(database)]


def run(database: Database, files: Sequence[Migration]) -> list[migrate.Outcome]:
    state = State(files, migration_history.read(database))
    check(state)
    return [migrate.apply(database, group) for group in migrate.groups(state.pending)]


def test_all_pending_are_applied_in_one_transaction(database: Database) -> None:
    before = database.round_trips
    (outcome,) = run(database, THREE)
    if database.url.startswith("http"):
        # the ledger is asked for twice (there is none yet), then the schema before, the
        # transaction itself, and the schema after
        assert database.round_trips - before == 5
    assert outcome.names == ["a-users", "b-posts", "c-index"]
    assert sorted(outcome.made) == ["index posts_u", "table posts", "table users"]
    assert sorted(outcome.milliseconds) == ["a-users.sql", "b-posts.sql", "c-index.sql"]
    rows = migration_history.read(database)
    assert [(row.filename, row.checksum, row.status) for row in rows] == [
        (item.filename, item.checksum, "success") for item in THREE
    ]
    assert [row.text for row in rows] == [item.text for item in THREE]
    assert run(database, THREE) == []


def test_the_services_own_migrations_go_forward_and_back(database: Database) -> None:
    files = migrations.read(Path("migrations"))
    run(database, files)
    assert schema.difference(schema.of_migrations(files)[0], schema.read(database)) == []
    assert set(schema.rows_by_table(database).values()) == {0}
    rows = migration_history.read(database)
    migrate.take_back(database, migrate.chosen_down(rows, steps=len(rows)))
    assert schema.read(database) == {}
    assert names(database) == []


@pytest.mark.parametrize("broken", ["CREATE TABLE nonsense", "INSERT INTO nowhere VALUES (1)"])
def test_a_failing_second_of_three_leaves_nothing(database: Database, broken: str) -> None:
    bad = file("b-posts", f"CREATE TABLE posts (id);\n\n{broken}")
    with pytest.raises(DeployError, match=r"b-posts\.sql:4 failed; nothing remains"):
        run(database, [USERS, bad, INDEX])
    assert schema.read(database) == {}
    assert names(database) == []


def test_only_what_is_new_is_applied(database: Database) -> None:
    run(database, [USERS])
    (outcome,) = run(database, THREE)
    assert outcome.names == ["b-posts", "c-index"]


def test_a_rehearsal_says_how_long_and_changes_nothing(database: Database) -> None:
    run(database, [USERS])
    rehearsed = migrate.rehearse(database, Group([POSTS, INDEX]))
    assert [origin for origin, _, _ in rehearsed] == [
        "b-posts.sql:2",
        "b-posts.sql:3",
        "b-posts.sql:4",
        "c-index.sql:2",
    ]
    assert names(database) == ["a-users"]
    assert schema.rows_by_table(database) == {"users": 0}


def test_a_rehearsal_fails_where_the_run_would(database: Database) -> None:
    run(database, [USERS])
    database.execute("INSERT INTO users VALUES (1, 'twin'), (2, 'twin')")
    unique = file("b-unique", "CREATE UNIQUE INDEX one_name ON users (name)")
    with pytest.raises(DeployError, match=r"b-unique\.sql:2 failed"):
        migrate.rehearse(database, Group([unique]))


def test_an_edited_file_is_refused_with_the_difference(database: Database) -> None:
    run(database, [USERS])
    edited = file("a-users", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    with pytest.raises(Refused, match="edited after it was applied") as caught:
        run(database, [edited])
    assert "-CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);" in caught.value.why
    assert "+CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);" in caught.value.why
    migrate.stamp(database, [edited])
    assert run(database, [edited]) == []


def test_a_long_file_is_kept_whole(database: Database) -> None:
    long = file("a-long", "CREATE TABLE t (v);\n-- " + "é🐝" * 5000)
    run(database, [long])
    assert migration_history.read(database)[0].text == long.text


def test_a_deleted_file_is_refused(database: Database) -> None:
    run(database, THREE)
    with pytest.raises(Refused, match=r"b-posts\.sql was applied, and its file is gone"):
        run(database, [USERS, INDEX])


def test_faults_are_refused_before_anything_runs(database: Database) -> None:
    bad = file("b-bad", "CREATE TABLE t (v);\nCOMMIT;\nVACUUM", down="-- none")
    with pytest.raises(Refused) as caught:
        run(database, [USERS, bad])
    for part in ("b-bad.sql:3: COMMIT", "b-bad.sql:4: VACUUM", "down part is missing"):
        assert part in caught.value.why
    assert schema.read(database) == {}


def test_taking_back_runs_what_was_applied_not_what_the_file_says_now(database: Database) -> None:
    run(database, THREE)
    rows = migration_history.read(database)
    assert [row.name for row in migrate.chosen_down(rows, to="a-users")] == ["c-index", "b-posts"]
    outcome = migrate.take_back(database, migrate.chosen_down(rows, steps=2))
    assert sorted(outcome.gone) == ["index posts_u", "table posts"]
    assert names(database) == ["a-users"]
    with pytest.raises(Refused, match="nowhere is not applied"):
        migrate.chosen_down(rows, to="nowhere")


def test_a_failing_down_leaves_everything(database: Database) -> None:
    bad = file("b-posts", "CREATE TABLE posts (id)", "DROP TABLE posts;\nDROP TABLE nowhere")
    run(database, [USERS, bad])
    with pytest.raises(DeployError, match=r"b-posts\.sql:5 failed"):
        migrate.take_back(database, migrate.chosen_down(migration_history.read(database), steps=2))
    assert names(database) == ["a-users", "b-posts"]
    assert set(schema.rows_by_table(database)) == {"users", "posts"}


def test_what_cannot_be_taken_back_is_refused(database: Database) -> None:
    one_way = parse("b.sql", "-- irreversible: merged\n-- migrate:up\nCREATE TABLE t (v);\n")
    run(database, [USERS, one_way])
    with pytest.raises(Refused, match=r"b\.sql cannot be taken back") as caught:
        migrate.chosen_down(migration_history.read(database))
    assert caught.value.why == "merged"
    assert any(
        "cannot be taken back: merged" in note
        for note in forecast.notes(database, Group([one_way]))
    )


REBUILD = file(
    "d-rebuild",
    "CREATE TABLE new_users (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '');\n"
    "INSERT INTO new_users SELECT id, name FROM users;\n"
    "DROP TABLE users;\nALTER TABLE new_users RENAME TO users",
)


@WITHOUT_D1
def test_a_rebuilt_table_keeps_the_rows_of_its_children(database: Database) -> None:
    run(database, THREE)
    run(database, [*THREE, REBUILD])
    assert database.query("SELECT count(*) FROM posts")[0][0] == 1
    assert database.query("PRAGMA foreign_key_check") == []
    database.execute("DELETE FROM users")
    assert database.query("SELECT count(*) FROM posts")[0][0] == 0, "the key still cascades"
    assert any("rebuilds users" in note for note in forecast.notes(database, Group([REBUILD])))


def test_without_the_guard_the_children_would_be_gone(database: Database) -> None:
    """Show that the test above can fail: this is what a plain transaction does."""
    run(database, THREE)
    database.transaction([Statement(fragment.sql) for fragment in REBUILD.up])
    assert database.query("SELECT count(*) FROM posts")[0][0] == 0


@WITHOUT_D1
def test_a_rebuild_that_loses_parents_is_refused(database: Database) -> None:
    run(database, THREE)
    lossy = file(
        "d-lossy",
        "CREATE TABLE new_users (id INTEGER PRIMARY KEY, name TEXT);\n"
        "DROP TABLE users;\nALTER TABLE new_users RENAME TO users",
    )
    with pytest.raises(Refused, match=r"d-lossy\.sql would remove 1 of 1 rows of users"):
        run(database, [*THREE, lossy])
    assert database.query("SELECT count(*) FROM users")[0][0] == 1


@WITHOUT_D1
def test_a_rebuild_that_gives_parents_other_keys_is_refused(database: Database) -> None:
    run(database, THREE)
    other = file(
        "d-other",
        "CREATE TABLE new_users (id INTEGER PRIMARY KEY, name TEXT);\n"
        "INSERT INTO new_users SELECT id + 100, name FROM users;\n"
        "DROP TABLE users;\nALTER TABLE new_users RENAME TO users",
    )
    with pytest.raises(DeployError, match="rows whose foreign key points nowhere") as caught:
        run(database, [*THREE, other])
    assert caught.value.why == "1 of posts → users"
    assert database.query("SELECT id FROM users")[0][0] == 1


def test_a_key_to_a_table_that_is_not_there_is_refused(database: Database) -> None:
    dangling = file("b-dangling", "CREATE TABLE t (v REFERENCES nowhere (id))")
    with pytest.raises(DeployError, match="foreign keys to a table that is not there"):
        run(database, [USERS, dangling])
    assert schema.read(database) == {}


def test_rows_that_pointed_nowhere_before_do_not_block(database: Database) -> None:
    run(database, [USERS, POSTS])
    database.transaction([Statement("DELETE FROM users")], foreign_keys=False)
    run(database, THREE)
    assert names(database) == ["a-users", "b-posts", "c-index"]


NONE = "-- transaction: none\n"


def test_a_migration_without_transaction_runs_alone(database: Database) -> None:
    alone = file("b-alone", "CREATE TABLE t (v);\nINSERT INTO t VALUES (1)", header=NONE)
    late = file("c-late", "CREATE TABLE late (v)")
    groups = migrate.groups([USERS, alone, late])
    assert [[item.name for item in group.migrations] for group in groups] == [
        ["a-users"],
        ["b-alone"],
        ["c-late"],
    ]
    run(database, [USERS, alone, late])
    assert [row.status for row in migration_history.read(database)] == ["success"] * 3


def test_one_that_stops_in_the_middle_blocks_until_a_person_says_it_is_mended(
    database: Database,
) -> None:
    alone = file("b-alone", "CREATE TABLE t (v);\nINSERT INTO nowhere VALUES (1)", header=NONE)
    with pytest.raises(DeployError, match=r"b-alone\.sql:4 failed outside a transaction"):
        run(database, [USERS, alone])
    assert migration_history.read(database)[1].status == "running"
    with pytest.raises(Refused, match="left unfinished"):
        run(database, [USERS, alone])
    migrate.stamp(database, [alone])
    assert run(database, [USERS, alone]) == []


class LosesReply:
    """A database whose next transaction is carried out, or not, without a reply."""

    def __init__(self, database: Database, *, carried_out: bool) -> None:
        self._database, self._carried_out, self._lost = database, carried_out, False

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)

    def transaction(
        self, statements: Sequence[Statement], *, foreign_keys: bool = True, keep: bool = True
    ) -> list[Result]:
        if self._lost:
            return self._database.transaction(statements, foreign_keys=foreign_keys, keep=keep)
        self._lost = True
        if self._carried_out:
            self._database.transaction(statements, foreign_keys=foreign_keys, keep=keep)
        raise DatabaseError("unavailable", "ReadTimeout", in_doubt=True)


def test_a_lost_reply_is_settled_by_reading_the_ledger(database: Database) -> None:
    lossy: Database = LosesReply(database, carried_out=True)  # type: ignore[assignment]
    outcome = migrate.apply(lossy, Group(THREE))
    assert (list(outcome.names), outcome.by_other) == (["a-users", "b-posts", "c-index"], False)
    lossy = LosesReply(database, carried_out=True)  # type: ignore[assignment]
    migrate.take_back(lossy, migrate.chosen_down(migration_history.read(database), steps=3))
    assert names(database) == []


def test_a_lost_request_is_an_error(database: Database) -> None:
    lossy: Database = LosesReply(database, carried_out=False)  # type: ignore[assignment]
    with pytest.raises(DatabaseError, match="ReadTimeout"):
        migrate.apply(lossy, Group(THREE))
    assert names(database) == []


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 5])
def test_of_several_runners_exactly_one_applies(database: Database, count: int) -> None:
    outcomes: list[migrate.Outcome] = []
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def runner() -> None:
        with again(database) as own:
            start.wait()
            try:
                outcomes.append(migrate.apply(own, Group(THREE)))
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=runner) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [outcome.by_other for outcome in outcomes].count(False) == 1
    assert names(database) == ["a-users", "b-posts", "c-index"]
    assert database.query("SELECT count(*) FROM posts")[0][0] == 1


def test_the_former_systems_ledger_is_read(database: Database) -> None:
    database.transaction(
        [
            Statement(
                "CREATE TABLE _migrations (id INTEGER PRIMARY KEY AUTOINCREMENT,"
                " filename TEXT NOT NULL UNIQUE, name TEXT NOT NULL, checksum TEXT NOT NULL,"
                " applied_at TEXT NOT NULL DEFAULT (datetime('now')), execution_time_ms INTEGER,"
                " status TEXT DEFAULT 'success')"
            ),
            Statement(
                "INSERT INTO _migrations (filename, name, checksum, execution_time_ms, status)"
                " VALUES ('a-users.sql', 'Users', 'abc', 12, 'success'),"
                " ('b-posts.sql', 'Posts', 'def', NULL, 'failed')"
            ),
            *[Statement(fragment.sql) for fragment in (*USERS.up, *POSTS.up)],
        ]
    )
    assert [(row.name, row.text) for row in migration_history.read(database)] == [
        ("a-users", None),
        ("b-posts", None),
    ]
    with pytest.raises(Refused):
        run(database, THREE)
    migrate.stamp(database, [USERS, POSTS])
    (outcome,) = run(database, THREE)
    assert outcome.names == ["c-index"]
    assert migration_history.read(database)[0].text == USERS.text


def test_a_ledger_whose_tool_kept_no_texts_is_led_to_the_baseline(local: Database) -> None:
    run(local, THREE)
    local.execute("DELETE FROM _migration_texts")
    local.execute("UPDATE _migrations SET checksum = 'abc' WHERE filename <> 'c-index.sql'")
    with pytest.raises(Refused, match="edited after") as caught:
        run(local, THREE)
    assert "applied by another tool" in caught.value.why
    assert caught.value.remedy.startswith("inv migrate.baseline --to c-index;")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE _migrations SET execution_time_ms = 'soon'",
        "UPDATE _migrations SET name = x'ff'",
        "UPDATE _migration_texts SET text = x'789c'",
    ],
)
def test_a_ledger_that_somebody_wrote_into_is_told(database: Database, sql: str) -> None:
    run(database, THREE)
    database.execute(sql)
    with pytest.raises(Refused, match=r"The row of a-users\.sql in _migrations") as caught:
        migration_history.read(database)
    assert "by hand" in caught.value.remedy


def test_another_tables_name_is_not_taken_for_the_ledger(database: Database) -> None:
    database.execute("CREATE TABLE _migrations (version)")
    with pytest.raises(Refused, match="not this tool's"):
        migration_history.read(database)


def test_drift_is_shown_and_spelling_is_not() -> None:
    files = {("table", "t"): "CREATE TABLE t (a INTEGER, b TEXT)"}
    same = {("table", "t"): 'create table "t" ( a integer , -- c\n b text)'}
    other = {
        ("table", "t"): "CREATE TABLE t (a INTEGER)",
        ("index", "i"): "CREATE INDEX i ON t (a)",
    }
    assert schema.difference(files, same) == []
    shown = "\n".join(schema.difference(files, other))
    assert "+CREATE INDEX i ON t (a)" in shown
    assert "-CREATE TABLE t (a INTEGER, b TEXT)" in shown
    assert schema.difference({}, {("table", "t"): "CREATE TABLE t (a DEFAULT 'X')"})
    assert schema.difference(
        {("table", "t"): "CREATE TABLE t (a DEFAULT 'x')"},
        {("table", "t"): "CREATE TABLE t (a DEFAULT 'X')"},
    )


def test_a_long_rehearsal_is_told() -> None:
    assert forecast.slow(0.1, {"a.sql": 0.1}) == ""
    assert "the longest is a.sql (2.9 s)" in forecast.slow(3.0, {"a.sql": 2.9, "b.sql": 0.1})
    assert "one after the other" in forecast.slow(4.0, {"a.sql": 2.0, "b.sql": 2.0})


@pytest.mark.slow
def test_a_transaction_that_the_server_ends_is_named_with_the_way_on(remote: Database) -> None:
    """A real one: it holds the lock for longer than 5 s while another writer waits."""
    remote.execute("CREATE TABLE t (v)")
    numbers = "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 15000000)"
    long = [file(f"a-{n}", f"INSERT INTO t {numbers} SELECT max(i) FROM c") for n in range(8)]
    waiting = threading.Timer(1.0, lambda: write_once(remote.url))
    waiting.start()
    try:
        with pytest.raises(DeployError, match="ended the transaction") as caught:
            migrate.apply(remote, Group(long))
    finally:
        waiting.join()
    assert "inv migrate.plan" in caught.value.remedy
    assert [row[0] for row in remote.query("SELECT v FROM t")] == [0]


def write_once(url: str) -> None:
    with connect(url) as other:
        other.execute("INSERT INTO t VALUES (0)")


@pytest.mark.parametrize(
    ("up", "back"),
    [
        ("0001.a", "0001.a.rollback"),  # yoyo
        ("V1__a", "U1__a"),  # Flyway
        ("001.do", "001.undo"),  # postgrator
        ("2015-a-up", "2015-a-down"),  # db-migrate
        ("1_a", "1_a_down"),
        ("1_a_up", "1_a_DOWN"),
    ],
)
def test_the_way_back_of_another_tool_is_not_run_as_a_migration(up: str, back: str) -> None:
    files = [
        parse(f"{up}.sql", "-- irreversible: no\nCREATE TABLE t (v)"),
        parse(f"{back}.sql", "-- irreversible: no\nDROP TABLE t"),
    ]
    with pytest.raises(Refused, match=f"{back}.sql looks like the way back of {up}"):
        check(State(files, []))
    named = parse(f"{back}.sql", f"-- depends: {up}\n{files[1].text}")
    check(State([files[0], named], []))
    check(State([parse("x.sql", files[0].text), files[1]], []))
