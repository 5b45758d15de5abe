"""The steps backup and restore, on a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn, cast

import pyrage
import pytest

from xswarm_deploy.database import archive
from xswarm_deploy.database.backup import Backup, Format, manifest_path
from xswarm_deploy.database.backup_ahead import BackupAhead
from xswarm_deploy.database.client import connect
from xswarm_deploy.database.loss import Loss
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import deployment
from xswarm_deploy.release.release import Release
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import backup, restore


@pytest.fixture
def make_site(settings: Callable[..., Settings]) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(**values: str) -> Site:
        made.append(Site(settings(**values)))
        return made[-1]

    yield make
    for each in made:
        each.database.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    made = make_site()
    made.facts["release"] = "release-1"
    made.database.execute("CREATE TABLE t (v)")
    made.database.execute("INSERT INTO t VALUES (1), (2)")
    return made


def do(site: Site, changes: list[Change]) -> None:
    """Make changes as a release does."""
    for change in changes:
        step = backup if change.step == "backup" else restore
        site.facts.update(step.apply(site, change))


def values(site: Site) -> list[object]:
    return [row[0] for row in site.database.query("SELECT v FROM t ORDER BY v")]


def test_a_backup_is_made_and_listed(site: Site) -> None:
    do(site, backup.plan(site))
    (found,) = backup.listed(site)
    assert found.path.name == site.facts["backup"]
    assert site.facts["backup_rows"] == 2
    assert backup.verify(site, backup.chosen(site, "latest")).tables["t"][0] == 2


def files(site: Site) -> list[str]:
    return sorted(path.name for path in backup.folder(site).iterdir())


def test_one_that_was_begun_ahead_is_kept_at_its_turn(site: Site) -> None:
    do(site, backup.plan(site))  # how large the database is, an earlier backup tells
    backup.begin_ahead(site)
    site.database.execute("INSERT INTO t VALUES (3)")
    do(site, backup.plan(site))
    newest, _older = backup.listed(site)
    assert newest.path.name == site.facts["backup"]
    assert backup.verify(site, newest).tables["t"][0] in (2, 3), "as it was begun, or moments later"
    assert not site.state.begun


def test_one_that_was_begun_ahead_and_is_not_wanted_leaves_nothing(site: Site) -> None:
    do(site, backup.plan(site))
    before = files(site)
    backup.begin_ahead(site)
    begun = site.state.begun[backup.NAME]
    assert isinstance(begun, BackupAhead)
    backup.forget_ahead(site)
    begun._thread.join(10)
    assert files(site) == before


def test_none_is_begun_ahead_of_a_database_of_unknown_size_or_a_large_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup.begin_ahead(site)
    assert not site.state.begun, "there is no backup that tells"
    do(site, backup.plan(site))
    monkeypatch.setattr(backup, "_SMALL", 1)
    backup.begin_ahead(site)
    assert not site.state.begun


def test_a_manifest_that_cannot_be_read_stops_no_release(site: Site) -> None:
    """A later version of this tool wrote it, or a disk was full: what is begun ahead raised."""
    for _ in range(2):
        do(site, backup.plan(site))
    newest, older = backup.listed(site)
    manifest_path(newest.path).write_text('{"format": 2}')
    backup.begin_ahead(site)
    assert backup.NAME in site.state.begun, "the older one tells how large it is"
    backup.forget_ahead(site)
    manifest_path(older.path).write_text("{")
    backup.begin_ahead(site)
    assert not site.state.begun
    with pytest.raises(Refused, match="is of format 2"):  # not an older one without a word
        backup.chosen(site, "latest")


@pytest.mark.parametrize("why", ["old", "failed"])
def test_one_begun_ahead_that_does_not_hold_is_made_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    do(site, backup.plan(site))
    if why == "old":
        monkeypatch.setattr(backup, "_FRESH", -1.0)
    else:
        monkeypatch.setattr(BackupAhead, "keep", failing)
    backup.begin_ahead(site)
    begun = site.state.begun[backup.NAME]
    assert isinstance(begun, BackupAhead)
    site.database.execute("INSERT INTO t VALUES (3)")
    do(site, backup.plan(site))
    assert backup.verify(site, backup.listed(site)[0]).tables["t"][0] == 3
    begun.remove()
    begun._thread.join(10)


def failing(_self: BackupAhead) -> Backup:
    raise DeployError("the connection broke", "", "")


def test_a_format_is_sql_or_refused(site: Site) -> None:
    do(site, backup.always(site, "sql"))
    assert str(site.facts["backup"]).endswith(".sql.zst")
    with pytest.raises(Refused, match="no format 'tar'"):
        backup.always(site, "tar")


def test_it_can_be_switched_off_but_not_for_a_restore(make_site: Callable[..., Site]) -> None:
    site = make_site(BACKUP_ENABLED="false")
    assert backup.plan(site) == []
    site.database.execute("CREATE TABLE t (v)")
    do(site, backup.always(site))
    changes = restore.plan_of(site, "latest")
    assert [change.step for change in changes] == ["backup", "restore"]


def test_an_encrypted_one_is_verified_with_the_identity(make_site: Callable[..., Site]) -> None:
    key = pyrage.x25519.Identity.generate()
    site = make_site(BACKUP_AGE_RECIPIENT=str(key.to_public()), BACKUP_AGE_IDENTITY=str(key))
    site.database.execute("CREATE TABLE t (v)")
    do(site, backup.plan(site))
    assert site.facts["backup"].endswith(".age")
    assert backup.verify(site, backup.chosen(site, site.facts["backup"])).tables["t"][0] == 0
    without = make_site(BACKUP_AGE_RECIPIENT=str(key.to_public()))
    with pytest.raises(Refused, match="cannot be read") as caught:
        backup.verify(without, backup.chosen(without, "latest"))
    assert "BACKUP_AGE_IDENTITY is not set" in caught.value.why


def test_keys_that_are_none_are_refused(make_site: Callable[..., Site]) -> None:
    site = make_site(BACKUP_AGE_RECIPIENT="age1nothing")
    with pytest.raises(Refused, match="no age public key"):
        do(site, backup.plan(site))
    site = make_site(BACKUP_AGE_IDENTITY="AGE-SECRET-KEY-1NOTHING")
    with pytest.raises(Refused, match="no age secret key") as caught:
        backup.identities(site)
    assert "NOTHING" not in caught.value.render()


def test_a_restore_puts_back_and_its_undo_puts_forward(site: Site) -> None:
    do(site, backup.plan(site))
    site.database.execute("DELETE FROM t")
    changes = restore.plan_of(site, "latest")
    do(site, changes)
    assert values(site) == [1, 2]
    assert site.facts["rows"] == 2
    restore.undo(site, changes[1], dict(site.facts))
    assert values(site) == []


def test_an_undo_without_a_reply_still_knows_the_fresh_backup(site: Site) -> None:
    do(site, backup.plan(site))
    site.database.execute("INSERT INTO t VALUES (3)")
    changes = restore.plan_of(site, "latest")
    do(site, changes)
    restore.undo(site, changes[1], {})
    assert values(site) == [1, 2, 3]


def test_an_undo_without_a_fresh_backup_says_so(site: Site) -> None:
    do(site, backup.plan(site))
    changes = restore.plan_of(site, "latest")
    do(site, changes)
    del site.facts["backup"]
    with pytest.raises(DeployError, match="as the restore left it"):
        restore.undo(site, changes[1], {})


def test_one_table_or_another_database(site: Site, tmp_path: Path) -> None:
    site.database.execute("CREATE TABLE other (v)")
    do(site, backup.plan(site))
    site.database.execute("DELETE FROM t")
    site.database.execute("INSERT INTO other VALUES (1)")
    do(site, restore.plan_of(site, "latest", table="t"))
    assert values(site) == [1, 2]
    assert site.database.query("SELECT count(*) FROM other")[0][0] == 1
    (change,) = restore.plan_of(site, "latest", to=f"file:{tmp_path / 'new.db'}")
    assert "is not backed up first" in change.irreversible
    do(site, [change])
    assert (tmp_path / "new.db").exists()


def test_what_another_database_would_lose_is_counted(site: Site, tmp_path: Path) -> None:
    do(site, backup.plan(site))
    other = tmp_path / "other.db"
    with connect(f"file:{other}") as database:
        database.execute("CREATE TABLE t (v)")
        database.execute("INSERT INTO t VALUES (1), (7)")
    changes = restore.plan_of(site, "latest", to=f"file:{other}")
    assert restore.lost(changes) == [Loss("t", 2, 1)]
    assert restore.lost(restore.plan_of(site, "latest", to=f"file:{tmp_path}/new.db")) == []
    assert not (tmp_path / "new.db").exists()


def test_what_of_the_schema_goes_is_said(site: Site) -> None:
    do(site, backup.plan(site))
    assert restore.doubts(restore.plan_of(site, "latest")) == []
    site.database.execute("CREATE TABLE later (v)")
    site.database.execute("CREATE VIEW seen AS SELECT 1")
    site.database.execute("ALTER TABLE t ADD COLUMN w")
    assert restore.doubts(restore.plan_of(site, "latest")) == [
        "of the schema goes, which the backup does not have: table later, view seen",
        "of the schema is another in the backup: table t",
    ]
    with pytest.raises(Refused, match="other columns"):
        restore.plan_of(site, "latest", table="t")


@pytest.mark.parametrize("spelt", ["{own}", "{folder}/./{name}", "{own}?mode=rw", "{link}"])
def test_the_environments_own_database_is_no_other(site: Site, tmp_path: Path, spelt: str) -> None:
    """It would be replaced without a backup of what it holds."""
    do(site, backup.plan(site))
    own, link = Path(site.database.url.removeprefix("file:")).absolute(), tmp_path / "link"
    link.symlink_to(own)
    to = "file:" + spelt.format(own=own, folder=own.parent, name=own.name, link=link)
    with pytest.raises(Refused, match="names the database of local itself"):
        restore.plan_of(site, "latest", to=to)


@pytest.mark.parametrize(
    "spelt",
    ["https://shop.turso.io", "libsql://Shop.Turso.io/", "LIBSQL://shop.turso.io:443"],
)
def test_a_server_is_the_same_however_its_name_is_spelt(spelt: str) -> None:
    token = Secret("a-token-of-the-database", "TOKEN")
    with connect("libsql://shop.turso.io", token) as own, connect(spelt, token) as other:
        assert restore._place(other) == restore._place(own)
    with connect("libsql://shop.turso.io:8080", token) as another:
        assert restore._place(another) != restore._place(own)


def test_another_database_that_is_none_is_refused_before_anything_begins(
    site: Site, tmp_path: Path
) -> None:
    do(site, backup.plan(site))
    (tmp_path / "notes.txt").write_text("mine " * 1000)
    with pytest.raises(DeployError, match="not a database"):
        restore.plan_of(site, "latest", to=f"file:{tmp_path / 'notes.txt'}")
    with pytest.raises(Refused, match="There is no folder"):
        restore.plan_of(site, "latest", to=f"file:{tmp_path / 'nowhere' / 'x.db'}")
    with pytest.raises(Refused, match="Not a database URL"):
        restore.plan_of(site, "latest", to="nonsense")
    assert (tmp_path / "notes.txt").read_text() == "mine " * 1000


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("nowhere", "no table nowhere"),
        ("_releases", "not restored alone"),
        ("_migrations", "not restored alone"),
        ("sqlite_sequence", "not restored alone"),
    ],
)
def test_a_table_that_cannot_be_restored_alone_is_refused_while_planning(
    site: Site, table: str, why: str
) -> None:
    do(site, backup.plan(site))
    with pytest.raises(Refused, match=why):
        restore.plan_of(site, "latest", table=table)


def test_a_restore_is_planned_from_a_fact(site: Site) -> None:
    assert restore.plan(site) == []
    do(site, backup.plan(site))
    site.facts["restore"] = {"name": "latest"}
    assert [change.action for change in restore.plan(site)] == ["create", "restore"]


@pytest.mark.parametrize("name", ["latest", "nowhere.db.zst", "/nowhere/x.db.zst"])
def test_a_backup_that_is_not_there_is_refused(site: Site, name: str) -> None:
    with pytest.raises(Refused, match="There is no backup") as caught:
        restore.plan_of(site, name)
    assert (caught.value.why, caught.value.remedy) > ("", "")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x55
    path.write_bytes(raw)


def foreign(path: Path) -> None:
    path.write_text("root:x:0:0:root:/root:/bin/bash\n")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def with_another_manifest(path: Path) -> None:
    beside = manifest_path(path)
    beside.write_text(beside.read_text().replace('"t": [\n    2,', '"t": [\n    3,'))


def with_a_torn_manifest(path: Path) -> None:
    manifest_path(path).write_bytes(b"\xff{")


def without_manifest_and_truncated(path: Path) -> None:
    manifest_path(path).unlink()
    truncated(path)


@pytest.mark.parametrize("format", ["db", "sql"])
@pytest.mark.parametrize(
    "spoil",
    [
        truncated,
        flipped,
        foreign,
        emptied,
        with_another_manifest,
        with_a_torn_manifest,
        without_manifest_and_truncated,
    ],
)
def test_a_backup_that_cannot_be_restored_is_refused_while_planning(
    site: Site, spoil: Callable[[Path], None], format: Format
) -> None:
    do(site, backup.always(site, format))
    (found,) = backup.listed(site)
    before = {path.name: path.read_bytes() for path in found.path.parent.iterdir()}
    spoil(found.path)
    assert before != {path.name: path.read_bytes() for path in found.path.parent.iterdir()}
    site.database.execute("INSERT INTO t VALUES (3)")
    with pytest.raises(Refused) as caught:
        restore.plan_of(site, found.path.name)
    assert all((caught.value.what, caught.value.why, caught.value.remedy))
    assert values(site) == [1, 2, 3]
    assert {path.name for path in found.path.parent.iterdir()} <= set(before)


def test_some_other_file_is_no_backup(site: Site, tmp_path: Path) -> None:
    for name in ("passwd", "other.sql", "other.db"):
        foreign(tmp_path / name)
        with pytest.raises(Refused):
            restore.plan_of(site, str(tmp_path / name))
    emptied(tmp_path / "empty.sql")
    with pytest.raises(Refused, match="is no whole dump: it holds no table"):
        restore.plan_of(site, str(tmp_path / "empty.sql"))


def test_no_room_to_unpack_is_refused_while_planning(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(site, backup.plan(site))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "unpack", full)
    with pytest.raises(Refused, match="cannot be unpacked") as caught:
        restore.plan_of(site, "latest")
    assert "No space left" in caught.value.why


def test_a_good_backup_raises_no_doubts(site: Site) -> None:
    do(site, backup.plan(site))
    assert restore.doubts(restore.plan_of(site, "latest")) == []


def test_one_without_a_manifest_must_be_named_and_is_doubted(site: Site) -> None:
    do(site, backup.plan(site))
    (made,) = backup.listed(site)
    manifest_path(made.path).unlink()
    with pytest.raises(Refused, match="There is no backup yet") as caught:
        restore.plan_of(site, "latest")
    assert f"must be named: {made.path.name}" in caught.value.why
    (doubt,) = restore.doubts(restore.plan_of(site, made.path.name))
    assert f"{made.path.name} has no manifest" in doubt
    assert "2 rows in 1 tables" in doubt
    do(site, backup.plan(site))
    assert backup.chosen(site, "latest").path != made.path


def test_foreign_keys_that_point_nowhere_are_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "old.sql").write_text(
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a (id));"
        "INSERT INTO b VALUES (7);"
    )
    doubts = restore.doubts(restore.plan_of(site, str(tmp_path / "old.sql")))
    assert "old.sql: 1 foreign keys in it point nowhere" in doubts


def test_another_environments_backup_is_said(site: Site) -> None:
    do(site, backup.plan(site))
    (made,) = backup.listed(site)
    beside = manifest_path(made.path)
    beside.write_text(beside.read_text().replace('"environment": "local"', '"environment": "x"'))
    (doubt,) = restore.doubts(restore.plan_of(site, made.path.name))
    assert doubt == f"{made.path.name} is a backup of x, not of local"


def test_a_signed_one_is_believed_and_another_doubted_or_refused(
    make_site: Callable[..., Site],
) -> None:
    """BACKUP_SIGNING_KEY: what it signs, what of earlier versions, and what was changed."""
    plain = make_site()
    plain.database.execute("CREATE TABLE t (v)")
    do(plain, backup.plan(plain))
    keyed = make_site(BACKUP_SIGNING_KEY="k" * 32)
    unsigned = backup.chosen(keyed, "latest").path.name
    (doubt,) = restore.doubts(restore.plan_of(keyed, "latest"))
    assert doubt.startswith(f"the manifest of {unsigned} is not signed")
    do(keyed, backup.plan(keyed))
    do(plain, backup.plan(plain))  # without the key: it is newer, and does not count
    signed = backup.chosen(keyed, "latest").path.name
    assert signed == keyed.facts["backup"]
    assert restore.doubts(restore.plan_of(keyed, "latest")) == []
    (doubt,) = restore.doubts(restore.plan_of(plain, signed))
    assert "BACKUP_SIGNING_KEY is not set here" in doubt
    with pytest.raises(Refused, match="signed by another key") as caught:
        backup.chosen(make_site(BACKUP_SIGNING_KEY="n" * 32), signed)
    assert "after a comma" in caught.value.remedy
    assert backup.chosen(make_site(BACKUP_SIGNING_KEY="n" * 32 + "," + "k" * 32), signed)
    beside = manifest_path(backup.folder(keyed) / signed)
    beside.write_text(beside.read_text().replace('"violations": 0', '"violations": 1'))
    with pytest.raises(Refused, match="is not what was signed"):
        backup.chosen(keyed, signed)


def test_old_ones_are_pruned_with_their_manifests(site: Site) -> None:
    for _ in range(3):
        do(site, backup.plan(site))
    names = [found.path.name for found in backup.listed(site)]
    assert backup.expired(site, datetime.now(UTC) + timedelta(days=29)) == []
    gone = backup.expired(site, datetime.now(UTC) + timedelta(days=31))
    assert [found.path.name for found in gone] == [names[2], names[1]]
    backup.remove(gone)
    assert [found.path.name for found in backup.listed(site)] == names[:1]
    assert len(list(backup.folder(site).iterdir())) == 2


def test_of_those_that_stay_one_manifest_is_read_and_of_those_that_go_each(site: Site) -> None:
    for _ in range(4):
        do(site, backup.plan(site))
    newest, second, third, oldest = backup.listed(site)
    manifest_path(second.path).write_text("{")
    manifest_path(third.path).write_text("{")
    proven = backup.proven(site)
    assert proven is not None
    assert proven.path == newest.path
    now = oldest.created + timedelta(days=30, microseconds=1)
    assert [found.path for found in backup.expired(site, now)] == [oldest.path]
    with pytest.raises(Refused, match="is no manifest"):
        backup.expired(site, datetime.now(UTC) + timedelta(days=31))
    manifest_path(newest.path).write_text("{")
    with pytest.raises(Refused, match="is no manifest"):  # the last good one must be known
        backup.expired(site, now)


def test_one_with_the_name_of_another_is_never_removed_by_itself(site: Site) -> None:
    for _ in range(2):
        do(site, backup.plan(site))
    _, older = backup.listed(site)
    other = older.path.with_name("local-20010101T000000000Z.db.zst")
    manifest_path(older.path).rename(manifest_path(other))
    older.path.rename(other)
    assert backup.expired(site, datetime.now(UTC)) == []


def test_a_good_release_prunes_as_the_retention_says(make_site: Callable[..., Site]) -> None:
    site = make_site(BACKUP_RETENTION_DAYS="3")
    for _ in range(3):
        do(site, backup.plan(site))
    now = datetime.now(UTC)
    assert backup.prune(site, now + timedelta(days=2)) == []
    assert len(backup.prune(site, now + timedelta(days=4))) == 2
    assert len(backup.listed(site)) == 1


def test_where_backups_are_switched_off_none_is_removed(make_site: Callable[..., Site]) -> None:
    site = make_site(BACKUP_RETENTION_DAYS="1")
    for _ in range(2):
        do(site, backup.plan(site))
    off = make_site(BACKUP_RETENTION_DAYS="1", BACKUP_ENABLED="false")
    assert backup.prune(off, datetime.now(UTC) + timedelta(days=9)) == []


def test_where_backups_are_switched_off_no_release_asks_for_the_time(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_: Site) -> NoReturn:
        raise AssertionError

    site = make_site(BACKUP_RETENTION_DAYS="0")
    for _ in range(2):
        do(site, backup.plan(site))
    monkeypatch.setattr(backup, "now", asked)
    off = make_site(BACKUP_RETENTION_DAYS="0", BACKUP_ENABLED="false")
    assert deployment._pruned(cast(Release, SimpleNamespace(site=off))) == []
    with pytest.raises(AssertionError):
        deployment._pruned(cast(Release, SimpleNamespace(site=site)))


def test_a_backup_that_fails_stops_everything(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "pack", broken)
    with pytest.raises(OSError, match="No space"):
        do(site, backup.plan(site))
    assert list(backup.folder(site).iterdir()) == []
