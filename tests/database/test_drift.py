"""Verify by the server that took it: libSQL's own SQL is compared, and never a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.steps.fakes import FakeCloudflare
from xswarm_deploy.database.client import connect
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import migrate, schema_check

LIBSQL = """\
-- migrate:up
CREATE TABLE shelves (id INTEGER PRIMARY KEY, label TEXT, e F32_BLOB(2));
ALTER TABLE shelves ALTER COLUMN label TO label TEXT NOT NULL DEFAULT 'none';
CREATE INDEX near ON shelves (libsql_vector_idx(e));
CREATE TABLE scattered (id INTEGER) RANDOM ROWID;
INSERT INTO shelves (e) VALUES (vector32('[1, 2]'));
-- migrate:down
DROP TABLE scattered;
DROP TABLE shelves;
"""


@pytest.fixture
def site(
    settings: Callable[..., Settings], tmp_path: Path, sqld_url: str, remote: object
) -> Iterator[Site]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "shelves.sql").write_text(LIBSQL)
    made = Site(settings(TURSO_DATABASE_URL=sqld_url))
    made.__dict__["cloudflare"] = FakeCloudflare()  # no Worker is live
    yield made
    made.database.close()


def apply(site: Site) -> None:
    for change in migrate.plan(site):
        migrate.apply(site, change)


def test_what_libsql_took_is_sound_and_drift_of_it_is_named(site: Site) -> None:
    apply(site)
    schema_check.require_sound(site)
    site.database.execute("ALTER TABLE shelves ADD COLUMN by_hand TEXT")
    assert any("by_hand" in line for line in schema_check.drift(site))


def test_down_and_up_again_stay_sound(site: Site) -> None:
    apply(site)
    for change in migrate.plan_down(site):
        migrate.apply(site, change)
    assert schema_check.drift(site) == []
    apply(site)
    schema_check.require_sound(site)


def test_without_a_kept_schema_the_rest_is_compared(site: Site, tmp_path: Path) -> None:
    """As after a run of an earlier version of this tool."""
    plain = "-- migrate:up\nCREATE TABLE plain (id);\n-- migrate:down\nDROP TABLE plain;\n"
    (tmp_path / "migrations" / "plain.sql").write_text(plain)
    apply(site)
    site.database.execute("DELETE FROM _migration_texts WHERE checksum = 'schema'")
    assert schema_check.drift(site) == []
    site.database.execute("ALTER TABLE plain ADD COLUMN by_hand TEXT")
    assert any("by_hand" in line for line in schema_check.drift(site))


def test_a_run_of_an_earlier_version_makes_the_kept_schema_old(site: Site) -> None:
    apply(site)
    site.database.execute(
        "INSERT INTO _migrations (filename, name, checksum) VALUES ('later.sql', 'later', 'x')"
    )
    site.database.execute("CREATE TABLE later (id)")
    assert not any("shelves" in line for line in schema_check.drift(site))


def test_the_file_reads_as_before(settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "a.sql").write_text(
        "-- migrate:up\nCREATE TABLE a (id);\n-- migrate:down\nDROP TABLE a;\n"
    )
    made = Site(settings(TURSO_DATABASE_URL=f"file:{tmp_path / 'a.db'}"))
    made.__dict__["cloudflare"] = FakeCloudflare()  # no Worker is live
    apply(made)
    with connect(made.database.url) as hand:
        hand.execute("CREATE TABLE by_hand (id)")
    assert schema_check.drift(made)[-1] == "+CREATE TABLE by_hand (id)"
    made.database.close()
