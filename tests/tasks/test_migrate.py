"""The tasks of migrations, on a real database file."""

from __future__ import annotations

import json

import pytest
from invoke.context import Context

from tests.tasks.conftest import make_context
from xswarm_deploy.cli import context
from xswarm_deploy.errors import CheckFailed, DeployError, Refused
from xswarm_deploy.release import records
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import migrate, migrations

FILE = "-- migrate:up\nCREATE TABLE users (id INTEGER);\n-- migrate:down\nDROP TABLE users;\n"


@pytest.fixture
def place(site: Site) -> Site:
    folder = site.settings.path("migrations")
    folder.mkdir()
    (folder / "users.sql").write_text(FILE)
    return site


def tables(site: Site) -> list[object]:
    sql = "SELECT name FROM sqlite_schema WHERE name = 'users'"
    return [row[0] for row in site.database.query(sql)]


def kinds(site: Site) -> list[str]:
    return [record.kind for record in records.read(site.database, "local")]


def test_alone_it_applies_without_a_backup_and_again_it_does_nothing(
    c: Context, dry: Context, place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate.migrate(dry)
    assert (tables(place), "users" in capsys.readouterr().out) == ([], True)
    migrate.migrate(c)
    assert (tables(place), kinds(place)) == (["users"], ["migrate"])
    assert "made table: users" in capsys.readouterr().out
    assert not place.settings.path(".backups").exists()
    migrate.migrate(c)
    assert "nothing to do" in capsys.readouterr().out
    assert kinds(place) == ["migrate"]


def test_what_is_applied_is_shown_and_verified(
    c: Context, place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    migrations.status(c)
    assert "pending" in capsys.readouterr().out
    migrate.migrate(c)
    capsys.readouterr()
    migrations.status(c, json=True)
    assert json.loads(capsys.readouterr().out)[0]["status"] == "applied"
    migrations.verify(c)
    assert "the schema is what the applied files give" in capsys.readouterr().out
    place.database.execute("ALTER TABLE users ADD COLUMN more")
    with pytest.raises(DeployError):
        migrations.verify(c)


def test_a_plan_rehearses_and_rolls_back(
    c: Context, place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    migrations.plan(c)
    assert "CREATE TABLE users" in capsys.readouterr().out
    assert tables(place) == []
    migrate.migrate(c)
    migrations.plan(c)
    assert "nothing to do" in capsys.readouterr().out


def test_what_was_applied_is_taken_back_after_a_backup(c: Context, place: Site) -> None:
    migrate.migrate(c)
    with pytest.raises(Refused, match="What only they hold is lost"):
        migrations.down(make_context(environment="staging"))
    migrations.down(make_context(dry=True))
    assert tables(place) == ["users"]
    migrations.down(c)
    assert tables(place) == []
    assert list(place.settings.path(".backups").glob("*.zst"))


def test_a_new_file_is_written(
    c: Context, place: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(context, "settings", lambda _c: place.settings)
    migrations.new(c, "posts")
    assert "wrote " in capsys.readouterr().out
    (made,) = place.settings.path("migrations").glob("*posts*")
    assert "depends: users" in made.read_text()


def test_a_schema_that_is_there_is_entered_and_an_edit_accepted(c: Context, place: Site) -> None:
    place.database.execute("CREATE TABLE users (id INTEGER)")
    migrations.baseline(c)
    assert kinds(place) == ["migrate.baseline"]
    file = place.settings.path("migrations") / "users.sql"
    file.write_text(FILE.replace("DROP TABLE users", "DROP TABLE IF EXISTS users"))
    with pytest.raises(DeployError, match="edited"):
        migrate.migrate(c)
    migrations.restamp(c, "users")
    assert kinds(place) == ["migrate.restamp", "migrate.baseline"]
    migrate.migrate(c)


def test_what_is_dangerous_fails_with_its_safe_form(
    c: Context, place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    migrations.lint(c)
    assert "nothing dangerous found" in capsys.readouterr().out
    migrate.migrate(c)
    file = place.settings.path("migrations") / "gone.sql"
    file.write_text("-- migrate:up\nDROP TABLE users;\n-- migrate:down\nCREATE TABLE users (id);")
    with pytest.raises(CheckFailed, match="are dangerous"):
        migrations.lint(c)
    assert "[drops-table]" in capsys.readouterr().out
    with pytest.raises(CheckFailed):
        migrations.lint(c, json=True)
    assert [found["rule"] for found in json.loads(capsys.readouterr().out)] == ["drops-table"]
