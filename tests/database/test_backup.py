"""Backups of both homes, restored into both, compared by other means than their own."""

from __future__ import annotations

import hashlib
import random
import re
import sqlite3
import subprocess
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyrage
import pytest

import xswarm_monitoring.tables
from tests.support.d1 import WITHOUT_D1
from xswarm_deploy.database import (
    archive,
    backup,
    limits,
    manifest,
    migration_history,
    own,
    restore,
    restore_marker,
    schema,
    staging,
    table_restore,
)
from xswarm_deploy.database.backup import Backup, BackupRequest
from xswarm_deploy.database.client import Database, DatabaseError, Statement, connect
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.release import records

ODD = """
CREATE TABLE plain (id INTEGER PRIMARY KEY, v);
INSERT INTO plain VALUES (1, NULL), (2, 9223372036854775807), (3, -9223372036854775807 - 1),
  (4, 0.1), (5, 9e999), (6, -9e999), (7, 5e-324), (8, 1.7976931348623157e308), (9, ''),
  (10, 'it''s "odd"'), (11, char(0)), (12, 'a' || char(0) || 'b'), (13, x''), (14, x'00ff'),
  (15, 'é漢🐝'), (16, char(10, 13, 9, 8232, 92)), (17, '{"b":"00"}'), (18, '["x"]'),
  (19, 1e15), (20, 123456789012345680.0), (21, 0.30000000000000004), (22, -0.0), (23, 2e-7);
CREATE TABLE "select ""it's"" 🐝" ("a b" TEXT, [c d;] INT, "quo""te" REAL, "new
line" BLOB, "" TEXT);
INSERT INTO "select ""it's"" 🐝" VALUES ('x', 1, 2.5, x'01', ''), (NULL, NULL, NULL, NULL, NULL);
CREATE TABLE empty (a, b);
CREATE TABLE rowids (v TEXT);
INSERT INTO rowids (rowid, v) VALUES (-5, 'a'), (3, 'b'), (900000000000, 'c');
CREATE TABLE shadowed (rowid TEXT, _rowid_ TEXT, v);
INSERT INTO shadowed (oid, rowid, _rowid_, v) VALUES (7, 'r', 's', 't');
CREATE TABLE keyed (a TEXT, b INTEGER, v, PRIMARY KEY (b DESC, a)) WITHOUT ROWID;
INSERT INTO keyed VALUES ('x', 1, 'p'), ('y', 1, 'q'), ('x', 2, NULL);
CREATE TABLE descending (id INTEGER PRIMARY KEY DESC, v);
INSERT INTO descending (rowid, id, v) VALUES (5, 1, 'a');
CREATE TABLE computed (a INTEGER, twice INTEGER AS (a * 2) STORED, thrice AS (a * 3), b TEXT);
INSERT INTO computed (a, b) VALUES (1, 'x'), (2, 'y');
CREATE TABLE strict (i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;
INSERT INTO strict VALUES (1, 2.0, '3', x'04', 5), (NULL, NULL, NULL, NULL, 0.5);
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
CREATE TABLE empty_and_counting (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
INSERT INTO counted VALUES (41, 'gone'), (7, 'stays');
DELETE FROM counted WHERE id = 41;
CREATE TABLE hen (id INTEGER PRIMARY KEY, egg REFERENCES egg (id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE egg (id INTEGER PRIMARY KEY, hen REFERENCES hen (id) ON DELETE CASCADE);
INSERT INTO hen VALUES (1, NULL);
INSERT INTO egg VALUES (1, 1);
UPDATE hen SET egg = 1;
CREATE TABLE checked (v CHECK (v > 0) DEFAULT (1 + 1), w COLLATE NOCASE UNIQUE);
INSERT INTO checked VALUES (3, 'a');
CREATE INDEX plain_v ON plain (v) WHERE v IS NOT NULL;
CREATE UNIQUE INDEX "odd index;" ON checked (v DESC, lower(w));
CREATE VIEW seen AS SELECT id, v FROM plain WHERE id > 2;
CREATE TRIGGER noted AFTER INSERT ON plain BEGIN INSERT INTO empty VALUES (NEW.id, ';'); END;
CREATE TRIGGER into_view INSTEAD OF INSERT ON seen BEGIN INSERT INTO plain VALUES (NEW.id, 1); END;
CREATE VIRTUAL TABLE found USING fts5 (title, body);
INSERT INTO found VALUES ('one', 'the quick fox'), ('two', 'lazy dogs');
CREATE VIRTUAL TABLE boxes USING rtree (id, x0, x1, y0, y1);
INSERT INTO boxes VALUES (1, 0, 1, 0, 1), (2, 5, 6.5, 5, 6);
PRAGMA user_version = 42;
"""


def fill(database: Database, text: str = ODD) -> None:
    """Run SQL, a statement at a time, the way any client would."""
    from xswarm_deploy.database.statements import split

    found = [Statement(fragment.sql) for fragment in split(text)]
    if database.limits is limits.D1:  # of virtual tables it has FTS5 alone
        found = [statement for statement in found if "boxes" not in statement.sql]
    database.transaction([statement for statement in found if "PRAGMA" not in statement.sql])
    for statement in found:
        if "PRAGMA" in statement.sql and database.limits.user_version:
            database.execute(statement.sql)


def seen(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Read all a database holds by plain queries: hexadecimal and types, nothing of ours."""
    found: dict[str, list[tuple[object, ...]]] = {}
    schema = database.query(
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        " AND name NOT LIKE '\\_release%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'"
        " ORDER BY type, name"
    )
    found["schema"] = [row.values_in_order for row in schema]
    if database.limits.user_version:
        found["version"] = [database.query("PRAGMA user_version")[0].values_in_order]
    names = [row.text("name") for row in schema if row["type"] == "table"]
    if any("AUTOINCREMENT" in str(row["sql"]) for row in schema):
        names.append("sqlite_sequence")
    for name in names:
        quoted = '"' + name.replace('"', '""') + '"'
        columns = [
            '"' + row.text("name").replace('"', '""') + '"'
            for row in database.query(
                "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", [name]
            )
        ]
        shown = ", ".join(
            f"typeof({c}), hex(CAST({c} AS BLOB)), CASE typeof({c}) WHEN 'real'"
            f" THEN printf('%.17g %.3f', {c}, atan2(0.0, {c})) END"
            if database.url.startswith("http")
            else f"typeof({c}), hex(CAST({c} AS BLOB)), CASE typeof({c}) WHEN 'real'"
            f" THEN printf('%.17g', {c}) END"
            for c in columns
        )
        rows = database.query(f"SELECT {shown} FROM {quoted}")
        found[name] = sorted((row.values_in_order for row in rows), key=repr)
    return found


def comparable(found: dict[str, list[tuple[object, ...]]]) -> dict[str, object]:
    """Leave out how reals are printed, which differs by version; doubles() compares those."""
    return {
        name: [tuple(v for i, v in enumerate(row) if i % 3 == 0) for row in rows]
        if name not in ("schema", "version")
        else rows
        for name, rows in found.items()
    }


def doubles(database: Database, name: str = "plain") -> list[tuple[object, ...]]:
    """Read the finite values as the protocol carries them."""
    shown = "CASE typeof(v) WHEN 'integer' THEN CAST(v AS TEXT) ELSE v END AS v"
    sql = f"SELECT id, {shown} FROM {name} WHERE typeof(v) <> 'real' OR abs(v) < 9e999 ORDER BY id"
    return [(row["id"], repr(row["v"])) for row in database.query(sql)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def put_back(made: Backup, target: Database, work: Path, *identities: object) -> None:
    work.mkdir(exist_ok=True)
    source = backup.unpack(made, work, identities)
    restore.whole(target, source, work, proven=made.manifest)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["db", "sql"])
def test_a_backup_restores_into_the_same_home(
    database: Database, folder: Path, tmp_path: Path, format: str
) -> None:
    fill(database)
    before, numbers = seen(database), doubles(database)
    made = backup.make(database, folder, BackupRequest("test", format))  # type: ignore[arg-type]
    database.execute("DROP TABLE plain")
    database.execute("CREATE TABLE later (v)")
    put_back(made, database, tmp_path / "work")
    assert seen(database) == before
    assert doubles(database) == numbers
    assert database.query("SELECT title FROM found WHERE found MATCH 'fox'")[0][0] == "one"


def test_a_backup_restores_into_the_other_home(
    local: Database, remote: Database, folder: Path, tmp_path: Path
) -> None:
    fill(local)
    put_back(backup.make(local, folder, BackupRequest("test")), remote, tmp_path / "there")
    assert comparable(seen(remote)) == comparable(seen(local))
    assert doubles(remote) == doubles(local)
    remote.execute("UPDATE plain SET v = 'changed' WHERE id = 1")
    put_back(backup.make(remote, folder, BackupRequest("test")), local, tmp_path / "back")
    assert comparable(seen(remote)) == comparable(seen(local))
    assert doubles(remote) == doubles(local)


def test_infinity_and_the_sign_of_zero_come_back(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    fill(database)
    made = backup.make(database, folder, BackupRequest("test"))
    with connect(f"file:{backup.unpack(made, tmp_path)}") as copy:
        values = {row["id"]: repr(row["v"]) for row in copy.query("SELECT id, v FROM plain")}
    assert (values[5], values[6], values[22]) == ("inf", "-inf", "-0.0")


def test_counters_that_somebody_wrote_come_back(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    database.execute("INSERT INTO sqlite_sequence VALUES (NULL, NULL), ('t', 7), ('gone', 'x')")
    made = backup.make(database, folder, BackupRequest("test"))
    database.execute("DELETE FROM sqlite_sequence")
    put_back(made, database, tmp_path / "work")
    rows = database.query("SELECT name, seq FROM sqlite_sequence ORDER BY name")
    assert [row.values_in_order for row in rows] == [(None, None), ("gone", "x"), ("t", 7)]


def test_text_that_is_no_utf8_comes_back(database: Database, folder: Path, tmp_path: Path) -> None:
    database.execute("CREATE TABLE t (v)")
    database.execute("INSERT INTO t VALUES (CAST(x'61ff62' AS TEXT)), ('fine'), (x'ff'), (0.5)")
    made = backup.make(database, folder, BackupRequest("test"))
    database.execute("DELETE FROM t")
    put_back(made, database, tmp_path / "work")
    shown = database.query("SELECT typeof(v), hex(v) FROM t ORDER BY rowid")
    assert shown[0].values_in_order == ("text", "61FF62")
    assert len(shown) == 4


def test_a_table_beside_an_ordinary_index_is_not_taken_for_one_of_vectors(
    remote: Database, folder: Path, tmp_path: Path
) -> None:
    fill(
        remote,
        "CREATE TABLE film (id INTEGER PRIMARY KEY, name, place F32_BLOB(3));"
        "CREATE INDEX film_place ON film (libsql_vector_idx(place));"
        "CREATE INDEX film_name ON film (name);"
        "CREATE TABLE film_name_shadow (v); INSERT INTO film_name_shadow VALUES (1)",
    )
    made = backup.make(remote, folder, BackupRequest("test"))
    assert made.manifest is not None
    assert set(made.manifest.content.tables) == {"film", "film_name_shadow"}
    remote.execute("DROP TABLE film_name_shadow")
    put_back(made, remote, tmp_path / "work")
    assert remote.query("SELECT v FROM film_name_shadow")[0][0] == 1
    assert ("index", "film_place") in schema.read(remote)


def test_what_only_libsql_knows_is_kept_beside_and_put_back(
    remote: Database, folder: Path, tmp_path: Path
) -> None:
    fill(
        remote,
        "CREATE TABLE film (id INTEGER PRIMARY KEY, place F32_BLOB(3));"
        "INSERT INTO film VALUES (1, vector('[1,2,3]')), (2, vector('[9,9,9]'));"
        "CREATE INDEX film_place ON film (libsql_vector_idx(place))",
    )
    made = backup.make(remote, folder, BackupRequest("test"))
    assert made.manifest is not None
    assert [*made.manifest.beside] == ["CREATE INDEX film_place ON film (libsql_vector_idx(place))"]
    remote.execute("DELETE FROM film")
    put_back(made, remote, tmp_path / "work")
    near = remote.query("SELECT id FROM vector_top_k('film_place', '[1,2,2]', 1)")
    assert near[0]["id"] == 1


@pytest.mark.needs("age", "zstd")
def test_an_encrypted_backup_opens_with_public_tools(
    local: Database, folder: Path, tmp_path: Path
) -> None:
    key = pyrage.x25519.Identity.generate()
    fill(local)
    made = backup.make(local, folder, BackupRequest("test", recipients=[key.to_public()]))
    assert made.path.name.endswith(".db.zst.age")
    (tmp_path / "key.txt").write_text(f"{key}\n")
    with (tmp_path / "new.db").open("wb") as target:
        age = subprocess.Popen(
            ["age", "-d", "-i", tmp_path / "key.txt", made.path], stdout=subprocess.PIPE
        )
        subprocess.run(["zstd", "-dc"], stdin=age.stdout, stdout=target, check=True)
        assert age.stdout is not None
        age.stdout.close()
        assert age.wait() == 0
    with connect(f"file:{tmp_path / 'new.db'}") as new:
        assert seen(new) == seen(local)


@pytest.mark.needs("zstd")
def test_a_plain_backup_opens_with_public_tools(
    local: Database, folder: Path, tmp_path: Path
) -> None:
    fill(local)
    made = backup.make(local, folder, BackupRequest("test"))
    subprocess.run(["zstd", "-q", "-d", made.path, "-o", tmp_path / "new.db"], check=True)
    with connect(f"file:{tmp_path / 'new.db'}") as new:
        assert seen(new) == seen(local)


@pytest.mark.needs("zstd", "sqlite3")
def test_a_sql_backup_opens_with_public_tools(
    local: Database, folder: Path, tmp_path: Path
) -> None:
    fill(local)
    made = backup.make(local, folder, BackupRequest("test", "sql"))
    text = subprocess.run(["zstd", "-dc", made.path], check=True, capture_output=True).stdout
    subprocess.run(["sqlite3", "-bail", tmp_path / "new.db"], input=text, check=True)
    with connect(f"file:{tmp_path / 'new.db'}") as new:
        assert seen(new) == seen(local)


def test_an_encrypted_backup_needs_its_own_key(
    local: Database, folder: Path, tmp_path: Path
) -> None:
    key, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    local.execute("CREATE TABLE t (v)")
    made = backup.make(local, folder, BackupRequest("test", recipients=[key.to_public()]))
    backup.unpack(made, tmp_path, [key])
    for number, identities in enumerate(([], [other])):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(Refused, match="cannot be read"):
            backup.unpack(made, tmp_path / str(number), identities)
        assert not list((tmp_path / str(number)).iterdir())


@pytest.mark.parametrize("now", [b"a" * 3_000_000, b"b" * 2_999_999, b"b" * 3_000_001, b""])
@pytest.mark.parametrize("encrypted", [False, True])
def test_what_was_packed_is_compared_byte_by_byte(
    now: bytes, encrypted: bool, tmp_path: Path
) -> None:
    key = pyrage.x25519.Identity.generate()
    plain, packed = tmp_path / "plain", tmp_path / f"packed.zst{'.age' * encrypted}"
    plain.write_bytes(b"b" * 3_000_000)
    archive.pack(plain, packed, [key.to_public()] * encrypted)
    target, source = archive.prove(packed, plain, [key])
    assert source == archive.Digest(3_000_000, hashlib.sha256(plain.read_bytes()).hexdigest())
    written = packed.read_bytes()
    assert target == archive.Digest(len(written), hashlib.sha256(written).hexdigest())
    plain.write_bytes(now)
    with pytest.raises(DeployError, match="did not restore: it holds other bytes"):
        archive.prove(packed, plain, [key])


def test_the_manifest_says_what_is_in_it(database: Database, folder: Path) -> None:
    fill(database)
    made = backup.make(database, folder, BackupRequest("test", worker_version="v1"))
    found = made.manifest
    assert found is not None
    assert found.content.tables["plain"][0] == 23
    assert found.content.tables["empty"][0] == 0
    assert found.content.user_version == (42 if database.limits.user_version else 0)
    assert (found.environment, found.worker_version, found.encrypted) == ("test", "v1", False)
    assert backup.read_folder(folder)[0].manifest == found
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) == 2
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_names_say_is_not_read(local: Database, folder: Path) -> None:
    made = [backup.make(local, folder, BackupRequest("prod")) for _ in range(3)]
    manifests = [found.manifest for found in made]
    for each in made:
        backup.manifest_path(each.path).write_text("{")
    found = backup.read_folder(folder)
    assert [each.path for each in found] == [each.path for each in reversed(made)]
    for each, held in zip(reversed(found), manifests, strict=True):
        assert held is not None
        assert each.environment == "prod"
        assert each.created.isoformat(timespec="milliseconds") == held.created
    with pytest.raises(Refused, match="is no manifest"):
        _ = found[0].manifest
    assert backup.read_folder(folder / "none") == []


def test_one_with_a_name_of_its_own_is_known_by_its_manifest(local: Database, folder: Path) -> None:
    made = backup.make(local, folder, BackupRequest("prod"))
    assert made.as_named
    own = folder / "before-the-fair-20251332T000000000Z.db.zst"
    backup.manifest_path(made.path).rename(backup.manifest_path(own))
    made.path.rename(own)
    (found,) = backup.read_folder(folder)
    assert (found.path, found.environment, found.created) == (own, "prod", made.created)
    assert found.as_named
    other = folder / "prod-20010101T000000000Z.db.zst"
    backup.manifest_path(own).rename(backup.manifest_path(other))
    own.rename(other)
    (found,) = backup.read_folder(folder)
    assert found.created.year == 2001
    assert not found.as_named


@pytest.mark.parametrize("where", ["start", "middle", "end", "cut"])
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_damaged_backup_is_refused(
    local: Database, folder: Path, tmp_path: Path, where: str, encrypted: bool
) -> None:
    key = pyrage.x25519.Identity.generate()
    fill(local)
    recipients = [key.to_public()] if encrypted else []
    made = backup.make(local, folder, BackupRequest("test", recipients=recipients))
    raw = bytearray(made.path.read_bytes())
    places = {"start": 3, "middle": len(raw) // 2, "end": len(raw) - 3}
    if where == "cut":
        del raw[len(raw) // 2 :]
    else:
        raw[places[where]] ^= 0x55
    made.path.write_bytes(raw)
    alone = tmp_path / made.path.name
    alone.write_bytes(made.path.read_bytes())
    for found in (made, Backup(alone)):
        work = tmp_path / f"work-{found.manifest is None}"
        work.mkdir()
        with pytest.raises(DeployError):
            backup.verify(found, work, [key] if encrypted else [])


def test_a_backup_with_other_rows_than_its_manifest_is_refused(
    local: Database, folder: Path, tmp_path: Path
) -> None:
    local.execute("CREATE TABLE t (v)")
    made = backup.make(local, folder, BackupRequest("test"))
    local.execute("INSERT INTO t VALUES (1)")
    other = backup.make(local, folder, BackupRequest("test"))
    other.path.rename(made.path)
    with pytest.raises(Refused, match="SHA-256 is another"):
        backup.verify(backup.of_path(made.path), tmp_path)


def test_a_backup_that_cannot_be_made_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"no database " * 1000)
    with connect(f"file:{tmp_path / 'bad.db'}") as database, pytest.raises(Exception):  # noqa: B017
        backup.make(database, folder, BackupRequest("test"))
    assert not list(folder.iterdir())


def test_the_former_systems_sql_backup_can_be_restored(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir()
    (folder / "backup-1761700000000.sql").write_text(
        "-- xSwarm Boss Database Backup\n-- Date: 2025-10-29T00:00:00.000Z\n\n"
        "CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT);\n\n-- Data for users\n"
        "INSERT INTO users VALUES ('u1', 'semi;colon''s');\n"
        "INSERT INTO users VALUES ('u2', NULL);\n"
    )
    (found,) = backup.read_folder(folder)
    assert found.manifest is None
    restore.whole(database, backup.unpack(found, tmp_path), tmp_path)
    rows = database.query("SELECT name FROM users ORDER BY id")
    assert [row["name"] for row in rows] == ["semi;colon's", None]


def test_a_broken_sql_backup_is_refused_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "backup-1.sql").write_text("CREATE TABLE t (v);\n\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(Refused, match=r"backup-1.sql:3 fails"):
        backup.unpack(backup.of_path(tmp_path / "backup-1.sql"), tmp_path)


def test_the_releases_own_tables_stay_as_they_are(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    fill(
        database,
        "CREATE TABLE _releases (id); CREATE TABLE t (v); INSERT INTO _releases VALUES (1)",
    )
    made = backup.make(database, folder, BackupRequest("test"))
    fill(database, "INSERT INTO _releases VALUES (2); INSERT INTO t VALUES (1)")
    put_back(made, database, tmp_path / "work")
    assert [row[0] for row in database.query("SELECT id FROM _releases")] == [1, 2]
    assert database.query("SELECT count(*) FROM t")[0][0] == 0


def test_a_restore_that_fails_changes_nothing(remote: Database, tmp_path: Path) -> None:
    fill(remote)
    before = seen(remote)
    with closing(sqlite3.connect(tmp_path / "odd.db", isolation_level=None)) as odd:
        odd.execute("CREATE TABLE fine (v)")
        odd.execute("CREATE TABLE bad (v)")
        odd.create_function("only_here", 1, lambda v: v, deterministic=True)
        odd.execute("INSERT INTO bad VALUES (1)")
        odd.execute("CREATE INDEX bad_v ON bad (only_here(v))")
    with pytest.raises(DatabaseError):
        restore.whole(remote, tmp_path / "odd.db", tmp_path)
    assert seen(remote) == before


class Cut(Exception):
    """The line was cut."""


def test_a_restore_cut_off_while_it_sends_rows_changes_nothing(
    remote: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_LARGEST", 10_000)
    fill(remote)
    before, tables = seen(remote), _tables(remote)
    with closing(sqlite3.connect(tmp_path / "big.db")) as big:
        big.execute("CREATE TABLE big (v)")
        big.executemany("INSERT INTO big VALUES (?)", [("x" * 100,) for _ in range(5000)])
        big.commit()
    told: list[tuple[str, int, int | None, str]] = []

    def progress(*word: Any) -> None:
        told.append(word)
        if word[1] > 2000:
            raise Cut

    with pytest.raises(Cut):
        restore.whole(remote, tmp_path / "big.db", tmp_path, progress=progress)
    assert seen(remote) == before
    assert _tables(remote) == tables
    assert ("send", 500, 5000, "rows") in told


def _tables(database: Database) -> list[str]:
    found = database.query("SELECT name FROM sqlite_schema WHERE name <> 'sqlite_sequence'")
    return [row.text(0) for row in found]


def test_no_backup_holds_what_a_killed_restore_left(
    remote: Database, folder: Path, tmp_path: Path
) -> None:
    fill(remote, "CREATE TABLE t (v); CREATE TABLE _release_staged_0_0 (c0)")
    made = backup.make(remote, folder, BackupRequest("test"))
    assert made.manifest is not None
    assert list(made.manifest.content.tables) == ["t"]
    put_back(made, remote, tmp_path / "work")
    assert _tables(remote) == ["t"]


def test_one_table_is_restored_without_its_triggers(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    fill(database)
    made = backup.make(database, folder, BackupRequest("test"))
    database.execute("UPDATE plain SET v = 0 WHERE id < 20")
    database.execute("INSERT INTO rowids VALUES ('kept')")
    assert table_restore.one_table(database, backup.unpack(made, tmp_path), "plain") == 23
    kept = database.query("SELECT CAST(v AS TEXT) FROM plain WHERE id = 2")
    assert kept[0][0] == str(2**63 - 1)
    assert database.query("SELECT count(*) FROM empty")[0][0] == 0
    assert database.query("SELECT count(*) FROM rowids")[0][0] == 4
    names = [
        row[0] for row in database.query("SELECT name FROM sqlite_schema WHERE type='trigger'")
    ]
    assert sorted(map(str, names)) == ["into_view", "noted"]


def test_one_table_needs_the_same_columns(local: Database, folder: Path, tmp_path: Path) -> None:
    local.execute("CREATE TABLE t (v)")
    source = backup.unpack(backup.make(local, folder, BackupRequest("test")), tmp_path)
    local.execute("ALTER TABLE t ADD COLUMN w")
    with pytest.raises(Refused, match="other columns"):
        table_restore.one_table(local, source, "t")
    with pytest.raises(Refused, match="no table nowhere"):
        table_restore.one_table(local, source, "nowhere")


@pytest.mark.parametrize(
    ("then", "now", "why"),
    [
        ("(id INTEGER PRIMARY KEY, v TEXT)", "(id INTEGER PRIMARY KEY, v INTEGER)", "otherwise"),
        ("(id INTEGER PRIMARY KEY, v)", "(id INTEGER PRIMARY KEY, v REAL)", "otherwise"),
        (
            "(id INTEGER PRIMARY KEY, v)",
            "(id INTEGER PRIMARY KEY, v NOT NULL ON CONFLICT REPLACE DEFAULT 5)",
            "otherwise",
        ),
        ("(id INTEGER, v)", "(id INTEGER PRIMARY KEY, v)", "id, v and not rowid, id, v"),
        ("(id, v)", "(id PRIMARY KEY, v) WITHOUT ROWID", "id, v and not rowid, id, v"),
        ("(id, v)", "(id, v UNIQUE ON CONFLICT IGNORE)", "1 of the 3 rows"),
        ("(id, v)", "(id, v UNIQUE ON CONFLICT REPLACE)", "1 of the 3 rows"),
    ],
)
def test_one_table_holds_what_the_backup_held_or_is_left_alone(
    database: Database, tmp_path: Path, then: str, now: str, why: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "then.db", isolation_level=None)) as source:
        source.execute(f"CREATE TABLE t {then}")
        value = "NULL" if "REPLACE DEFAULT" in now else "'007'"
        source.execute(f"INSERT INTO t VALUES (1, {value}), (20, {value}), (30, {value})")
    fill(database, f"CREATE TABLE t {now}; INSERT INTO t VALUES (7, 8)")
    with pytest.raises(Refused, match=why):
        table_restore.one_table(database, tmp_path / "then.db", "t")
    assert [row.values_in_order for row in database.query("SELECT * FROM t")] == [(7, 8)]
    assert not database.query("SELECT 1 FROM sqlite_schema WHERE name LIKE '%staged%'")


def test_one_table_may_be_spelt_otherwise(database: Database, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "then.db", isolation_level=None)) as source:
        source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        source.execute("INSERT INTO t VALUES (1, '007'), (2, 7.0), (3, x'00'), (4, NULL)")
    fill(database, "CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE)")
    assert table_restore.one_table(database, tmp_path / "then.db", "t") == 4
    rows = database.query("SELECT typeof(v) FROM t ORDER BY id")
    assert [row[0] for row in rows] == ["text", "real", "blob", "null"]


@pytest.mark.parametrize(
    "content", ["content = t", "content='t'", 'content="t"', "content=[T]", "content=`t`"]
)
def test_a_full_text_index_over_one_table_is_made_anew(
    database: Database, tmp_path: Path, content: str
) -> None:
    made = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, body); CREATE VIEW w AS SELECT * FROM t;"
        "CREATE VIEW v AS SELECT * FROM w;"
        f"CREATE VIRTUAL TABLE one USING fts5 (body, {content}, content_rowid = id);"
        "CREATE VIRTUAL TABLE two USING fts5 (body, content = v, content_rowid = id)"
    )
    with closing(sqlite3.connect(tmp_path / "then.db", isolation_level=None)) as source:
        source.executescript(made)
        source.execute("INSERT INTO t VALUES (1, 'hello')")
    fill(database, made)
    table_restore.one_table(database, tmp_path / "then.db", "t")
    for index in ("one", "two"):
        assert database.query(f"SELECT count(*) FROM {index} ('hello')")[0][0] == 1


USERS_OWN = ("_release_notes", "_releasesx", "_migration_plan", "monitoring_sites")


def test_a_table_that_is_called_like_our_own_is_the_users(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    names = [*USERS_OWN, *([] if database.limits is limits.D1 else ["_cf_rays"])]
    fill(database, ";".join(f"CREATE TABLE {n} (v); INSERT INTO {n} VALUES (1)" for n in names))
    made = backup.make(database, folder, BackupRequest("test"))
    assert made.manifest is not None
    assert set(made.manifest.content.tables) == set(names)
    fill(database, ";".join(f"INSERT INTO {name} VALUES (2)" for name in names[:2]))
    fill(database, ";".join(f"DROP TABLE {name}" for name in names[2:]))
    put_back(made, database, tmp_path / "work")
    for name in names:
        assert [row[0] for row in database.query(f"SELECT v FROM {name}")] == [1]


def test_a_manifest_of_an_earlier_version_still_fits(local: Database, folder: Path) -> None:
    fill(local, "CREATE TABLE t (v); CREATE TABLE _cf_METADATA (v); INSERT INTO t VALUES (1)")
    made = backup.make(local, folder, BackupRequest("test"))
    assert made.manifest is not None
    content = made.manifest.content
    del content.tables["_cf_METADATA"]
    backup.manifest_path(made.path).write_text(replace(made.manifest, content=content).as_json())
    earlier = backup.of_path(made.path)
    backup.verify(earlier, folder)
    put_back(earlier, local, folder / "work")


def test_our_own_tables_are_all_known() -> None:
    assert set(records.TABLES) < own.RELEASES.names
    assert own.RELEASES.names - set(records.TABLES) == {restore_marker.TABLE}
    monitoring = Path(xswarm_monitoring.tables.__file__).parent.rglob("*.py")
    texts = "".join(path.read_text() for path in monitoring)
    assert set(re.findall(r"TABLE IF NOT EXISTS (\w+)", texts)) == own.MONITORING.names
    made = [re.findall(r"EXISTS (\w+)", each.sql)[0] for each in migration_history.CREATE]
    assert set(made) == own.MIGRATIONS.names


def test_a_file_with_the_backups_pages_is_not_read_once_more(
    local: Database, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its schema was before: SQLite's copy counts that on."""
    fill(local)
    made = backup.make(local, folder, BackupRequest("test"))
    before = seen(local)
    for number in range(5):
        local.execute(f"CREATE TABLE later_{number} (v)")
    source = backup.unpack(made, tmp_path)
    monkeypatch.setattr(restore, "_read_back", None)
    restore.whole(local, source, tmp_path, proven=made.manifest)
    assert seen(local) == before


@pytest.mark.parametrize(("table", "stands"), [("monitoring_frames", True), ("users", False)])
def test_what_a_worker_measures_meanwhile_is_no_fault_of_a_restore(
    local: Database,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    stands: bool,
) -> None:
    """Its cron trigger writes each minute, and nobody stops it for a restore."""
    fill(local, "CREATE TABLE monitoring_frames (v); CREATE TABLE users (v)")
    made = backup.make(local, folder, BackupRequest("test"))
    source, read_back = backup.unpack(made, tmp_path), restore._read_back

    def later(database: Database, *given: Any) -> manifest.Content:
        database.execute(f"INSERT INTO {table} VALUES (1)")
        return read_back(database, *given)

    monkeypatch.setattr(restore, "_same_pages", lambda *_: False)  # as on a server
    monkeypatch.setattr(restore, "_read_back", later)
    refused = pytest.raises(DeployError, match=f"table {table} has 1 rows and not 0")
    with nullcontext() if stands else refused:
        restore.whole(local, source, tmp_path, proven=made.manifest)


def test_a_file_in_wal_mode_comes_back_in_wal_mode(
    local: Database, folder: Path, tmp_path: Path
) -> None:
    local.execute("PRAGMA journal_mode = WAL")
    local.execute("CREATE TABLE t (v)")
    made = backup.make(local, folder, BackupRequest("test"))
    source = backup.unpack(made, tmp_path)
    restore.whole(local, source, tmp_path, proven=made.manifest)
    assert local.query("PRAGMA journal_mode")[0][0] == "wal"


def test_a_larger_page_size_can_be_replaced(local: Database, tmp_path: Path) -> None:
    local.execute("PRAGMA journal_mode = WAL")
    local.execute("CREATE TABLE t (v)")
    with closing(sqlite3.connect(tmp_path / "large.db", isolation_level=None)) as large:
        large.execute("PRAGMA page_size = 16384")
        large.execute("CREATE TABLE u (v)")
    restore.whole(local, tmp_path / "large.db", tmp_path)
    assert [row[0] for row in local.query("SELECT name FROM sqlite_schema")] == ["u"]


def test_differences_are_named() -> None:
    one = manifest.Content({"a": (1, "x"), "b": (2, "y"), "c": (1, "z")}, "s", 0, 0)
    two = manifest.Content({"a": (2, "q"), "b": (2, "w"), "d": (1, "z")}, "t", 1, 0)
    assert manifest.differences(one, two) == [
        "table a has 2 rows and not 1",
        "table b has other rows",
        "table c is missing",
        "table d is too much",
        "the schema is another",
        "user_version is 1 and not 0",
    ]
    assert manifest.differences(one, one) == []


def test_progress_is_told(database: Database, folder: Path, tmp_path: Path) -> None:
    """Every long part says how far it is, and of how much, so that what remains is known."""
    told: list[tuple[str, int, int | None, str]] = []

    def progress(label: str, done: int, total: int | None, unit: str) -> None:
        told.append((label, done, total, unit))

    def last() -> dict[str, tuple[int, int | None, str]]:
        found = {label: (done, total, unit) for label, done, total, unit in told}
        told.clear()
        return found

    fill(database)
    made = backup.make(database, folder, BackupRequest("test"), progress)
    assert made.manifest is not None
    rows, size = made.manifest.rows, made.manifest.database_size
    far = not database.url.startswith("file:")
    dumped = last()
    assert dumped["read rows" if far else "copy"] == (
        (rows, rows, "rows") if far else (size, size, "bytes")
    )
    assert dumped["compress"] == (size, size, "bytes")
    assert dumped["unpack"] == (made.manifest.size, made.manifest.size, "bytes")
    backup.verify(made, tmp_path, progress=progress)
    verified = last()
    assert verified["unpack"] == (made.manifest.size, made.manifest.size, "bytes")
    assert verified["compare"] == (rows, rows, "rows")
    source = tmp_path / "unpacked.db"
    restore.whole(database, source, tmp_path, proven=made.manifest, progress=progress)
    restored = last()
    if far:
        counters, _ = made.manifest.content.tables["sqlite_sequence"]  # set, not sent
        assert restored["send"] == (rows - counters, rows - counters, "rows")
        assert restored["compare"] == (rows, rows, "rows")
    else:
        assert restored["write"] == (source.stat().st_size, source.stat().st_size, "bytes")


def test_a_restore_does_not_wait_for_ever_for_another_writer(
    local: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "_PATIENCE", 0.1)
    local.execute("CREATE TABLE t (v)")
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as new:
        new.execute("CREATE TABLE u (v)")
    path = local.url.removeprefix("file:")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DeployError, match="was not replaced"):
            restore.whole(local, tmp_path / "new.db", tmp_path)
    assert [row[0] for row in local.query("SELECT name FROM sqlite_schema")] == ["t"]


def test_a_table_that_quick_check_wrongly_doubts_is_backed_up(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    database.execute(
        "CREATE TABLE member (user_id TEXT, team_id INTEGER, PRIMARY KEY (team_id, user_id))"
        " WITHOUT ROWID"
    )
    database.execute("INSERT INTO member VALUES ('ann', 1)")
    before = seen(database)
    made = backup.make(database, folder, BackupRequest("test"))
    put_back(made, database, tmp_path / "work")
    assert seen(database) == before


CLASHING = """
CREATE TABLE start (k TEXT, K2 TEXT, start TEXT, held TEXT, r TEXT, g TEXT);
INSERT INTO start VALUES ('9', 'a', 'b', 'c', 'd', 'e'), ('0', NULL, NULL, NULL, NULL, NULL);
CREATE TABLE held (r INTEGER PRIMARY KEY, k, g);
INSERT INTO held WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1200)
  SELECT i, 5, 1300 - i FROM c;
CREATE TABLE taken (rowid TEXT, _rowid_ TEXT, oid TEXT, k, PRIMARY KEY (k, oid));
INSERT INTO taken WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1200)
  SELECT 'same', 'same', i % 3, NULL FROM c;
CREATE TABLE g (r TEXT PRIMARY KEY, g INTEGER) WITHOUT ROWID;
INSERT INTO g VALUES ('x', 1), ('y', 2);
"""


def test_columns_named_like_those_of_our_own_queries_come_back(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    fill(database, CLASHING)
    before = seen(database)
    made = backup.make(database, folder, BackupRequest("test"))
    database.execute("DELETE FROM taken")
    put_back(made, database, tmp_path / "work")
    assert seen(database) == before
    assert made.manifest is not None
    rows = {name: count for name, (count, _) in made.manifest.content.tables.items()}
    assert rows == {"start": 2, "held": 1200, "taken": 1200, "g": 2}


LARGE = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);
INSERT INTO t VALUES (1, randomblob(4900000), 9e999), (2, replace(hex(zeroblob(500000)), '0',
  'x"é'), -0.0), (3, CAST(x'61ff62' AS TEXT), 0.1), (4, NULL, -9223372036854775807 - 1);
CREATE TABLE middling (v);
INSERT INTO middling WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 200)
  SELECT iif(i % 2, randomblob(10000), replace(hex(zeroblob(5000)), '0', char(1))) FROM c;
"""


@pytest.mark.slow
@WITHOUT_D1
def test_large_rows_come_back(database: Database, folder: Path, tmp_path: Path) -> None:
    """libSQL's server makes no text of more than 5 MB, and takes no such value."""
    fill(database, LARGE)
    shown = "SELECT id, typeof(a), length(CAST(a AS BLOB)), typeof(b), hex(b) FROM t"
    before = database.query(shown)
    made = backup.make(database, folder, BackupRequest("test"))
    database.execute("DELETE FROM t")
    put_back(made, database, tmp_path / "work")
    assert database.query(shown) == before
    again = backup.make(database, folder, BackupRequest("test"))
    assert made.manifest is not None
    assert again.manifest is not None
    assert again.manifest.content == made.manifest.content


@pytest.mark.slow
@WITHOUT_D1
def test_a_table_of_very_many_columns_comes_back(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    columns = [f"c{number}" for number in range(1500)]
    database.execute(f"CREATE TABLE wide ({', '.join(columns)})")
    database.execute(f"INSERT INTO wide VALUES ({', '.join(map(str, range(1500)))})")
    made = backup.make(database, folder, BackupRequest("test"))
    database.execute("DELETE FROM wide")
    put_back(made, database, tmp_path / "work")
    assert database.query("SELECT c0, c1499 FROM wide")[0].values_in_order == (0, 1499)


def test_a_value_the_server_cannot_hold_is_refused_before_anything_changes(
    remote: Database, tmp_path: Path
) -> None:
    """It would read X'…' of more than 5 MB as NULL, without a word."""
    fill(remote)
    before = seen(remote)
    with closing(sqlite3.connect(tmp_path / "big.db")) as big:
        big.execute("CREATE TABLE huge (v)")
        big.execute("INSERT INTO huge VALUES (zeroblob(5200000))")
        big.commit()
    with pytest.raises(Refused, match="A row of the table huge is larger"):
        restore.whole(remote, tmp_path / "big.db", tmp_path)
    assert seen(remote) == before


def test_every_real_number_comes_back_to_its_last_bit(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    """SQLite's quote() and its reading of decimals are one unit off for a few of these."""
    unlucky = [9384.821911, 5334234.580296, 291.57168317, 190.250041281723, 18.0012581085451]
    near = [291.92249430043603, 409.56743452068997, 772.2621279782541, 85.42773887288391]
    source = random.Random(3)
    others = [round(source.uniform(-1e6, 1e6), source.randint(0, 12)) for _ in range(2000)]
    wide = [source.uniform(-1, 1) * 10.0 ** source.randint(-320, 300) for _ in range(2000)]
    with closing(sqlite3.connect(tmp_path / "numbers.db")) as numbers:
        numbers.execute("CREATE TABLE number (id INTEGER PRIMARY KEY, v REAL)")
        numbers.executemany(
            "INSERT INTO number (v) VALUES (?)",
            [(number,) for number in (*unlucky, *near, *others, *wide)],
        )
        numbers.commit()
    restore.whole(database, tmp_path / "numbers.db", tmp_path)
    made = backup.make(database, folder, BackupRequest("test"))
    assert made.manifest is not None
    assert made.manifest.content.tables == manifest.of_file(tmp_path / "numbers.db").tables


@pytest.mark.slow
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_bomb_stops_at_the_size_that_the_manifest_says(
    local: Database, tmp_path: Path, encrypted: bool
) -> None:
    """A few kilobytes that unpack to a gigabyte, in the place of a small backup."""
    import pyrage
    import zstandard

    local.execute("CREATE TABLE t (v)")
    key = pyrage.x25519.Identity.generate()
    recipients = [key.to_public()] if encrypted else []
    made = backup.make(local, tmp_path / "backups", BackupRequest("test", recipients=recipients))
    compressor = zstandard.ZstdCompressor().compressobj()  # without a size in its header
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(1024)) + compressor.flush()
    made.path.write_bytes(pyrage.encrypt(bomb, recipients) if encrypted else bomb)
    (tmp_path / "work").mkdir()
    with pytest.raises(Refused, match="unpacks to more than"):
        backup.unpack(made, tmp_path / "work", [key] if encrypted else [])
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE t",
        "CREATE INDEX i ON t (v); DROP TABLE t",
        "CREATE TABLE view (v)",
        "/* CREATE INDEX */ DELETE FROM t",
        "",
    ],
)
def test_a_manifest_whose_sql_does_more_than_it_is_for_is_refused(
    local: Database, tmp_path: Path, sql: str
) -> None:
    local.execute("CREATE TABLE t (v)")
    made = backup.make(local, tmp_path, BackupRequest("test"))
    assert made.manifest is not None
    changed = replace(made.manifest, beside=[sql])
    backup.manifest_path(made.path).write_text(changed.as_json())
    with pytest.raises(Refused, match="is no manifest of a backup"):
        backup.of_path(made.path)


def test_a_trigger_that_the_backup_does_not_hold_is_not_made(
    local: Database, tmp_path: Path
) -> None:
    local.execute("CREATE TABLE t (v)")
    made = backup.make(local, tmp_path, BackupRequest("test"))
    assert made.manifest is not None
    (tmp_path / "work").mkdir()
    trigger = "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; END"
    changed = replace(made.manifest, beside=[trigger])
    backup.manifest_path(made.path).write_text(changed.as_json())
    with pytest.raises(Refused, match="a trigger that the backup does not hold"):
        backup.unpack(backup.of_path(made.path), tmp_path / "work")
