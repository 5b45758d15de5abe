"""A backup opens without this tool: by age, zstd and sqlite3, with the guide's own lines."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from xswarm_deploy.database import archive, backup
from xswarm_deploy.database.backup import Backup, BackupRequest, Format
from xswarm_deploy.database.client import Database, Statement
from xswarm_deploy.database.statements import split

pytestmark = [pytest.mark.slow, pytest.mark.needs("age", "age-keygen", "zstd", "sqlite3")]

CHAPTER = Path(__file__).parents[2] / "deployment/docs/guide/backups-and-restore.md"
CONTENT = """
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, photo BLOB, score REAL, note);
INSERT INTO people VALUES (1, 'it''s "é漢🐝"', x'00ff10', 0.5, NULL),
  (2, 'a' || char(0) || 'b', x'', -2.25, 9223372036854775807), (3, '', NULL, NULL, x'01');
CREATE TABLE "odd "" name" ("a b" TEXT, n INTEGER, PRIMARY KEY ("a b", n)) WITHOUT ROWID;
INSERT INTO "odd "" name" VALUES ('x', -1), ('y', 2);
CREATE TABLE empty (a, b);
CREATE TABLE letters (id INTEGER PRIMARY KEY, person REFERENCES people (id) ON DELETE CASCADE);
INSERT INTO letters VALUES (7, 1), (8, 3);
CREATE VIEW named AS SELECT id, name FROM people WHERE name <> '';
CREATE INDEX people_name ON people (name);
"""
TABLES = {
    "people": ("id", "name", "photo", "score", "note"),
    'odd " name': ("a b", "n"),
    "empty": ("a", "b"),
    "letters": ("id", "person"),
}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Return the file of a key that the real age-keygen made."""
    file = tmp_path / "key.txt"
    subprocess.run(["age-keygen", "-o", file], check=True, capture_output=True)
    return file


@pytest.mark.parametrize("format", ["db", "sql"])
def test_an_encrypted_backup_opens_without_this_tool(
    database: Database, key: Path, tmp_path: Path, format: Format
) -> None:
    made = _backed_up(database, key, tmp_path, format)
    (line,) = [line for line in _lines("age -d") if ("| sqlite3" in line) == (format == "sql")]
    _run(line, made.path, tmp_path)
    assert _told("PRAGMA integrity_check", tmp_path) == "ok"
    _require_same(database, tmp_path)


def test_a_plain_backup_opens_without_this_tool(database: Database, tmp_path: Path) -> None:
    made = _backed_up(database, None, tmp_path, "db")
    (line,) = _lines("zstd -d")
    _run(line, made.path, tmp_path)
    _require_same(database, tmp_path)


def test_another_key_opens_nothing(database: Database, key: Path, tmp_path: Path) -> None:
    made = _backed_up(database, key, tmp_path, "db")
    other = tmp_path / "other.txt"
    subprocess.run(["age-keygen", "-o", other], check=True, capture_output=True)
    command = ["age", "-d", "-i", str(other), str(made.path)]
    ended = subprocess.run(command, check=False, capture_output=True)
    assert ended.returncode != 0
    assert ended.stdout == b""


def test_the_checksum_in_the_manifest_is_the_files(
    database: Database, key: Path, tmp_path: Path
) -> None:
    made = _backed_up(database, key, tmp_path, "db")
    command = ["sha256sum", str(made.path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert made.manifest is not None
    assert told.split()[0] == made.manifest.sha256


def _backed_up(database: Database, key: Path | None, folder: Path, format: Format) -> Backup:
    database.transaction([Statement(fragment.sql) for fragment in split(CONTENT)])
    public = ""
    if key:
        command = ["age-keygen", "-y", str(key)]
        told = subprocess.run(command, check=True, capture_output=True, text=True)
        public = told.stdout.strip()
    return backup.make(
        database, folder / "backups", BackupRequest("test", format, archive.recipient(public))
    )


def _lines(beginning: str) -> list[str]:
    """Return the chapter's command lines that begin so."""
    text = CHAPTER.read_text(encoding="utf-8")
    return re.findall(rf"^{re.escape(beginning)} .*$", text, re.MULTILINE)


def _run(line: str, file: Path, folder: Path) -> None:
    """Run a line of the chapter as a person would, with the name of the file filled in."""
    filled = line.replace("FILE", str(file))
    subprocess.run(["bash", "-euo", "pipefail", "-c", filled], cwd=folder, check=True)


def _told(sql: str, folder: Path) -> str:
    """Ask the real sqlite3 program."""
    command = ["sqlite3", "-readonly", "new.db", sql]
    ended = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return ended.stdout.strip()


def _require_same(database: Database, folder: Path) -> None:
    """Compare every value by its type and its bytes, and every object of the schema."""
    for name, columns in TABLES.items():
        sql = _bytes_of(name, columns)
        assert _told(sql, folder).splitlines() == [row.text(0) for row in database.query(sql)]
    schema = (
        "SELECT type || ' ' || name FROM sqlite_schema"
        " WHERE name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY 1"
    )
    assert _told(schema, folder).splitlines() == [row.text(0) for row in database.query(schema)]


def _bytes_of(name: str, columns: tuple[str, ...]) -> str:
    quoted = [f'"{column}"' for column in columns]
    shown = " || ' ' || ".join(f"typeof({c}) || hex(CAST({c} AS BLOB))" for c in quoted)
    table = name.replace('"', '""')
    return f'SELECT {shown} FROM "{table}" ORDER BY 1'
