"""The guide's chapter on migrations, walked through: its file, its commands, in its order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.world import site_of
from tests.support.house import House
from tests.support.project import PROJECT
from xswarm_deploy.site import Site

pytestmark = pytest.mark.slow

CHAPTER = PROJECT / "deployment/docs/guide/migrations.md"
NAME = "user-locale"


@pytest.fixture(scope="module")
def migrated(house: House) -> House:
    """Return a house whose database has all migrations; nothing was deployed."""
    house.inv("sandbox.up")
    house.inv("migrate")
    return house


@pytest.fixture
def site(migrated: House) -> Iterator[Site]:
    found = site_of(migrated.root)
    with found.database:
        yield found


def columns(site: Site) -> list[str]:
    rows = site.connect().query("SELECT name FROM pragma_table_info('users')")
    return [row.text("name") for row in rows]


def statuses(house: House) -> dict[str, Any]:
    return {row["filename"]: row["status"] for row in house.json("migrate.status")}


def text() -> str:
    return CHAPTER.read_text(encoding="utf-8")


def file_of(house: House) -> Path:
    return house.root / "migrations" / f"{NAME}.sql"


def test_the_chapter_names_these_commands_in_this_order() -> None:
    told = re.findall(r"^\./inv (migrate\S*)", text(), re.MULTILINE)
    assert told == [
        "migrate.new",
        "migrate.plan",
        "migrate.lint",
        "migrate",
        "migrate.status",
        "migrate.verify",
        "migrate.down",
        "migrate.restamp",
        "migrate.baseline",
    ]


def test_its_migration_goes_forward_and_back(migrated: House, site: Site) -> None:
    migrated.inv("migrate.new", NAME)
    refused = migrated.inv("migrate.plan", check=False)
    assert (refused.returncode, "the up part is empty" in refused.stderr) == (2, True)
    (sql,) = re.findall(r"^```sql\n(.*?)^```", text(), re.MULTILINE | re.DOTALL)
    file_of(migrated).write_text(sql)
    assert "rolled back: 2 statements" in migrated.inv("migrate.plan").stdout
    assert "locale" not in columns(site)
    migrated.inv("migrate")
    assert "locale" in columns(site)
    assert statuses(migrated)[f"{NAME}.sql"] == "applied"
    migrated.inv("migrate.verify")
    migrated.inv("migrate.down")
    assert "locale" not in columns(site)
    assert statuses(migrated)[f"{NAME}.sql"] == "pending"


def test_an_edit_is_refused_shown_and_accepted(migrated: House) -> None:
    migrated.inv("migrate")
    file = file_of(migrated)
    file.write_text(file.read_text().replace("User locale", "Locale of users"))
    refused = migrated.inv("migrate", check=False)
    assert refused.returncode == 2
    assert "+-- name: Locale of users" in refused.stderr
    migrated.inv("migrate.restamp", NAME)
    assert statuses(migrated)[f"{NAME}.sql"] == "applied"


def test_a_database_that_is_there_is_entered(migrated: House, site: Site) -> None:
    site.connect().execute("DROP TABLE _migrations")
    assert set(statuses(migrated).values()) == {"pending"}
    told = migrated.inv("migrate.baseline").stdout
    assert "+++" not in told  # the database is what the files give
    assert set(statuses(migrated).values()) == {"applied"}
