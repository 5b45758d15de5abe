"""The page on leaving names all that the tool has left behind, and drizzle-kit goes on after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests import words
from xswarm_deploy.adoption import pipelines
from xswarm_deploy.database import migration_history, own
from xswarm_deploy.release import records
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site

PAGE = (words.PROJECT / "deployment/docs/how-to/leaving.md").read_text("utf-8")
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


@pytest.fixture
def site(settings: Callable[..., Settings]) -> Iterator[Site]:
    """Return an environment whose database has the records of releases and migrations."""
    made = Site(settings())
    records.prepare(made.database)
    for statement in migration_history.CREATE:
        made.database.execute(statement.sql)
    yield made
    made.database.close()


def test_every_table_of_the_releases_is_named(site: Site) -> None:
    left = {row.text("name") for row in site.database.query(TABLES)}
    assert left >= set(records.TABLES)
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert left | own.RELEASES.names | own.MIGRATIONS.names <= named
    assert {name.removeprefix("monitoring_") for name in own.MONITORING.names} <= named


def test_what_lies_in_the_repository_is_named() -> None:
    named = set(re.findall(r"`([^`]+)`", PAGE))
    assert {"invoke.yaml", "deployment/", ".deployments", ".backups", ".sandbox"} <= named
    assert {str(pipelines.GITLAB_FILE), ".github/workflows/deploy.yml", "xswarm.yml"} <= named


def test_drizzle_takes_the_ledger_as_the_page_makes_it(site: Site) -> None:
    """Its migrator runs what is younger than the last created_at (drizzle-orm, dialect.migrate)."""
    made, entered = (
        statement.replace("WHEN", "1796020664823")
        for statement in (
            *re.findall(r"`(CREATE TABLE __drizzle[^`]+)`", PAGE),
            *re.findall(r"`(INSERT INTO __drizzle[^`]+)`", PAGE),
        )
    )
    site.database.execute(made)
    site.database.execute(entered)
    last = "SELECT created_at FROM __drizzle_migrations ORDER BY created_at DESC LIMIT 1"
    assert [row["created_at"] for row in site.database.query(last)] == [1796020664823]
