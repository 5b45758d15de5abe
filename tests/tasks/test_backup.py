"""The tasks of backups, on a real database file."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, tzinfo
from typing import Self

import pytest
from invoke.context import Context

from tests.tasks.conftest import make_context
from xswarm_deploy import console
from xswarm_deploy.database.backup import manifest_path
from xswarm_deploy.errors import Refused
from xswarm_deploy.release import audit
from xswarm_deploy.site import Site
from xswarm_deploy.steps import backup as step
from xswarm_deploy.tasks import backup


@pytest.fixture
def place(site: Site) -> Site:
    site.database.execute("CREATE TABLE t (v)")
    site.database.execute("INSERT INTO t VALUES (1), (2)")
    return site


def files(site: Site) -> list[str]:
    return sorted(p.name for p in site.settings.path(".backups").glob("*.zst"))


def test_a_backup_is_made_listed_and_verified(
    c: Context, place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    backup.backup(c)
    capsys.readouterr()
    backup.list_(c, json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert row["file"] in files(place)
    backup.list_(c)
    assert row["file"] in capsys.readouterr().out
    backup.verify(c)
    assert "as the manifest says" in capsys.readouterr().out
    backup.drill(c)
    assert "so much would be lost" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "why"),
    [('{"format": 2}', "a later version of this tool wrote it"), ('{"fo', "JSONDecodeError")],
)
def test_one_that_cannot_be_read_hides_no_other(
    c: Context, place: Site, capsys: pytest.CaptureFixture[str], text: str, why: str
) -> None:
    """A later version made it, or a disk was full: the list is the way on."""
    backup.backup(c)
    backup.backup(c)
    newest, older = (each.path for each in step.listed(place))
    manifest_path(newest).write_text(text)
    other = newest.rename(newest.with_name("of-another-name.db.zst"))
    manifest_path(newest).rename(manifest_path(other))
    capsys.readouterr()
    backup.list_(c)
    told = capsys.readouterr().out
    assert older.name in told
    assert f"{other.name}.json" in told
    assert why in told
    backup.list_(c, json=True)
    rows = {row["file"]: row["signed"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {other.name: "unreadable", older.name: False}


def test_it_can_be_sql_text_and_dry_makes_none(c: Context, dry: Context, place: Site) -> None:
    backup.backup(dry, format="sql")
    assert files(place) == []
    backup.backup(c, format="sql")
    assert [name.endswith(".sql.zst") for name in files(place)] == [True]


def test_a_restore_brings_the_rows_back(
    c: Context, place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    backup.backup(c)
    place.database.execute("DELETE FROM t")
    with pytest.raises(Refused, match="What was written since is lost"):
        backup.restore(make_context(environment="staging"), "latest")
    backup.restore(make_context(dry=True), "latest")
    assert place.database.query("SELECT * FROM t") == []
    backup.restore(c, "latest")
    assert [row[0] for row in place.database.query("SELECT v FROM t ORDER BY v")] == [1, 2]


def test_what_is_expired_is_removed_once_agreed(
    c: Context, place: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backup.backup(c)
    backup.prune(c)
    assert "nothing to do" in capsys.readouterr().out
    monkeypatch.setattr(step, "expired", lambda site, _now: step.listed(site))
    asked: list[str] = []
    monkeypatch.setattr(console, "confirm", lambda question, **_: asked.append(question))
    backup.prune(make_context(dry=True))
    (name,) = files(place)
    backup.prune(c)
    assert (files(place), asked) == ([], ["Remove these 1 backups?"])
    event = audit.read(place.database)[-1]
    assert (event.event, json.loads(event.details)["files"]) == ("backup.prune", [name])


def test_nothing_is_expired_by_a_wrong_clock_of_this_machine(
    c: Context, place: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(days=400)

    for _ in range(2):
        backup.backup(c)
    for module in (backup, step):
        monkeypatch.setattr(module, "datetime", Ahead)
    backup.prune(make_context(environment="staging", dry=True))
    assert "nothing to do" in capsys.readouterr().out
