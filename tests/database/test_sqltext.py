"""SQL text: whole and exact by the sqlite3 program's own reading, or refused."""

from __future__ import annotations

import random
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.needs import require
from xswarm_deploy.database import backup, manifest, sqltext, statements
from xswarm_deploy.database.backup import BackupRequest
from xswarm_deploy.database.client import connect
from xswarm_deploy.errors import Refused

ODD = """
PRAGMA encoding = 'UTF-16le';
PRAGMA auto_vacuum = 1;
PRAGMA application_id = 1196444487;
PRAGMA user_version = 7;
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT DEFAULT 'a\r\nb', photo BLOB, score REAL);
CREATE INDEX people_name ON people (name);
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
CREATE TABLE pairs (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE VIEW named AS SELECT name FROM people;
CREATE TRIGGER seen AFTER INSERT ON people BEGIN\r\n SELECT ';'; END;
INSERT INTO people VALUES (1, 'cr' || char(13) || 'lf' || char(10), x'000d0a', 0.1);
INSERT INTO people VALUES (2, char(13, 10) || '.quit' || char(10) || '/' || char(10), NULL, -1e999);
INSERT INTO people VALUES (3, 'nul' || char(0) || 'end', x'', 1.5e300);
INSERT INTO counted (v) VALUES ('x'), ('y');
DELETE FROM counted WHERE id = 2;
INSERT INTO pairs VALUES (1, 'it''s'), ('🐝', 2);
CREATE TABLE made (a INT, b INT AS (a * 2), c TEXT AS (a || 'x') STORED, CHECK (a < 100)) STRICT;
INSERT INTO made VALUES (1), (2);
CREATE TABLE taken (rowid, _rowid_ TEXT, oid);
INSERT INTO taken VALUES (3, 2, 1);
CREATE INDEX part ON made (a + 1) WHERE c IS NOT NULL;
CREATE VIRTUAL TABLE words USING fts5 (body, content = 'people', content_rowid = 'id');
CREATE VIRTUAL TABLE notes USING fts5 (body, tokenize = "porter ascii");
CREATE VIRTUAL TABLE boxes USING rtree (id, x0, x1);
INSERT INTO notes VALUES ('running' || char(13) || 'late');
INSERT INTO boxes VALUES (1, 0.1, 0.9);
CREATE TABLE noted (a INT CHECK (a > 5)) STRICT -- a comment; last
;
CREATE INDEX noted_large ON noted (a) WHERE a > 9 -- last
;
CREATE VIEW told AS SELECT a FROM noted --
;
PRAGMA ignore_check_constraints = ON;
INSERT INTO noted VALUES (1);
CREATE VIEW above AS SELECT * FROM named, (SELECT count(*) AS notes FROM notes);
CREATE TRIGGER onto INSTEAD OF INSERT ON named BEGIN
 INSERT INTO people (name) VALUES (new.name); END;
"""


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "odd.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(ODD)
        connection.executescript("ANALYZE")
    return path


def settings(path: Path) -> list[object]:
    asked = ("application_id", "encoding", "auto_vacuum", "user_version")
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT * FROM sqlite_stat1 ORDER BY 1, 2").fetchall()
        return [*(connection.execute(f"PRAGMA {name}").fetchone() for name in asked), rows]


def sqlite3_program(path: Path, *arguments: str, stdin: Path | None = None) -> str:
    """Run the real program: the judge."""
    require("sqlite3")
    with (stdin or Path("/dev/null")).open("rb") as given:
        ended = subprocess.run(
            ["sqlite3", path, *arguments], stdin=given, capture_output=True, check=False
        )
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode("utf-8", "replace")


def test_sqlite3_itself_reads_back_the_same(odd: Path, tmp_path: Path) -> None:
    sqltext.write(odd, tmp_path / "text.sql")
    sqlite3_program(tmp_path / "theirs.db", stdin=tmp_path / "text.sql")
    sqltext.load(tmp_path / "text.sql", tmp_path / "ours.db")
    for made in ("theirs.db", "ours.db"):
        assert manifest.differences(manifest.of_file(odd), manifest.of_file(tmp_path / made)) == []
        assert settings(tmp_path / made) == settings(odd)
    dumps = [sqlite3_program(tmp_path / name, ".dump") for name in ("odd.db", "theirs.db")]
    assert dumps[0] == dumps[1]


def test_a_backup_as_text_of_an_analysed_database_is_made_and_proven(
    odd: Path, tmp_path: Path
) -> None:
    with connect(f"file:{odd}") as database:
        made = backup.make(database, tmp_path / "backups", BackupRequest("test", "sql"))
    (tmp_path / "work").mkdir()
    restored = backup.unpack(made, tmp_path / "work")
    assert settings(restored) == settings(odd)
    backup.verify(made, tmp_path)


DUMP = """\
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
INSERT INTO t VALUES(1,'a');
INSERT INTO t VALUES(2,'b');
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (DUMP + "ROLLBACK; -- due to errors\n", "line 6 takes back"),
        (DUMP + "/**** ERROR: (11) malformed *****/\nROLLBACK; -- due to errors\n", "line 7"),
        (DUMP, "the transaction of line 2 has no COMMIT"),
        (DUMP + "COMM", "has no COMMIT"),
        ("CREATE TABLE t (v);\nINSERT INTO t VALUES (1),\n(2)", "the statement of line 2"),
        (DUMP + "COMMIT;\nBEGIN;\nINSERT INTO t VALUES (3,'c');\n", "line 7 has no COMMIT"),
        (DUMP + "commit;\n-- more\nrollback", "line 8 takes back"),
    ],
)
def test_a_text_that_is_not_whole_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "dump.sql").write_text(text)
    with pytest.raises(Refused, match=why) as caught:
        sqltext.load(tmp_path / "dump.sql", tmp_path / "new.db")
    assert caught.value.what == "dump.sql is no whole dump"
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("maker", ["sqlite3", "ours"])
def test_a_text_cut_anywhere_is_refused(odd: Path, tmp_path: Path, maker: str) -> None:
    whole = tmp_path / "whole.sql"
    if maker == "ours":
        sqltext.write(odd, whole)
    else:
        whole.write_text(DUMP + "COMMIT;\n")
    text = whole.read_bytes()
    source = random.Random(5)
    for place in sorted(source.sample(range(1, len(text) - 2), min(120, len(text) - 3))):
        (tmp_path / "cut.sql").write_bytes(text[:place])
        (tmp_path / "new.db").unlink(missing_ok=True)
        with pytest.raises(Refused):
            sqltext.load(tmp_path / "cut.sql", tmp_path / "new.db")


def test_what_newer_versions_of_sqlite3_write_is_read(tmp_path: Path) -> None:
    (tmp_path / "dump.sql").write_text(
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (v TEXT);\n"
        "INSERT INTO t VALUES(unistr('a\\u000ab \\\\ \\0041 \\+01F41D \\U0001F41D'));\nCOMMIT;\n"
    )
    sqltext.load(tmp_path / "dump.sql", tmp_path / "new.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        assert connection.execute("SELECT v FROM t").fetchone() == ("a\nb \\ A 🐝 🐝",)


def test_a_text_without_a_transaction_is_read(tmp_path: Path) -> None:
    """As wrangler d1 export writes it."""
    text = "PRAGMA defer_foreign_keys=TRUE;\nCREATE TABLE t (v);\nINSERT INTO t VALUES (1);\n"
    (tmp_path / "dump.sql").write_text(text)
    sqltext.load(tmp_path / "dump.sql", tmp_path / "new.db")


def test_a_text_reaches_no_other_file(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    (tmp_path / "dump.sql").write_text(f"ATTACH '{other}' AS o;\nCREATE TABLE o.t (v);\n")
    with pytest.raises(Refused, match=r"dump\.sql:1 fails"):
        sqltext.load(tmp_path / "dump.sql", tmp_path / "new.db")
    assert not other.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        "INSERT INTO t SELECT zeroblob(90000000);",
        "PRAGMA max_page_count = 4294967294;",
        "WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v FROM n)"
        " INSERT INTO t SELECT zeroblob(1000000) FROM n;",
    ],
)
def test_a_small_text_makes_no_large_file(tmp_path: Path, more: str) -> None:
    (tmp_path / "dump.sql").write_text(f"CREATE TABLE t (v);\n{more}\n")
    with pytest.raises(Refused, match=r"full|authorized|prohibited"):
        sqltext.load(tmp_path / "dump.sql", tmp_path / "new.db")


def test_a_text_larger_than_is_held_is_read_twice_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "odd.db")) as made:
        made.executescript(ODD)
    sqltext.write(tmp_path / "odd.db", tmp_path / "odd.sql")
    sqltext.load(tmp_path / "odd.sql", tmp_path / "held.db")
    monkeypatch.setattr(sqltext, "_SMALL", 0)
    monkeypatch.setattr(statements, "_PIECE", 64)
    sqltext.load(tmp_path / "odd.sql", tmp_path / "read.db")
    held, read = (manifest.of_file(tmp_path / name) for name in ("held.db", "read.db"))
    assert manifest.differences(held, read) == []
    cut = (tmp_path / "odd.sql").read_bytes()[:-20]
    (tmp_path / "cut.sql").write_bytes(cut)
    with pytest.raises(Refused, match="is no whole dump"):
        sqltext.load(tmp_path / "cut.sql", tmp_path / "cut.db")
    assert not (tmp_path / "cut.db").exists()
