"""The steps backup and restore, on a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest

from deployment.database import archive
from deployment.errors import DeployError, Refused
from deployment.settings import Settings
from deployment.steps import backup, restore
from deployment.steps.site import Site
from deployment.steps.step import Change


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
    assert backup.verify(site, "latest").tables["t"][0] == 2


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
    assert backup.verify(site, site.facts["backup"]).tables["t"][0] == 0
    without = make_site(BACKUP_AGE_RECIPIENT=str(key.to_public()))
    with pytest.raises(Refused, match="cannot be read") as caught:
        backup.verify(without, "latest")
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


def test_a_restore_is_planned_from_a_fact(site: Site) -> None:
    assert restore.plan(site) == []
    do(site, backup.plan(site))
    site.facts["restore"] = {"name": "latest"}
    assert [change.action for change in restore.plan(site)] == ["create", "restore"]


@pytest.mark.parametrize("name", ["latest", "nowhere.db.zst", "/nowhere/x.db.zst"])
def test_a_backup_that_is_not_there_is_refused(site: Site, name: str) -> None:
    with pytest.raises(Refused, match="There is no backup"):
        restore.plan_of(site, name)


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


def test_a_backup_that_fails_stops_everything(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "pack", broken)
    with pytest.raises(OSError, match="No space"):
        do(site, backup.plan(site))
    assert list(backup.folder(site).iterdir()) == []
