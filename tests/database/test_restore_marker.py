"""The undo of a restore: it puts back what was replaced, and nothing where nothing was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.steps.fakes import FakeCloudflare
from xswarm_deploy.database import backup as backups
from xswarm_deploy.database import own, restore, restore_marker, table_restore
from xswarm_deploy.database.client import Database, DatabaseError
from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.model.step import Change, Facts
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import backup
from xswarm_deploy.steps import restore as step


@pytest.fixture
def site(settings: Callable[..., Settings], database: Database) -> Site:
    """Return a site on each home, with a backup that holds 1 while the database holds 2."""
    made = Site(settings(), ReleaseState({"release": "release-1"}))
    made.__dict__["cloudflare"] = FakeCloudflare()  # no Worker is live
    made.__dict__["database"] = database
    database.execute("CREATE TABLE t (v)")
    database.execute("INSERT INTO t VALUES (1)")
    backup.apply(made, backup.always(made)[0])
    database.execute("UPDATE t SET v = 2")
    return made


@pytest.fixture(params=["", "t"], ids=["whole", "one table"])
def change(site: Site, request: pytest.FixtureRequest) -> Change:
    """Return the restore of that backup, right after the fresh one was made."""
    fresh, planned = step.plan_of(site, "latest", table=request.param)
    site.facts.update(backup.apply(site, fresh))
    return planned


def values(site: Site) -> list[object]:
    return [row[0] for row in site.database.query("SELECT v FROM t ORDER BY rowid")]


def by_a_user(site: Site) -> None:
    site.database.execute("INSERT INTO t VALUES ('of a user')")


def put_back(site: Site, change: Change, work: Path, along: list[str]) -> None:
    """Restore as the step does, with other SQL along."""
    work.mkdir()
    found = backup.chosen(site, step.RESTORE.after_of(change).backup)
    source = backups.unpack(found, work)
    if step.RESTORE.after_of(change).table:
        table_restore.one_table(site.database, source, "t", along)
    else:
        restore.whole(site.database, source, work, proven=found.manifest, along=along)


def test_a_restore_that_never_wrote_is_undone_by_doing_nothing(site: Site, change: Change) -> None:
    by_a_user(site)
    for _ in range(2):
        step.undo(site, change, {})
        assert values(site) == [2, "of a user"]


def test_a_restore_that_was_undone_first_never_takes_place(site: Site, change: Change) -> None:
    step.undo(site, change, {})
    by_a_user(site)
    with pytest.raises(DatabaseError):
        step.apply(site, change)
    assert values(site) == [2, "of a user"]


def test_one_that_is_refused_on_the_way_is_undone_by_doing_nothing(
    site: Site, change: Change, tmp_path: Path
) -> None:
    with pytest.raises(DeployError):
        put_back(
            site,
            change,
            tmp_path / "work",
            [*restore_marker.making("release-1"), "INSERT INTO gone"],
        )
    by_a_user(site)
    step.undo(site, change, {})
    assert values(site) == [2, "of a user"]


@pytest.mark.parametrize("replied", [True, False])
def test_one_that_took_place_is_undone_once(site: Site, change: Change, replied: bool) -> None:
    outcome: Facts = step.apply(site, change)
    assert values(site) == [1]
    step.undo(site, change, outcome if replied else {})
    assert values(site) == [2]
    by_a_user(site)
    step.undo(site, change, outcome if replied else {})
    assert values(site) == [2, "of a user"]


def test_one_that_reads_back_as_something_else_is_undone(
    site: Site, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = step.RESTORE.after_of(change).table
    module, name = (table_restore, "one_table") if table else (restore, "whole")
    real = getattr(module, name)

    def disturbed(*given: object, **named: object) -> None:
        real(*given, **named)
        raise DeployError("The restored database reads back as something else")

    with monkeypatch.context() as patch:
        patch.setattr(module, name, disturbed)
        with pytest.raises(DeployError, match="reads back"):
            step.apply(site, change)
    assert values(site) == [1]
    step.undo(site, change, {})
    assert values(site) == [2]


def test_a_restore_is_made_once_a_release(site: Site, change: Change) -> None:
    first = step.apply(site, change)
    by_a_user(site)
    again = step.apply(site, change)
    assert values(site) == [1, "of a user"]
    assert again == {name: first[name] for name in ("restored", "before")}


def test_the_marks_of_other_releases_stay(site: Site, change: Change) -> None:
    step.apply(site, change)
    site.facts["release"] = "release-2"
    assert not restore_marker.is_made(site.database, "release-2")
    step.apply(site, change)
    step.undo(site, change, {})
    assert not restore_marker.is_made(site.database, "release-2")
    assert restore_marker.is_made(site.database, "release-1")
    assert restore_marker.TABLE in own.RELEASES


def test_another_database_gets_no_mark(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "other.db"
    (change,) = step.plan_of(site, "latest", to=f"file:{target}")
    assert step.apply(site, change)["rows"] == 1
    assert restore_marker.TABLE.encode() not in target.read_bytes()
