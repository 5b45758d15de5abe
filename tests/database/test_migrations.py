"""Migration files: parts, options, order, and what they must not say."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xswarm_deploy.database import migrations, statements
from xswarm_deploy.database.migrations import Migration, parse, read
from xswarm_deploy.errors import Refused

ORIGINAL_ORDER = [
    "schema",
    "auth",
    "teams",
    "projects",
    "messages",
    "buzz",
    "suggestions",
    "email-marketing",
    "scheduler",
    "claude_code_sessions",
    "add-subscription-tier",
]


def make(name: str, depends: str = "", up: str = "SELECT 1", down: str = "SELECT 2") -> Migration:
    header = f"-- depends: {depends}\n" if depends else ""
    return parse(f"{name}.sql", f"{header}-- migrate:up\n{up};\n-- migrate:down\n{down};\n")


def test_the_services_files_run_in_the_order_it_always_had() -> None:
    found = migrations.read(Path("migrations"))
    assert [item.name for item in found] == ORIGINAL_ORDER
    assert [fault for item in found for fault in item.faults] == []
    assert [item.name for item in found if item.critical] == [
        "schema",
        "auth",
        "messages",
        "scheduler",
    ]


def test_parts_and_options() -> None:
    found = parse(
        "a.sql",
        "-- name: Some Words\n-- depends: b, c.sql\n-- compatible: no\n-- critical: no\n"
        "-- transaction: none\n\n-- migrate:up\n-- about t\nCREATE TABLE t (v);\n\n"
        "INSERT INTO t VALUES ('-- migrate:down');\n-- migrate:down\nDROP TABLE t;\n",
    )
    assert (found.name, found.title, found.depends) == ("a", "Some Words", ("b", "c"))
    assert (found.compatible, found.critical, found.transactional) == (False, False, False)
    assert [(item.sql, item.line) for item in found.up] == [
        ("CREATE TABLE t (v)", 9),
        ("INSERT INTO t VALUES ('-- migrate:down')", 11),
    ]
    assert [(item.sql, item.line) for item in found.down] == [("DROP TABLE t", 13)]


def test_a_file_without_marks_is_one_up_part() -> None:
    found = parse("a.sql", "CREATE TABLE t (v);\nCREATE TABLE u (v);")
    assert [item.line for item in found.up] == [1, 2]
    assert found.down == ()
    assert found.compatible
    assert found.critical


def test_dbmates_way_to_say_no_transaction() -> None:
    assert not parse("a.sql", "-- migrate:up transaction:false\nSELECT 1;").transactional


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("migrate:up", "migrate:down"),
        ("+goose Up", "+goose Down"),
        ("+goose up", "+goose down"),
        ("+migrate Up", "+migrate Down"),
        ("+micrate Up", "+micrate Down"),
        ("Up Migration", "Down Migration"),
        ("Up", "Down"),
    ],
)
def test_the_marks_of_other_tools_tell_the_parts(up: str, down: str) -> None:
    found = parse(
        "a.sql",
        f"-- {up}\n-- +goose StatementBegin\nCREATE TABLE t (v);\n-- +goose StatementEnd\n"
        f"-- {down}\nDROP TABLE t;\n",
    )
    assert [item.sql for item in (*found.up, *found.down)] == ["CREATE TABLE t (v)", "DROP TABLE t"]
    assert found.transactional


def test_goose_and_sql_migrate_say_no_transaction_in_their_way() -> None:
    assert not parse("a.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;").transactional
    assert not parse("a.sql", "-- +migrate Up notransaction\nSELECT 1;").transactional
    assert not parse("a.sql", "-- no-transaction\nSELECT 1;").transactional  # sqlx
    assert not parse("a.sql", "-- atlas:txmode none\n\nSELECT 1;").transactional
    assert parse("a.sql", "SELECT 1;\n-- no-transaction\nSELECT 2;").transactional


def test_a_word_alone_is_no_mark() -> None:
    assert len(parse("a.sql", "SELECT 1;\n-- down\nSELECT 2;").up) == 2
    with pytest.raises(Refused, match="has a part -- //@UNDO"):
        parse("a.sql", "SELECT 1;\n-- //@UNDO\nSELECT 2;")


@pytest.mark.parametrize(
    "names",
    [
        ["1_a.sql", "2_b.sql", "10_c.sql"],
        ["V1__a.sql", "V2__b.sql", "V11__c.sql"],
        ["9_a/migration.sql", "10_b/migration.sql", "c.sql"],
        ["0009_a.sql", "0010_b.sql", "20250101000000_c.sql"],
    ],
)
def test_numbers_in_front_of_names_order_them(tmp_path: Path, names: list[str]) -> None:
    for name in reversed(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("SELECT 1;")
    expected = [name.replace("/migration.sql", ".sql") for name in names]
    assert [file.filename for file in migrations.read(tmp_path)] == expected


@pytest.mark.parametrize(
    ("name", "others", "kind"),
    [
        ("20251201_init.js", [], "knex"),
        ("2025-12-01T10.ts", [], "kysely"),
        ("20251201_init.mjs", ["0001_a.sql"], "JavaScript"),
        ("20251201_create_users.rb", [], "Rails"),
        ("0001_initial.py", ["__init__.py"], "Django"),
        ("a1b2c3_init.py", [], "Alembic"),
        ("Migration20251201.ts", ["Migration20251201.d.ts"], "MikroORM"),
    ],
)
def test_migrations_that_are_programs_are_refused_by_name(
    tmp_path: Path, name: str, others: list[str], kind: str
) -> None:
    for each in (name, *others):
        (tmp_path / each).write_text("-- a text\nSELECT 1;")
    with pytest.raises(
        Refused, match=f"1 of the migrations .* are programs, e.g. {name}"
    ) as caught:
        migrations.read(tmp_path)
    assert kind in caught.value.why
    assert "inv migrate.baseline" in caught.value.remedy


def test_programs_that_are_no_migrations_are_left_alone(tmp_path: Path) -> None:
    for name in ("index.ts", "schema.ts", "0001_a.sql", "meta.js"):
        (tmp_path / name).write_text("SELECT 1;")
    assert [file.filename for file in migrations.read(tmp_path)] == ["0001_a.sql"]


def test_a_folder_whose_files_are_further_below_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sqlite").mkdir()
    (tmp_path / "sqlite/0001_a.sql").write_text("SELECT 1;")
    with pytest.raises(Refused, match="is below it") as caught:
        migrations.read(tmp_path)
    assert caught.value.remedy == f"set deploy.migrations.directory to {tmp_path}/sqlite"


def test_a_file_in_capitals_is_not_passed_over_and_hidden_ones_are(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("SELECT 1")
    (tmp_path / "._1.sql").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".#1.sql").symlink_to("somebody@somewhere.1")
    assert [one.filename for one in read(tmp_path)] == ["1.sql"]
    (tmp_path / "2.SQL").write_text("SELECT 2")
    with pytest.raises(Refused, match=r"2\.SQL would not be read") as caught:
        read(tmp_path)
    assert caught.value.remedy == "git mv 2.SQL 2.sql"


@pytest.mark.parametrize(
    "names",
    [
        ("1_a.sql", "1_a.up.sql"),
        ("1_a.sql", "1_a/migration.sql"),
        ("1_a.sql", "1_a/up.sql"),
        ("1_a.up.sql", "1_a/up.sql"),
        ("1_a.up.sql", "1_a/migration.sql"),
        ("1_a/up.sql", "1_a/migration.sql"),
        ("1_a.up.sql", "1_a.down.sql", "1_a/down.sql"),
    ],
)
def test_of_two_files_of_one_name_none_is_passed_over(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(Refused, match="Two migrations are called 1_a"):
        migrations.read(tmp_path)


def test_two_files_may_be_the_parts_of_one_migration(tmp_path: Path) -> None:
    """As golang-migrate has them, and diesel in folders."""
    texts = {
        "1_a.up.sql": "-- removes: a\n\nCREATE TABLE a (v);\n",
        "1_a.down.sql": "\nDROP TABLE a;\n",
        "2_b/up.sql": "CREATE TABLE b (v);\n",
        "2_b/down.sql": "DROP TABLE b;\n",
        "3_c.up.sql": "CREATE TABLE c (v);\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = migrations.read(tmp_path)
    assert [item.filename for item in found] == ["1_a.sql", "2_b.sql", "3_c.sql"]
    assert [(item.up[0].line, [(one.sql, one.line) for one in item.down]) for item in found] == [
        (3, [("DROP TABLE a", 2)]),
        (1, [("DROP TABLE b", 1)]),
        (1, []),
    ]
    kept = parse(found[0].filename, found[0].text)  # as the ledger has it
    assert found[0].removes == kept.removes == {"a"}
    assert [item.sql for item in (*kept.up, *kept.down)] == ["CREATE TABLE a (v)", "DROP TABLE a"]
    (tmp_path / "4_d.down.sql").write_text("DROP TABLE d;")
    with pytest.raises(Refused, match=r"4_d\.down\.sql has no up part"):
        migrations.read(tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA foreign_keys=OFF;\nBEGIN;\nCREATE TABLE t (v);\nCOMMIT;\nPRAGMA foreign_keys=ON",
        "COMMIT TRANSACTION;\nPRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (v)",
        "begin immediate;\nCREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;\nEND",
    ],
)
def test_a_transaction_of_its_own_is_part_of_the_migrations(sql: str) -> None:
    found = make("a", up=sql)
    assert found.faults == ()
    verbs = [item.sql.split()[0].upper() for item in found.up]
    assert not {"BEGIN", "COMMIT", "END"} & set(verbs)
    assert "CREATE" in verbs
    alone = make("a", up=sql)
    outside = parse("a.sql", f"-- transaction: none\n{alone.text}")
    assert any("break the transaction" in fault for fault in outside.faults)


def test_line_ends_and_byte_order_mark_do_not_change_the_checksum() -> None:
    unix = parse("a.sql", "-- migrate:up\nSELECT 1;\n")
    windows = parse("a.sql", "\ufeff-- migrate:up\r\nSELECT 1;\r\n")
    assert unix.checksum == windows.checksum
    assert len(unix.checksum) == 64


@given(st.permutations(range(6)), st.integers(0, 2**15))
def test_order_is_by_dependency_then_name(shuffled: list[int], seed: int) -> None:
    source = random.Random(seed)
    names = [f"m{i}" for i in range(6)]
    needs = {
        name: [other for other in names[:place] if source.random() < 0.4]
        for place, name in enumerate(names)
    }
    files = [make(names[i], ",".join(needs[names[i]])) for i in shuffled]
    ordered = [item.name for item in migrations.order(files)]
    for place, name in enumerate(ordered):
        assert set(needs[name]) <= set(ordered[:place])
        free = [
            n for n in names if n not in ordered[:place] and set(needs[n]) <= set(ordered[:place])
        ]
        assert name == min(free)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([("a", "b"), ("b", "a")], "in a circle: a, b"),
        ([("a", "a")], "in a circle: a"),
        ([("a", "nowhere")], "depends on nowhere, which is not there"),
    ],
)
def test_impossible_dependencies_are_refused(files: list[tuple[str, str]], why: str) -> None:
    with pytest.raises(Refused, match=why):
        migrations.order([make(name, depends) for name, depends in files])


@pytest.mark.parametrize(
    "text",
    [
        "-- compatible: maybe\n-- migrate:up\nSELECT 1;",
        "-- transaction: two\nSELECT 1;",
        "-- migrate:up\nSELECT 1;\n-- migrate:up\nSELECT 2;",
    ],
)
def test_files_that_contradict_themselves_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse("a.sql", text)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("BEGIN", "break the transaction"),
        ("begin immediate", "break the transaction"),
        ("COMMIT", "break the transaction"),
        ("END TRANSACTION", "break the transaction"),
        ("/* x */ ROLLBACK", "break the transaction"),
        ("SAVEPOINT s", "break the transaction"),
        ("RELEASE s", "break the transaction"),
        ("VACUUM", "refused by libSQL"),
        ("ANALYZE", "refused by libSQL"),
        ("ATTACH 'x' AS y", "refused by libSQL"),
        ("CREATE TEMP TABLE t (v)", "temporary"),
        ("PRAGMA journal_mode = WAL", "PRAGMA journal_mode is refused"),
    ],
)
def test_statements_that_must_not_stand_in_a_file(sql: str, why: str) -> None:
    (fault,) = make("a", up=f"SELECT 1;\n{sql}").faults
    assert fault.startswith("a.sql:3: ")
    assert why in fault


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
        "SELECT 'BEGIN; COMMIT;'",
        "PRAGMA defer_foreign_keys = ON",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA user_version = 3",
        "CREATE TABLE begin_t (v)",
    ],
)
def test_statements_that_may(sql: str) -> None:
    assert make("a", up=sql).faults == ()


@pytest.mark.parametrize(
    ("sql", "asked"),
    [
        ("INSERT INTO b VALUES (last_insert_rowid())", "last_insert_rowid()"),
        ("UPDATE b SET v = Changes ( )", "changes()"),
        ("INSERT INTO b SELECT /* ( */ total_changes()", "total_changes()"),
        ("INSERT INTO b VALUES ('changes()', \"changes()\") -- changes()", ""),
        ("CREATE TRIGGER g AFTER INSERT ON a BEGIN SELECT last_insert_rowid(); END", ""),
    ],
)
def test_what_the_statement_before_did_is_asked_in_a_transaction_only(sql: str, asked: str) -> None:
    inside = make("a", up=sql)
    assert inside.faults == ()
    outside = parse("a.sql", f"-- transaction: none\n{inside.text}").faults
    assert bool(outside) == bool(asked)
    assert all(asked in fault and "another connection" in fault for fault in outside)


def test_a_carriage_return_alone_stays_as_sqlite_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(b"-- why\rDROP TABLE t;\r\nINSERT INTO t VALUES ('a\rb')")
    (found,) = read(tmp_path)
    judge = sqlite3.connect(":memory:")
    judge.execute("CREATE TABLE t (v)")
    for fragment in found.up:
        judge.execute(fragment.sql)
    assert judge.execute("SELECT v FROM t").fetchall() == [("a\rb",)]
    judge.close()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("SELECT 0;\n-- migrate:up\nSELECT 1;", "a.sql:1: this stands above -- migrate:up"),
        ("-- c\n\nSELECT 0;\n-- +goose Up\nSELECT 1;", "a.sql:3: this stands above"),
        ("SELECT 0;\n-- Up\nSELECT 1;\n-- Down\nSELECT 2;", "a.sql:1: this stands above"),
        ("SELECT 1;\n-- migrate: down\nDROP TABLE t", "a.sql:2: this looks like the mark"),
        ("-- migrate:up\nSELECT 1;\n-- Migrate:Down\nDROP TABLE t", "a.sql:3: this looks"),
        ("-- +goose Up\nSELECT 1;\n-- +goose: down\nDROP TABLE t", "a.sql:3: this looks"),
        ("-- +goose Up\n-- +goose ENVSUB ON\nSELECT '${A}'", "a.sql:2: goose would put"),
    ],
)
def test_what_would_run_otherwise_than_it_was_meant_is_a_fault(text: str, fault: str) -> None:
    """dbmate, goose and sql-migrate refuse statements above the first mark, too."""
    assert fault in "; ".join(parse("a.sql", text).faults)


@pytest.mark.parametrize(
    "text",
    [
        "-- name: A\n;\n/* why */\n-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;",
        "SELECT 1;\n-- migrate:down\nSELECT 2;",
        "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n"
        "-- +goose Down\nSELECT '-- migrate: up';",
        "-- migrate the ups: down\nSELECT 1;\n-- +goose Down\n-- +goose ENVSUB OFF\nSELECT 2;",
    ],
)
def test_what_runs_as_it_was_meant_is_none(text: str) -> None:
    assert parse("a.sql", text).faults == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("CREATE TABLE t (v);\n/* later\nCREATE TABLE u (v);\n-- migrate:down\nDROP TABLE t", 3),
        ("SELECT 1;\n-- migrate:down\nSELECT 2; /* c */ /*/ d", 4),
    ],
)
def test_a_comment_that_swallows_the_rest_is_a_fault(text: str, line: int) -> None:
    file = parse("a.sql", f"-- migrate:up\n{text}\n")
    assert f"a.sql:{line}: the comment that begins here has no end" in "; ".join(file.faults)
    assert not sqlite3.complete_statement(file.text)
    ended = parse("a.sql", f"{file.text}*/; SELECT 3; /**//***/ SELECT '/*', \"/*\", [/*] -- /*\n")
    assert not [fault for fault in ended.faults if "no end" in fault]


def test_a_missing_or_empty_part_is_a_fault() -> None:
    assert "down part is missing" in parse("a.sql", "SELECT 1;").faults[0]
    empty = parse("a.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n-- later\n")
    assert "down part is missing" in empty.faults[0]
    assert "up part is empty" in make("a", up="-- nothing").faults[0]
    reasoned = parse("a.sql", "-- irreversible: rows are merged\n-- migrate:up\nSELECT 1;\n")
    assert reasoned.faults == ()
    assert reasoned.irreversible == "rows are merged"


def test_a_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(b"SELECT '\xff';")
    with pytest.raises(Refused, match=r"a\.sql cannot be read"):
        migrations.read(tmp_path)
    with pytest.raises(Refused, match="no folder"):
        migrations.read(tmp_path / "nowhere")


def test_a_file_of_comments_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    is_blank = statements.is_blank

    def counted(text: str) -> bool:
        read.append(len(text))
        return is_blank(text)

    monkeypatch.setattr(statements, "is_blank", counted)
    text = "-- name: many\n" + "-- a comment\n" * 2_000 + "SELECT 1;\n" + "-- more\n" * 2_000
    parsed = migrations.parse("many.sql", text)
    assert parsed.title == "many"
    assert sum(read) < 2 * len(text)
    assert "depends" not in migrations.parse("x.sql", "SELECT 1;\n-- depends: y\n").options
