"""The applied migrations: their names, what came since, and what older code cannot live with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from xswarm_deploy.site import Site
from xswarm_deploy.steps import applied, migrate

FILES = {
    "users": "-- migrate:up\nCREATE TABLE users (id);\n-- migrate:down\nDROP TABLE users;",
    "posts": (
        "-- compatible: no\n-- depends: users\n"
        "-- migrate:up\nCREATE TABLE posts (u);\n-- migrate:down\nDROP TABLE posts;"
    ),
}


@pytest.fixture(autouse=True)
def migrated(site: Site, tmp_path: Path) -> Iterator[None]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / f"{name}.sql").write_text(text)
    for change in migrate.plan(site):
        migrate.apply(site, change)
    yield
    site.database.close()


def test_names_are_in_the_order_they_ran(site: Site) -> None:
    assert applied.names(site) == ["users", "posts"]


def test_what_came_since_is_as_it_was_applied(site: Site, tmp_path: Path) -> None:
    (tmp_path / "migrations" / "posts.sql").write_text("edited")
    (found,) = applied.since(site, ["users"])
    assert (found.name, found.depends, found.compatible) == ("posts", ("users",), False)
    assert applied.since(site, ["users", "posts"]) == []


def test_incompatible_names_what_older_code_cannot_live_with(site: Site) -> None:
    now = applied.today(site)
    assert now.incompatible(["users"]) == ["posts"]
    assert now.incompatible(["posts"]) == []
    assert now.incompatible(["users", "posts"]) == []
