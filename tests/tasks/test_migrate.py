"""The task that applies migrations, on a real database file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from invoke.context import Context

from tests.tasks.migrating import kinds, place, tables
from xswarm_deploy.cli import context
from xswarm_deploy.settings.project import Migrations
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import migrate, migrations

__all__ = ["place"]  # the fixture


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
    assert capsys.readouterr().out == "✓ migrate: nothing to do\n"
    assert kinds(place) == ["migrate"]


@pytest.mark.parametrize("task", [migrate.migrate, migrations.plan, migrations.status])
def test_where_no_folder_is_named_that_is_said(
    c: Context,
    place: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    task: Callable[[Context], None],
) -> None:
    project = place.settings.project._replace(migrations=Migrations())
    named_none = Site(replace(place.settings, project=project))
    monkeypatch.setattr(context, "open_site", lambda *_, **__: named_none)
    task(c)
    assert "no folder is named (deploy.migrations.directory" in capsys.readouterr().out
