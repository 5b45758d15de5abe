"""A table that is made anew holds every row of before, as it was, or the migration is refused.

The judge is the sqlite3 module: it runs each rebuild on a copy of the file with foreign keys off,
and the rows of before and after are compared here. GUARD_CASES sets how many random rebuilds are
tried (10000 is the full number), GUARD_FIRST which is the first.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.database.test_guards import apply, migration
from tests.support.sqld import empty
from xswarm_deploy.database import copies, forecast, migrate, script, shapes
from xswarm_deploy.database.client import Database, Statement, Value, connect
from xswarm_deploy.database.migrate import Group
from xswarm_deploy.database.statements import split
from xswarm_deploy.errors import DeployError, Refused

HOUSE = """
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone TEXT);
INSERT INTO t VALUES (1, 'Ann', 'a@x', '0041'), (2, 'bob', 'b@x', '42'), (3, NULL, 'c@x', '');
CREATE TABLE plain (a TEXT, b);
INSERT INTO plain VALUES ('x', 1), ('x', 1), ('y', NULL);
CREATE TABLE uuids (id TEXT PRIMARY KEY, v TEXT COLLATE NOCASE);
INSERT INTO uuids VALUES ('u1', 'A'), ('u2', 'b'), (NULL, 'c'), (NULL, 'c');
"""
REST = "DROP TABLE t; ALTER TABLE n RENAME TO t"
NEW = "CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone TEXT)"
AGAIN = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone TEXT)"
STASH = "CREATE TABLE s AS SELECT * FROM t"
PLAIN = "DROP TABLE plain; ALTER TABLE n RENAME TO plain"
UUIDS = "DROP TABLE uuids; ALTER TABLE n RENAME TO uuids"
COLUMN = "ALTER TABLE t DROP COLUMN email; ALTER TABLE t RENAME COLUMN c TO email"
KEPT = {
    "another order, by name": "CREATE TABLE n (email, phone, name TEXT, id INTEGER PRIMARY KEY);"
    f" INSERT INTO n (id, name, email, phone) SELECT id, name, email, phone FROM t; {REST}",
    "an expression": f"{NEW}; INSERT INTO n SELECT id, name, email || '!', phone FROM t; {REST}",
    "a value of its own": f"{NEW}; INSERT INTO n SELECT id, name, email, NULL FROM t; {REST}",
    "an UPDATE of the new table": f"{NEW}; INSERT INTO n SELECT * FROM t;"
    f" UPDATE n SET email = 'none'; {REST}",
    "an UPDATE of the stash": f"{STASH}; UPDATE s SET name = 'x' WHERE name IS NULL; DROP TABLE t;"
    f" {AGAIN}; INSERT INTO t SELECT * FROM s; DROP TABLE s",
    "an expression in the stash": "CREATE TABLE s AS SELECT id, name, trim(email) || '.' email,"
    f" phone FROM t; DROP TABLE t; {NEW}; INSERT INTO n SELECT * FROM s;"
    " ALTER TABLE n RENAME TO t",
    "a seed after it": f"{NEW}; INSERT INTO n SELECT * FROM t; {REST};"
    " INSERT INTO t (id) VALUES (9)",
    "numbers as numbers": "CREATE TABLE n (a TEXT, b INTEGER);"
    f" INSERT INTO n SELECT * FROM plain; {PLAIN}",
    "keys of text": "CREATE TABLE n (id TEXT PRIMARY KEY, v TEXT, w DEFAULT 1);"
    f" INSERT INTO n (id, v) SELECT id, v FROM uuids; {UUIDS}",
    "a column by another": f"ALTER TABLE t ADD COLUMN c TEXT; UPDATE t SET c = email; {COLUMN}",
    "emptied and filled": "CREATE TABLE s AS SELECT * FROM plain; DELETE FROM plain;"
    " INSERT INTO plain SELECT * FROM s; DROP TABLE s",
}
REFUSED = {
    "another order, by place": (
        "CREATE TABLE n (id INTEGER PRIMARY KEY, email TEXT, name TEXT, phone TEXT);"
        f" INSERT INTO n SELECT * FROM t; {REST}",
        "change 3 of 3 values of name of t",
        "-- changes: t.name",
    ),
    "names the other way round": (
        f"{NEW}; INSERT INTO n (id, email, name) SELECT id, name, email FROM t; {REST}",
        "change 3 of 3 values of name of t",
        "-- changes: t.name",
    ),
    "one goes, one comes": (
        f"{NEW}; INSERT INTO n SELECT * FROM t WHERE id < 3; INSERT INTO n (id) VALUES (4); {REST}",
        "remove 1 of 3 rows of t",
        "-- removes: t",
    ),
    "other numbers": (
        f"{NEW}; INSERT INTO n (name, email, phone) SELECT name, email, phone FROM t"
        f" ORDER BY id DESC; {REST}",
        "change 2 of 3 values of name of t",
        "-- changes: t.name",
    ),
    "texts into numbers": (
        "CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone INTEGER);"
        f" INSERT INTO n SELECT * FROM t; {REST}",
        "change 1 of 3 values of phone of t",
        "-- changes: t.phone",
    ),
    "one of two alike": (
        "CREATE TABLE n (a TEXT, b); INSERT INTO n SELECT DISTINCT * FROM plain;"
        f" INSERT INTO n VALUES ('z', 3); {PLAIN}",
        "remove 1 of 3 rows of plain",
        "-- removes: plain",
    ),
    "NULL keys": (
        "CREATE TABLE n (id TEXT PRIMARY KEY, v TEXT); INSERT INTO n SELECT DISTINCT * FROM uuids;"
        f" INSERT INTO n VALUES ('u3', 'c'); {UUIDS}",
        "remove 1 of 4 rows of uuids",
        "-- removes: uuids",
    ),
    "letters of another case": (
        "CREATE TABLE n (id TEXT PRIMARY KEY, v TEXT COLLATE NOCASE); CREATE TRIGGER k AFTER INSERT"
        " ON n BEGIN UPDATE n SET v = lower(v) WHERE v = new.v; END;"
        f" INSERT INTO n SELECT * FROM uuids; {UUIDS}",
        "change 1 of 4 values of v of uuids",
        "-- changes: uuids.v",
    ),
    "a generated column instead": (
        "CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone AS (name || '1'));"
        f" INSERT INTO n SELECT id, name, email FROM t; {REST}",
        "change 3 of 3 values of phone of t",
        "-- changes: t.phone",
    ),
    "a column by another, in part": (
        f"ALTER TABLE t ADD COLUMN c TEXT; UPDATE t SET c = email WHERE id = 1; {COLUMN}",
        "remove 2 of 3 values of email of t",
        "-- changes: t.email",
    ),
    "emptied, and filled in part": (
        "CREATE TABLE s AS SELECT * FROM plain LIMIT 2; DELETE FROM plain;"
        " INSERT INTO plain SELECT * FROM s; DROP TABLE s",
        "remove 1 of 3 rows of plain",
        "-- removes: plain",
    ),
    "twice in one file": (
        f"{NEW}; INSERT INTO n SELECT * FROM t; {REST}; {NEW};"
        f" INSERT INTO n SELECT id, email, name, phone FROM t; {REST}",
        "change 3 of 3 values of name of t",
        "-- changes: t.name",
    ),
}


@pytest.fixture
def house(database: Database) -> Database:
    database.transaction([Statement(fragment.sql) for fragment in split(HOUSE)])
    return database


@pytest.mark.slow
def test_rebuilds_keep_values_or_are_refused_by_name(house: Database) -> None:
    """All spellings, one after the other, on one database that is made anew by hand each time."""
    for name, sql in KEPT.items():
        migrate.rehearse(house, Group([migration(sql)])), name
    for name, (sql, why, remedy) in REFUSED.items():
        with pytest.raises(Refused) as caught:
            migrate.rehearse(house, Group([migration(sql)]))
        assert f"b.sql would {why}" in str(caught.value), name
        assert caught.value.remedy.endswith(remedy), name
    assert house.query("SELECT count(*) FROM t")[0][0] == 3
    apply(house, migration(KEPT["an expression"]))
    names = [row.text(0) for row in house.query("SELECT name FROM sqlite_schema")]
    assert not any(name.startswith(("_migration_rows", "_migration_number")) for name in names)


def test_a_file_may_say_that_values_change(local: Database) -> None:
    local.transaction([Statement(fragment.sql) for fragment in split(HOUSE)])
    sql = REFUSED["another order, by place"][0]
    with pytest.raises(Refused, match="values of email"):
        apply(local, migration(sql, "-- changes: T.Name\n"))
    with pytest.raises(Refused, match="rows of t"):
        apply(local, migration(REFUSED["one goes, one comes"][0], "-- changes: t\n"))
    apply(local, migration(sql, "-- changes: t.name, t.email\n"))
    assert local.query("SELECT name FROM t WHERE id = 1")[0][0] == "a@x"


def test_the_plan_says_which_columns_are_written_anew(local: Database) -> None:
    local.transaction([Statement(fragment.sql) for fragment in split(HOUSE)])
    told = forecast.notes(local, Group([migration(KEPT["an expression"])]))
    assert "writes t.email anew, by its own words" in told
    assert not any(
        "anew" in note
        for note in forecast.notes(
            local, Group([migration(f"{NEW}; INSERT INTO n SELECT * FROM t; {REST}")])
        )
    )


def test_rows_are_held_only_where_no_filled_table_takes_the_place(local: Database) -> None:
    local.transaction([Statement(fragment.sql) for fragment in split(HOUSE)])
    held = {}
    for name in (
        "an expression",
        "a seed after it",
        "an UPDATE of the stash",
        "emptied and filled",
    ):
        parts = script.up_parts([migration(KEPT[name])])
        foreseen = migrate.foreseen_on(local, script.before(local).schema, parts)
        steps = [step for part in foreseen.parts for step in part]
        held[name] = any(
            "_migration_rows" in getattr(s, "statement", Statement("")).sql for s in steps
        )
    assert list(held.values()) == [False, False, True, True]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO n SELECT id, name FROM t", ""),
        ("INSERT INTO n SELECT * FROM t", ""),
        ("INSERT INTO n SELECT t.*, 1 FROM t", ""),
        ("INSERT INTO n SELECT id, lower(name) FROM t", "name"),
        ("insert or ignore into main.n(name, id) select trim(a), b from t", "name"),
        ("INSERT INTO n (id, name) SELECT DISTINCT x.id, main.x.\"name\" FROM t AS x", ""),
        ("REPLACE INTO n SELECT id, 5 FROM t", "name"),
        ("INSERT INTO n SELECT id, 1.5 FROM t", "name"),
        ("INSERT INTO n SELECT id, NULL AS name FROM t", "name"),
        ("INSERT INTO n SELECT id, \"null\" FROM t", ""),
        ("INSERT INTO n SELECT (SELECT max(a, b) FROM u), name FROM t", "id"),
        ("INSERT INTO n SELECT id, 'x' FROM t UNION SELECT 1, 2", ""),
        ("WITH w AS (SELECT lower(name) AS name FROM t) INSERT INTO n SELECT 1, name FROM w", "id"),
        ("INSERT INTO n WITH w AS (SELECT 1) SELECT id, upper(name) FROM t", "name"),
        ("CREATE TABLE n AS SELECT id, upper(name) AS name, a b, c || d e FROM t", "name,e"),
        ("CREATE TABLE n AS SELECT id, name AS email, email name FROM t", ""),
        ("CREATE TABLE n (a, b)", ""),
        ("INSERT INTO n VALUES (1, 2)", ""),
    ],
)  # fmt: skip
def test_what_an_author_writes_for_a_column_is_read(sql: str, expected: str) -> None:
    assert ",".join(sorted(copies.written_anew(sql, ["id", "name"]), reverse=True)) == expected


# --- random rebuilds --------------------------------------------------------------------

CASES = int(os.environ.get("GUARD_CASES", "150"))
FIRST = int(os.environ.get("GUARD_FIRST", "0"))
TYPES = (
    "TEXT",
    "INTEGER",
    "REAL",
    "NUMERIC",
    "BLOB",
    "",
    "VARCHAR(3)",
    "TEXT COLLATE NOCASE",
    "INT",
)
VALUES = (
    *("NULL", "1", "1.0", "0", "-7", "9007199254740993", "0.1", "0.1 + 0.2", "1e300"),
    *(
        "'1'",
        "'1.0'",
        "'01'",
        "' 1'",
        "'A'",
        "'a'",
        "''",
        "'1e2'",
        "'abc'",
        "x'61'",
        "x''",
        "x'31'",
    ),
    *("'12345678901234567890'", "'0.1'", "'ä'", "'a '", "-0.0"),
)
KEYS = (
    *("id INTEGER PRIMARY KEY", "id INTEGER PRIMARY KEY AUTOINCREMENT", "id TEXT PRIMARY KEY"),
    *("id", "id TEXT NOT NULL UNIQUE", "id ANY PRIMARY KEY", "id TEXT COLLATE NOCASE UNIQUE"),
)
CHECKS = (
    *[""] * 8,
    *(" UNIQUE", " UNIQUE ON CONFLICT IGNORE", " CHECK (length({c}) < 4)"),
    *(" NOT NULL DEFAULT 'd'", " NOT NULL ON CONFLICT IGNORE"),
)
COLUMNS = ("a", "b", "c")


class Case:
    """A random table, and one random way to make it anew.

    Args:
        seed: of the randomness.
    """

    def __init__(self, seed: int) -> None:
        self.random = draw = random.Random(seed)
        key = draw.choice(KEYS)
        without = " WITHOUT ROWID" * (
            "PRIMARY" in key and "AUTO" not in key and draw.random() < 0.3
        )
        types = [draw.choice(TYPES) for _ in COLUMNS]
        made = ", ".join([key, *(f"{c} {t}" for c, t in zip(COLUMNS, types, strict=True))])
        self.house = [f"CREATE TABLE t ({made}){without}", *self._rows()]
        if draw.random() < 0.15:
            self.house.append(
                "CREATE TRIGGER gone AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = '1'; END"
            )
        self.anew: set[str] = set()
        self.sql = ";\n".join(self._rebuild(key, types))

    def _rows(self) -> Iterator[str]:
        for number in range(self.random.randint(0, 6)):
            key = self.random.choice([str(number), f"'k{number}'", "NULL", "'K1'"])
            values = ", ".join(self.random.choice(VALUES) for _ in COLUMNS)
            yield f"INSERT INTO t VALUES ({key}, {values})"

    def _rebuild(self, key: str, types: Sequence[str]) -> list[str]:
        draw = self.random
        now = [
            f"{name} {kind if draw.random() < 0.6 else draw.choice(TYPES)}"
            f"{draw.choice(CHECKS).format(c=name)}"
            for name, kind in zip(COLUMNS, types, strict=True)
        ]
        if draw.random() < 0.15:
            now.append("d DEFAULT 'new'")
        if draw.random() < 0.1:
            now[0] = "a AS (b)"
        columns = [key if draw.random() < 0.7 else draw.choice(KEYS), *now]
        if draw.random() < 0.4:
            draw.shuffle(columns)
        shape = f"({', '.join(columns)})"
        new = draw.choice(["n", '"N"', "main.n", "[n]"])
        seed = [f"INSERT OR IGNORE INTO {new} (id) VALUES (77)"] * (draw.random() < 0.3)
        trigger = [
            "CREATE TRIGGER tr AFTER INSERT ON n BEGIN DELETE FROM n WHERE b IS NULL; END"
        ] * (draw.random() < 0.2)
        make = f"CREATE TABLE {new} {shape}"
        swap = ["DROP TABLE t", "ALTER TABLE n RENAME TO t"]
        stash = "CREATE TABLE s AS SELECT * FROM t"
        fill, back = self._copy(), f"CREATE TABLE t {shape}"

        def filled(target: str, source: str) -> str:
            return fill.replace("TARGET", target).replace("SOURCE", source)

        part = f"{stash}{draw.choice(['', ' LIMIT 2'])}"
        styles = [
            [make, *trigger, filled(new, "t"), *seed, *swap],
            [make, filled(new, "t"), *swap, "INSERT OR IGNORE INTO t (id) VALUES (78)"],
            [stash, "DROP TABLE t", back, filled("t", "s"), "DROP TABLE s"],
            ["ALTER TABLE t RENAME TO old", back, filled("t", "old"), "DROP TABLE old"],
            [part, "DELETE FROM t", "INSERT INTO t SELECT * FROM s", "DROP TABLE s"],
            [stash, make, filled(new, "s"), *swap, "DROP TABLE s"],
        ]
        chosen = draw.choice(styles)
        if chosen is styles[4]:
            self.anew = set()
        return chosen

    def _copy(self) -> str:
        draw = self.random
        verb = draw.choice([*["INSERT"] * 5, "INSERT OR IGNORE", "INSERT OR REPLACE", "REPLACE"])
        tail = draw.choice(
            [
                *[""] * 6,
                " WHERE a IS NOT NULL",
                " LIMIT 2",
                " WHERE TRUE",
                " GROUP BY a",
                " ORDER BY b",
            ]
        )
        if draw.random() < 0.25:
            return f"{verb} INTO TARGET SELECT * FROM SOURCE{tail}"
        items = {name: name for name in ("id", *COLUMNS)}
        kind = draw.random()
        if kind < 0.15:
            one, two = draw.sample(COLUMNS, 2)
            items[one], items[two] = two, one
        elif kind < 0.4:
            name = draw.choice(COLUMNS)
            self.anew.add(name)
            items[name] = draw.choice(
                ["lower({c})", "CAST({c} AS TEXT)", "{c} || ''", "NULL", "+{c}"]
            ).format(c=name)
        elif kind < 0.5:
            del items[draw.choice([*COLUMNS, "id"])]
        listed = list(items)
        draw.shuffle(listed)
        chosen = ", ".join(items[name] for name in listed)
        return f"{verb} INTO TARGET ({', '.join(listed)}) SELECT {chosen} FROM SOURCE{tail}"


def rows(connection: sqlite3.Connection) -> tuple[dict[str, str], list[dict[str, Value]]]:
    """Return the columns of t with their affinities, and its rows."""
    shape = shapes.read(lambda sql, *given: connection.execute(sql, given).fetchall(), "t")
    cursor = connection.execute("SELECT * FROM t")
    names = [column[0] for column in cursor.description]
    found = [dict(zip(names, row, strict=True)) for row in cursor]
    return {name: each.affinity for name, each in shape.fields.items()}, found


def lost(before: Path, after: Path, anew: set[str]) -> int:
    """Return how many rows of t are not in it any more, but for columns written anew."""
    with closing(sqlite3.connect(before)) as one, closing(sqlite3.connect(after)) as two:
        (had, old), (have, new) = rows(one), rows(two)
        columns = sorted(had.keys() & have.keys() - anew)
        counted = [
            Counter(tuple(_plain(one, row[c], had[c], have[c]) for c in columns) for row in side)
            for side in (old, new)
        ]
    return (counted[0] - counted[1]).total()


def _plain(judge: sqlite3.Connection, value: Value, one: str, two: str) -> tuple[str, Value]:
    """Return a value that equals another where nothing is lost between them."""
    numbers = {"INTEGER", "REAL", "NUMERIC"}
    if isinstance(value, (int, float)) and one != two and not {one, two} <= numbers:
        (text,) = judge.execute("SELECT CAST(? AS TEXT)", (value,)).fetchone()
        return ("text", text) if float(text) == value or isinstance(value, int) else ("", value)
    kind = "text" if isinstance(value, str) else "blob" if isinstance(value, bytes) else ""
    return kind, value


def judged(case: Case, database: Database, folder: Path) -> str:
    """Run a case, and say how it ended; fail where that is not what SQLite's own rows say."""
    before, plain = folder / "before.db", folder / "plain.db"
    with closing(sqlite3.connect(before)) as one, closing(sqlite3.connect(plain)) as two:
        one.backup(two)
        two.execute("PRAGMA recursive_triggers = ON")
        try:
            two.executescript(f"BEGIN; {case.sql}; COMMIT")
            ran = True
        except sqlite3.Error:
            ran = False
    missing = lost(before, plain, case.anew) if ran else 0
    refusal = None
    try:
        apply(database, migration(case.sql))
    except DeployError as error:
        refusal = error
    assert bool(missing) or not ran if refusal else ran and not missing, (refusal, vars(case))
    return ("refused" if ran else "failed") if refusal else "kept"


def build(case: Case, path: Path) -> list[str]:
    path.unlink(missing_ok=True)
    taken = []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for sql in case.house:
            try:
                connection.execute(sql)
            except sqlite3.Error:
                continue
            taken.append(sql)
    return taken


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_random_rebuilds_keep_every_value_or_are_refused(tmp_path: Path) -> None:
    ended: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + CASES):
        case = Case(seed)
        build(case, tmp_path / "before.db")
        for name in ("plain.db", "own.db"):
            (tmp_path / name).unlink(missing_ok=True)
        build(case, tmp_path / "own.db")
        with connect(f"file:{tmp_path / 'own.db'}") as database:
            ended[judged(case, database, tmp_path)] += 1
    print(dict(ended))  # noqa: T201 - the counts are the claim
    assert min(ended["kept"], ended["refused"]) > CASES / 10


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_random_rebuilds_keep_every_value_on_libsqls_server(
    remote: Database, tmp_path: Path
) -> None:
    ended: Counter[str] = Counter()
    for seed in range(CASES // 10):
        case = Case(seed)
        taken = build(case, tmp_path / "before.db")
        (tmp_path / "plain.db").unlink(missing_ok=True)
        remote.transaction([Statement(sql) for sql in taken])
        ended[judged(case, remote, tmp_path)] += 1
        empty(remote)
    print(dict(ended))  # noqa: T201 - the counts are the claim
    assert ended["kept"]
