"""Dangers in migrations, by known answers; and the files of an expansion, run on both homes."""

from __future__ import annotations

from pathlib import Path

import pytest

from xswarm_deploy.database import expand, lint, migrate, migrations, schema
from xswarm_deploy.database.client import Database, Statement
from xswarm_deploy.database.migrations import Migration, parse
from xswarm_deploy.database.statements import split
from xswarm_deploy.errors import Refused

HOUSE = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT);
CREATE INDEX users_name ON users (name);
CREATE TRIGGER seen AFTER INSERT ON users BEGIN SELECT 1; END;
CREATE TABLE posts (id INTEGER PRIMARY KEY, u REFERENCES users (id));
CREATE INDEX posts_u ON posts (u);
CREATE TABLE bills (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
"""
ROWS = {"users": 2_000_000, "posts": 0}
COPY = (
    "CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT, email TEXT NOT NULL);"
    " INSERT INTO n SELECT * FROM users; DROP TABLE users; ALTER TABLE n RENAME TO users"
)
COUNTED = (
    "CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO n SELECT * FROM bills;"
    " DROP TABLE bills; ALTER TABLE n RENAME TO bills"
)
SEQUENCE = (
    "UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'bills')"
    " WHERE name = 'n'"
)

KNOWN = {
    "DROP TABLE posts": ["drops-table"],
    "drop /**/ table main.[posts]": ["drops-table"],
    "ALTER TABLE posts RENAME TO letters": ["renames-table"],
    "ALTER TABLE users RENAME COLUMN email TO mail": ["renames-column"],
    "ALTER TABLE users DROP COLUMN email": ["drops-column"],
    "ALTER TABLE users ADD COLUMN age INTEGER NOT NULL": ["not-null-without-default"],
    "ALTER TABLE users ADD COLUMN age INTEGER NOT NULL DEFAULT 0": [],
    "ALTER TABLE users ADD COLUMN age INTEGER": [],
    "CREATE UNIQUE INDEX one ON users (email)": ["unique-on-filled"],
    "CREATE UNIQUE INDEX one ON posts (u)": [],
    "CREATE INDEX many ON users (email)": [],
    "CREATE TABLE likes (p REFERENCES posts (id))": ["foreign-key-without-index"],
    "CREATE TABLE likes (p REFERENCES posts (id)); CREATE INDEX l ON likes (p)": [],
    "CREATE TABLE likes (p REFERENCES posts (id) UNIQUE)": [],
    "CREATE TABLE likes (p INTEGER PRIMARY KEY REFERENCES posts (id))": [],
    "CREATE TABLE likes (a, p REFERENCES posts (id), PRIMARY KEY (p, a)) WITHOUT ROWID": [],
    "CREATE TABLE likes (a, p REFERENCES posts (id), PRIMARY KEY (a, p))": [
        "foreign-key-without-index"
    ],
    "ALTER TABLE users ADD COLUMN best REFERENCES posts (id)": ["foreign-key-without-index"],
    COPY: ["rebuilds-table", "lost-with-rebuild", "lost-with-rebuild"],
    f"{COPY}; CREATE INDEX users_name ON users (name)": ["rebuilds-table", "lost-with-rebuild"],
    f"DROP INDEX users_name; {COPY}": ["rebuilds-table", "lost-with-rebuild"],
    f"DROP INDEX posts_u; {COPY}": ["rebuilds-table", "lost-with-rebuild", "lost-with-rebuild"],
    COUNTED: ["rebuilds-table", "sequence-restarts"],
    COUNTED.replace("AUTOINCREMENT", ""): ["rebuilds-table", "sequence-restarts"],
    COUNTED.replace("DROP", f"{SEQUENCE}; DROP"): ["rebuilds-table"],
    "CREATE TABLE t (v); INSERT INTO t VALUES (1); DROP TABLE t": [],
    "INSERT INTO users (name) VALUES ('DROP TABLE users')": [],
    'DELETE FROM users WHERE "gone" <> 0': ["text-in-double-quotes"],
    'DELETE FROM users WHERE "name" = "ann" OR "email" IS NULL': ["text-in-double-quotes"],
    'DELETE FROM users WHERE "name" = \'"\'': [],
    'INSERT INTO users ("name") VALUES ("ann")': [],
    'INSERT INTO users (name) SELECT "gone" FROM posts': ["text-in-double-quotes"],
}


def file(up: str, header: str = "", down: str = "SELECT 1;") -> Migration:
    return parse("m.sql", f"{header}-- migrate:up\n{up};\n-- migrate:down\n{down}")


@pytest.fixture
def home(database: Database) -> Database:
    database.transaction([Statement(fragment.sql) for fragment in split(HOUSE)])
    return database


def found(database: Database, *files: Migration) -> list[lint.Finding]:
    return lint.lint(database.query(schema.SELECT.sql), files, ROWS)


@pytest.mark.parametrize(("sql", "rules"), KNOWN.items())
def test_known_answers(home: Database, sql: str, rules: list[str]) -> None:
    findings = found(home, file(sql))
    assert [finding.rule for finding in findings] == rules
    assert all(finding.what and finding.safe for finding in findings)


def test_a_rebuild_says_how_long_it_takes_on_the_rows_there_are(home: Database) -> None:
    (rebuilt, *_) = found(home, file(COPY))
    assert rebuilt.what.startswith("makes users anew: 2000000 rows, about 8.0 s")
    assert "may be ended after 5 s" in rebuilt.what


def test_a_sequence_can_be_kept_as_the_lint_says(home: Database) -> None:
    home.execute("INSERT INTO bills VALUES (90, 'paid')")
    home.execute("INSERT INTO bills VALUES (91, 'deleted')")
    home.execute("DELETE FROM bills WHERE id = 91")
    (*_, finding) = found(home, file(COUNTED))
    safe = finding.safe.removeprefix("before the drop: ").replace("NEW_TABLE", "n")
    kept = COUNTED.replace("DROP", f"{safe}; DROP")
    migrate.apply(home, migrate.Group([file(kept)]))
    home.execute("INSERT INTO bills (v) VALUES ('new')")
    assert home.query("SELECT max(id) FROM bills")[0][0] == 92


def test_what_was_thought_of_is_accepted(home: Database) -> None:
    drop = "DROP TABLE posts"
    assert found(home, file(drop, "-- accepts: drops-table\n")) == []
    assert found(home, file(drop, "-- compatible: no\n")) == []
    (kept,) = found(home, file(drop, "-- accepts: renames-table\n"))
    assert kept.rule == "drops-table"


def test_what_cannot_be_taken_back_is_named(home: Database) -> None:
    one_way = parse("m.sql", "-- irreversible: rows are merged\n-- migrate:up\nSELECT 1;")
    (finding,) = found(home, one_way)
    assert (finding.rule, finding.what) == ("no-way-back", "cannot be taken back: rows are merged")


def test_a_table_of_an_earlier_pending_file_counts_as_there(home: Database) -> None:
    first = file("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    (finding,) = found(home, first, file("DROP TABLE t"))
    assert finding.rule == "drops-table"


def test_the_services_own_migrations_have_a_way_back() -> None:
    findings = lint.lint([], migrations.read(Path("migrations")), {})
    assert "no-way-back" not in {finding.rule for finding in findings}


# --- expansions ---------------------------------------------------------------------------

TABLE = parse(
    "a.sql",
    "-- migrate:up\nCREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n"
    "INSERT INTO users VALUES (1, 'first'), (2, NULL);\n-- migrate:down\nDROP TABLE users;",
)


def both(asked: str = "users.name:full name") -> tuple[Migration, Migration]:
    made = expand.pair(asked, [TABLE])
    later = parse("c.sql", f"-- compatible: no\n{made.contract}")
    return parse("b.sql", made.expand), later


def names(database: Database) -> list[tuple[object, object]]:
    rows = database.query('SELECT name, "full name" FROM users ORDER BY id')
    return [(row[0], row[1]) for row in rows]


def test_old_and_new_code_write_beside_each_other(database: Database) -> None:
    expanded, contracted = both()
    assert found(database, TABLE, expanded) == []
    migrate.apply(database, migrate.Group([TABLE, expanded]))
    assert names(database) == [("first", "first"), (None, None)]
    database.execute("INSERT INTO users (name) VALUES ('by the old')")
    database.execute("INSERT INTO users (\"full name\") VALUES ('by the new')")
    database.execute("UPDATE users SET name = 'old again' WHERE id = 1")
    database.execute("UPDATE users SET \"full name\" = 'new again' WHERE id = 2")
    expected = ["old again", "new again", "by the old", "by the new"]
    assert names(database) == [(name, name) for name in expected]
    migrate.apply(database, migrate.Group([contracted]))
    rows = database.query("SELECT * FROM users ORDER BY id")
    assert [row.values_in_order[1] for row in rows] == expected


@pytest.mark.parametrize(
    "table",
    [
        "(id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '' COLLATE NOCASE)",
        "(id INTEGER PRIMARY KEY, name TEXT DEFAULT 'none')",
        "(id TEXT, k INT, name TEXT DEFAULT '', PRIMARY KEY (id, k)) WITHOUT ROWID",
        "(id INTEGER PRIMARY KEY, rowid TEXT DEFAULT 'same', name TEXT DEFAULT '')",
        '(id TEXT, "ROWID" TEXT DEFAULT 1, _rowid_ DEFAULT 1, name TEXT DEFAULT (1 + 1))',
    ],
)
def test_what_either_code_writes_is_in_both_columns(database: Database, table: str) -> None:
    first = parse("a.sql", f"CREATE TABLE users {table}")
    made = expand.pair("users.name:full name", [first])
    migrate.apply(database, migrate.Group([first, parse("b.sql", made.expand)]))
    key = "id, k" if "WITHOUT" in table else "id"
    one, two = ("'1', 1", "'2', 1") if "WITHOUT" in table else ("1", "2")
    database.execute(f"INSERT INTO users ({key}, name) VALUES ({one}, 'old')")
    database.execute(f"INSERT INTO users ({key}, \"full name\") VALUES ({two}, 'new')")
    assert names(database) == [("old", "old"), ("new", "new")]
    database.execute("UPDATE users SET name = 'one' WHERE id = 1")
    database.execute("UPDATE users SET \"full name\" = 'two' WHERE id = 2")
    assert names(database) == [("one", "one"), ("two", "two")]
    assert ("COLLATE" in table) == bool(
        database.query("SELECT 1 FROM users WHERE \"full name\" = 'ONE'")
    )
    migrate.apply(database, migrate.Group([parse("c.sql", made.contract)]))
    rows = database.query('SELECT "full name" FROM users ORDER BY id')
    assert [row[0] for row in rows] == ["one", "two"]


def test_an_expansion_goes_back_and_so_does_its_end(database: Database) -> None:
    from xswarm_deploy.database import migration_history

    expanded, contracted = both()
    migrate.apply(database, migrate.Group([TABLE, expanded, contracted]))
    for left in (2, 1):
        rows = migration_history.read(database)
        migrate.take_back(database, migrate.chosen_down(rows))
        assert len(migration_history.read(database)) == left
        if left == 2:
            assert names(database)[0] == ("first", "first")
    assert set(schema.read(database)) == {("table", "users")}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("users.name", "is not TABLE.OLD:NEW"),
        ("users.nothing:x", "make no column users.nothing"),
        ("users.name:id", "users.id is there already"),
        ("needed.v:w", "NOT NULL without a default"),
        ("keys.k:w", "is of the primary key"),
        ("keys.u:w", "cannot drop UNIQUE column"),
        ("keys.seen:w", "error in view"),
        ("full.v:w", "no name of the rowid is left"),
    ],
)
def test_what_cannot_be_expanded_is_refused(asked: str, why: str) -> None:
    needed = parse(
        "n.sql",
        "CREATE TABLE needed (v TEXT NOT NULL); CREATE TABLE full (rowid, oid, _rowid_, v);"
        "CREATE TABLE keys (k PRIMARY KEY DEFAULT 1, u UNIQUE, seen) WITHOUT ROWID;"
        "CREATE VIEW looking AS SELECT seen FROM keys",
    )
    with pytest.raises(Refused, match=why):
        expand.pair(asked, [TABLE, needed])
