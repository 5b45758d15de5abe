"""The task that applies migrations, on a real database file."""

from __future__ import annotations

import pytest
from invoke.context import Context

from tests.tasks.migrating import kinds, place, tables
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import migrate

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
    assert "nothing to do" in capsys.readouterr().out
    assert kinds(place) == ["migrate"]
