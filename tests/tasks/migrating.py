"""A project with one migration, of which the tests of two tasks take more."""

from __future__ import annotations

import pytest

from xswarm_deploy.release import records
from xswarm_deploy.site import Site

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
