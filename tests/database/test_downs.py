"""Down parts for folders that have none: made where SQLite can tell, else named why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.steps.fakes import FakeCloudflare
from xswarm_deploy.database import downs, migration_history, schema
from xswarm_deploy.database import migrate as applying
from xswarm_deploy.database.client import Database
from xswarm_deploy.database.migrations import parse
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import migrate, pending, schema_check

FIRST = """CREATE TABLE `users` (
	`id` integer PRIMARY KEY NOT NULL,
	`email` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `users_email_unique` ON `users` (`email`);"""
POSTS = """CREATE TABLE `posts` (`id` integer PRIMARY KEY, `user` integer REFERENCES `users`(`id`)
 ON DELETE cascade);--> statement-breakpoint
ALTER TABLE `users` ADD `name` text;--> statement-breakpoint
CREATE INDEX `users_name` ON `users` (`name`);--> statement-breakpoint
CREATE VIEW `named` AS SELECT `name` FROM `users`;--> statement-breakpoint
CREATE TRIGGER `seen` AFTER INSERT ON `users` BEGIN SELECT 1; END;
INSERT INTO `posts` VALUES (1, NULL);"""
REBUILD = """PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_users` (`id` integer PRIMARY KEY, `email` text NOT NULL, `name` text);
--> statement-breakpoint
INSERT INTO `__new_users`("id", "email", "name") SELECT "id", "email", "name" FROM `users`;
--> statement-breakpoint
DROP VIEW `named`;--> statement-breakpoint
DROP TABLE `users`;--> statement-breakpoint
ALTER TABLE `__new_users` RENAME TO `users`;--> statement-breakpoint
PRAGMA foreign_keys=ON;"""


@pytest.fixture(params=["file", "sqld"])
def site(
    request: pytest.FixtureRequest, settings: Callable[..., Settings], tmp_path: Path
) -> Iterator[Site]:
    home: Database = request.getfixturevalue("local" if request.param == "file" else "remote")
    folder = tmp_path / "drizzle"
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "_journal.json").write_text("{}")
    (folder / "0000_first.sql").write_text(FIRST)
    (folder / "0001_posts.sql").write_text(POSTS)
    project = {"migrations": {"directory": "drizzle", "down": "generated"}}
    made = Site(settings(project, TURSO_DATABASE_URL=home.url))
    made.__dict__["cloudflare"] = FakeCloudflare()  # no Worker is live
    yield made
    made.database.close()


def apply(site: Site) -> None:
    for change in migrate.plan(site):
        migrate.apply(site, change)


def take_back(site: Site, steps: int) -> None:
    for change in migrate.plan_down(site, steps=steps):
        migrate.apply(site, change)


def test_a_plain_folder_goes_forward_and_back(site: Site) -> None:
    (change,) = migrate.plan(site)
    assert change.irreversible == ""
    apply(site)
    schema_check.require_sound(site)
    site.database.execute("INSERT INTO users (id, email, name) VALUES (1, 'a', 'b')")
    take_back(site, 1)
    assert set(schema.read(site.database)) == {("table", "users"), ("index", "users_email_unique")}
    assert site.database.query("SELECT * FROM users")[0].values_in_order == (1, "a")
    apply(site)
    take_back(site, 2)
    assert schema.read(site.database) == {}


def test_a_rebuild_by_drizzle_keeps_children_and_says_that_it_cannot_be_taken_back(
    site: Site, tmp_path: Path
) -> None:
    apply(site)
    site.database.execute("INSERT INTO users (id, email) VALUES (1, 'a')")
    site.database.execute("UPDATE posts SET user = 1")
    (tmp_path / "drizzle" / "0002_rebuild.sql").write_text(REBUILD)
    (change,) = migrate.plan(site)
    assert "0002_rebuild.sql: " in change.irreversible
    assert "drops users" in change.irreversible
    apply(site)
    assert site.database.query("SELECT user FROM posts")[0][0] == 1
    with pytest.raises(Refused, match=r"0002_rebuild\.sql cannot be taken back"):
        migrate.plan_down(site)


def test_a_folder_for_each_migration_is_read(site: Site, tmp_path: Path) -> None:
    """As prisma and the newer drizzle write them."""
    (tmp_path / "drizzle" / "0003_more").mkdir()
    (tmp_path / "drizzle" / "0003_more" / "migration.sql").write_text("CREATE TABLE more (id);")
    apply(site)
    assert migration_history.read(site.database)[-1].filename == "0003_more.sql"
    take_back(site, 1)
    assert ("table", "more") not in schema.read(site.database)


def test_without_the_setting_a_down_part_is_asked_for(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "a.sql").write_text("CREATE TABLE a (id);")
    made = Site(settings())
    made.__dict__["cloudflare"] = FakeCloudflare()  # no Worker is live
    with pytest.raises(Refused, match="down part is missing") as caught:
        migrate.plan(made)
    assert "down: generated" in caught.value.why
    made.database.close()
    other = Site(settings({"migrations": {"down": "sometimes"}}))
    with pytest.raises(Refused, match=r"deploy\.migrations\.down is 'sometimes'"):
        migrate.plan(other)
    other.database.close()


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE users SET email = lower(email)", "line 1 writes rows of users"),
        ("INSERT INTO users VALUES (1, 'a', 'b')", "line 1 writes rows of users"),
        ("DELETE FROM users", "line 1 writes rows of users"),
        ("DROP TABLE users", "line 1 drops users"),
        ("ALTER TABLE users DROP COLUMN city", "it changes table users"),
        ("ALTER TABLE users RENAME COLUMN email TO mail", "it changes index by_email, table users"),
        ("DROP INDEX by_email", "it changes index by_email"),
        ("ALTER TABLE users ADD COLUMN k REFERENCES users (id)", ""),
        ("CREATE TABLE t (id); CREATE INDEX i ON t (id); INSERT INTO t VALUES (1)", ""),
        ("CREATE TABLE t AS SELECT * FROM users", ""),
        ("SELECT vector32('[1]')", ""),
        ("CREATE VIRTUAL TABLE f USING fts5 (v)", ""),
    ],
)
def test_what_can_be_told_is_made_and_the_rest_is_named(sql: str, why: str) -> None:
    first = parse("a.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY, email, city);"
                  "CREATE INDEX by_email ON users (email)")  # fmt: skip
    (_, second) = downs.complete([first, parse("b.sql", sql)], {"b"})
    assert second.irreversible == why
    assert bool(second.down) == (not why)


def test_a_down_part_of_ones_own_counts() -> None:
    own = parse("a.sql", "-- migrate:up\nCREATE TABLE a (id);\n-- migrate:down\nDROP TABLE a;")
    said = parse("b.sql", "-- irreversible: merged\nCREATE TABLE b (id);")
    assert downs.complete([own, said], {"a", "b"}) == [own, said]
    assert said.faults == ()


def test_what_was_there_before_a_file_is_never_dropped_by_what_is_made_for_it(site: Site) -> None:
    """``IF NOT EXISTS`` makes nothing there: to take it back would take the rows of others."""
    site.database.execute("CREATE TABLE Sessions (id INTEGER PRIMARY KEY)")
    site.database.execute("INSERT INTO Sessions VALUES (1)")
    folder = site.settings.path("drizzle")
    (folder / "0002_sessions.sql").write_text(
        "CREATE TABLE IF NOT EXISTS sessions (id INTEGER PRIMARY KEY); CREATE TABLE devices (id)"
    )
    (change,) = migrate.plan(site)
    assert "table sessions was there before it" in change.irreversible
    migrate.apply(site, change)
    with pytest.raises(Refused, match="cannot be taken back"):
        migrate.plan_down(site)
    assert site.database.query("SELECT count(*) FROM sessions")[0][0] == 1


def test_the_schema_is_asked_for_where_something_may_be_there_already(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question is a trip to the database, in the check and again in the release."""

    def asked(*_: object) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(pending, "_there", asked)
    monkeypatch.setattr(applying, "_require_made", asked)
    assert migrate.plan(site)
    file = site.settings.path("drizzle") / "0002_sessions.sql"
    file.write_text("CREATE TABLE IF NOT EXISTS sessions (id)")
    with pytest.raises(AssertionError):
        migrate.plan(site)
    file.write_text(UP.format(name="sessions", down="SELECT 1"))
    monkeypatch.setattr(pending, "_there", lambda _: {})
    assert migrate.plan(site)


UP = "-- migrate:up\nCREATE TABLE IF NOT EXISTS {name} (id);\n-- migrate:down\n{down};\n"


@pytest.mark.parametrize("name", ["users", '"Users"', "main.users", "[users]"])
@pytest.mark.parametrize("down", ["DROP TABLE IF EXISTS users", "drop table `USERS`"])
def test_a_down_part_that_would_drop_what_its_file_did_not_make_is_refused(
    site: Site, name: str, down: str
) -> None:
    site.database.execute("CREATE TABLE users (id)")
    folder = site.settings.path("drizzle")
    for file in folder.glob("*.sql"):
        file.unlink()
    (folder / "0001_users.sql").write_text(UP.format(name=name, down=down))
    with pytest.raises(Refused, match=r"0001_users\.sql:2: users is there already") as caught:
        migrate.plan(site)
    assert "inv migrate.baseline --to 0001_users" in caught.value.remedy
    migrate.apply(site, migrate.plan_baseline(site)[0])
    assert migrate.plan(site) == []


@pytest.mark.parametrize(
    "text",
    [
        UP.format(name="others", down="DROP TABLE others"),
        UP.format(name="users", down="SELECT 1"),
        "-- migrate:up\nALTER TABLE users RENAME TO kept; CREATE TABLE IF NOT EXISTS users (id);\n"
        "-- migrate:down\nDROP TABLE users; ALTER TABLE kept RENAME TO users",
    ],
)
def test_what_a_file_made_itself_its_down_part_may_drop(site: Site, text: str) -> None:
    site.database.execute("CREATE TABLE users (id)")
    folder = site.settings.path("drizzle")
    for file in folder.glob("*.sql"):
        file.unlink()
    (folder / "0001_users.sql").write_text(text)
    apply(site)
    take_back(site, 1)
    assert ("table", "users") in schema.read(site.database)


def test_what_sqlite_here_cannot_read_is_not_taken_for_one_that_is_there() -> None:
    text = UP.replace("(id)", "(id) KNOWN TO LIBSQL").format(name="t", down="DROP TABLE t")
    assert downs.passed_over([], [parse("a.sql", text)]) == []
