"""The commands that restore: a backup that is none is refused before anything begins."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from invoke.config import Config
from invoke.context import Context

from xswarm_deploy import console
from xswarm_deploy.cli import context as contexts
from xswarm_deploy.errors import DeployError, ExitCode, Refused, StepFailed
from xswarm_deploy.release import records
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import backup, pages, traffic
from xswarm_deploy.steps import restore as step
from xswarm_deploy.tasks.backup import restore
from xswarm_deploy.tasks.backup import verify as verify_task
from xswarm_deploy.tasks.rollback import rollback

VERSION = "0123456789abcdef"


@pytest.fixture
def place(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a site with a backup that holds 1, and a database that holds 2."""
    made = Site(settings())
    found = SimpleNamespace(id=VERSION, created_on="2026-01-01T00:00:00Z")
    made.__dict__["cloudflare"] = SimpleNamespace(
        version=lambda _worker, _id: found,
        versions=lambda _worker: [],
        schedules=lambda _worker: [],
        deployments=lambda _worker: [],
        open_ahead=lambda _count: None,
        read_ahead=lambda _worker: None,
        list_ahead=lambda _worker: None,
    )
    monkeypatch.setattr(traffic, "live_split", lambda _site: {})
    monkeypatch.setattr(pages, "current", lambda _site: None)
    monkeypatch.setattr(pages, "read_ahead", lambda _site: None)
    monkeypatch.setattr(contexts, "open_site", lambda _c, **_: made)
    monkeypatch.setattr(Settings, "require_sound", lambda _settings: SimpleNamespace())
    made.state.history = lambda: records.read(made.database, "local")
    made.database.execute("CREATE TABLE t (v)")
    made.database.execute("INSERT INTO t VALUES (1)")
    backup.apply(made, backup.always(made)[0])
    made.database.execute("UPDATE t SET v = 2")
    yield made
    made.database.close()


def context(*, dry: bool = False) -> Context:
    return Context(Config(overrides={"deploy": {"env": "local"}, "run": {"dry": dry}}))


def values(site: Site) -> list[object]:
    return [row[0] for row in site.database.query("SELECT v FROM t ORDER BY rowid")]


def going_back(name: str) -> None:
    rollback.body(context(), version=VERSION, restore_db=name, yes=True)


def putting_back(name: str) -> None:
    restore.body(context(), name, yes=True)


@pytest.mark.parametrize("command", [going_back, putting_back])
@pytest.mark.parametrize("name", ["nope", "passwd", "damaged.db.zst", "without.db.zst"])
def test_what_cannot_be_restored_is_refused_before_anyone_is_asked(
    place: Site,
    tmp_path: Path,
    command: Callable[[str], None],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = backup.chosen(place, "latest").path
    (tmp_path / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    for copy in ("damaged.db.zst", "without.db.zst"):
        (tmp_path / copy).write_bytes(made.read_bytes()[:-5])
    shutil.copy(f"{made}.json", tmp_path / "damaged.db.zst.json")
    asked: list[str] = []
    monkeypatch.setattr(console, "confirm", lambda question, **_: asked.append(question))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused) as caught:
        command(name)
    assert caught.value.code == ExitCode.REFUSED
    assert all((caught.value.what, caught.value.why, caught.value.remedy))
    assert asked == []
    assert records.read(place.database, "local") == []
    assert values(place) == [2]
    assert len(backup.listed(place)) == 1


def test_one_without_a_manifest_is_said_before_anyone_is_asked(
    place: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(backup.chosen(place, "latest").path, tmp_path / "found.db.zst")

    def no(*_: object, **__: object) -> None:
        assert "⚠ found.db.zst has no manifest" in capsys.readouterr().out
        raise Refused("no")

    monkeypatch.setattr(console, "confirm", no)
    monkeypatch.chdir(tmp_path)
    for command in (going_back, putting_back):
        with pytest.raises(Refused, match="no"):
            command("found.db.zst")
    restore.body(context(dry=True), "found.db.zst")
    assert "⚠ found.db.zst has no manifest" in capsys.readouterr().out
    verify_task.body(context(), "found.db.zst")
    assert "sound, but without a manifest" in capsys.readouterr().out
    monkeypatch.setattr(console, "confirm", lambda *_, **__: None)
    putting_back("found.db.zst")
    assert values(place) == [1]


def test_a_good_one_is_restored_by_a_release(place: Site) -> None:
    putting_back("latest")
    assert values(place) == [1]
    (record,) = records.read(place.database, "local")
    assert (record.kind, record.status) == ("restore", records.SUCCEEDED)


def test_what_would_be_lost_is_counted_before_anyone_is_asked(
    place: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.database.execute("INSERT INTO t VALUES (3)")
    place.database.execute("CREATE TABLE later AS SELECT 1 AS v")

    def no(*_: object, **__: object) -> None:
        said = capsys.readouterr().out
        assert "⚠ 3 current rows are not in the backup" in said
        assert re.search(r"later +1 +1\n", said)
        assert re.search(r"t +2 +2\n", said)
        raise Refused("no")

    monkeypatch.setattr(console, "confirm", no)
    for command in (going_back, putting_back):
        with pytest.raises(Refused, match="no"):
            command("latest")
    assert values(place) == [2, 3]


def test_a_restore_that_fails_before_it_writes_loses_nothing_users_write_meanwhile(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(site: Site, _change: object) -> None:
        site.database.execute("INSERT INTO t VALUES ('of a user')")
        raise DeployError("the disk is full")

    monkeypatch.setattr(step, "apply", failing)
    with pytest.raises(StepFailed, match="the disk is full"):
        putting_back("latest")
    assert values(place) == [2, "of a user"]
    (record,) = records.read(place.database, "local")
    assert record.status == records.ROLLED_BACK


def test_a_restore_whose_release_fails_later_is_undone(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = step.apply

    def late(site: Site, change: object) -> None:
        real(site, change)  # type: ignore[arg-type]
        assert values(site) == [1]
        raise DeployError("the reply was lost")

    monkeypatch.setattr(step, "apply", late)
    with pytest.raises(StepFailed, match="the reply was lost"):
        putting_back("latest")
    assert values(place) == [2]
