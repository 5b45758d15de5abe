"""The step migrate: plan, apply, undo; down, baseline, restamp, drift."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.steps.fakes import FakeCloudflare, ahead
from xswarm_deploy.cli import schema_lines
from xswarm_deploy.database import limits, migration_history, timing
from xswarm_deploy.database.client import DatabaseError
from xswarm_deploy.errors import DeployError, Locked, Refused
from xswarm_deploy.model.step import Change
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import (
    applied,
    backup,
    migrate,
    migration_lint,
    new_migration,
    restore,
    schema_check,
)
from xswarm_deploy.verification import compatibility

FILES = {
    "users": "CREATE TABLE users (id INTEGER PRIMARY KEY);\n-- migrate:down\nDROP TABLE users;",
    "posts": "CREATE TABLE posts (u REFERENCES users);\n-- migrate:down\nDROP TABLE posts;",
}


@pytest.fixture
def site(settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "users.sql").write_text(f"-- migrate:up\n{FILES['users']}")
    (folder / "posts.sql").write_text(f"-- depends: users\n-- migrate:up\n{FILES['posts']}")
    made = Site(settings())
    made.__dict__["cloudflare"] = FakeCloudflare()  # no Worker is live
    yield made
    made.database.close()


def do(site: Site) -> list[dict[str, object]]:
    return [dict(migrate.apply(site, change)) for change in migrate.plan(site)]


def tables(site: Site) -> set[str]:
    return set(schema_check.rows_by_table(site))


@pytest.mark.parametrize(("seconds", "asked"), [(0.0, 0), (compatibility.FRESH + 1, 1)])
def test_how_the_live_version_answered_counts_for_a_minute(
    site: Site, monkeypatch: pytest.MonkeyPatch, seconds: float, asked: int
) -> None:
    told = compatibility.Looked("v1", {}, time.monotonic() - seconds)
    anew: list[Site] = []

    def looked(at: Site) -> compatibility.Looked:
        anew.append(at)
        return told

    monkeypatch.setattr(compatibility, "looked", looked)
    monkeypatch.setattr(compatibility, "_asked", lambda _site, _version: told)
    ahead(site, lambda: told, "migrate")
    do(site)
    assert len(anew) == asked
    assert tables(site) == {"users", "posts"}


def test_where_nothing_was_live_it_is_not_asked_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes live meanwhile was never seen to work on the schema of before."""
    asked: list[str] = []

    def none(_: FakeCloudflare, name: str) -> list[object]:
        asked.append(name)
        return []

    monkeypatch.setattr(FakeCloudflare, "deployments", none)
    do(site)
    assert asked == [site.worker]
    assert tables(site) == {"users", "posts"}


def test_plan_names_what_would_be_applied_and_changes_nothing(site: Site) -> None:
    (change,) = migrate.plan(site)
    assert (change.step, change.action, change.resource) == (
        "migrate",
        "apply",
        "database, 2 migrations",
    )
    assert (change.before, change.after) == ((), ("users", "posts"))
    assert change.as_json()["undo"] == {"take back": ["posts", "users"]}
    assert site.database.query("SELECT * FROM sqlite_schema") == []


def test_apply_then_plan_is_empty(site: Site) -> None:
    (facts,) = do(site)
    assert facts["migrations_applied"] == ["users", "posts"]
    assert facts["made"] == ["table posts", "table users"]
    assert migrate.plan(site) == []
    assert applied.names(site) == ["users", "posts"]


def test_undo_brings_back_to_before_and_is_idempotent(site: Site) -> None:
    (change,) = migrate.plan(site)
    outcome = migrate.apply(site, change)
    migrate.undo(site, change, outcome)
    assert applied.names(site) == []
    assert tables(site) == set()
    migrate.undo(site, change, {})


def test_what_another_run_applied_is_not_undone(site: Site) -> None:
    (change,) = migrate.plan(site)
    migrate.apply(site, change)
    outcome = migrate.apply(site, change)
    assert outcome["by_other"] is True
    migrate.undo(site, change, outcome)
    assert applied.names(site) == ["users", "posts"]


def test_one_that_cannot_be_taken_back_says_so_in_the_plan(site: Site, tmp_path: Path) -> None:
    text = "-- irreversible: rows are merged\n-- migrate:up\nCREATE TABLE t (v);"
    (tmp_path / "migrations" / "t.sql").write_text(text)
    (change,) = migrate.plan(site)
    assert change.irreversible == "t.sql: rows are merged"


ONE_WAY = {
    "no down part": "-- depends: users\n-- irreversible: ids are gone\n-- migrate:up\n"
    "DELETE FROM users;\n",
    "a down part that fails": "-- depends: users\n-- migrate:up\nDELETE FROM users;\n"
    "-- migrate:down\nINSERT INTO nowhere VALUES (1);\n",
}


@pytest.fixture(params=ONE_WAY)
def one_way(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Change:
    """Return the change of a migration without a way down, before which a release backs up."""
    do(site)
    site.database.execute("INSERT INTO users VALUES (1), (2)")
    (tmp_path / "migrations" / "one_way.sql").write_text(ONE_WAY[request.param])
    (made,) = backup.always(site)
    site.facts.update(backup.apply(site, made))
    (change,) = migrate.plan(site)
    return change


def test_where_there_is_no_way_down_the_backup_is_put_back(site: Site, one_way: Change) -> None:
    outcome = migrate.apply(site, one_way)
    assert schema_check.rows_by_table(site)["users"] == 0
    migrate.undo(site, one_way, outcome)
    assert schema_check.rows_by_table(site)["users"] == 2
    assert applied.names(site) == ["users", "posts"]
    migrate.undo(site, one_way, outcome)


def test_the_backup_is_not_put_back_over_what_users_wrote(site: Site, one_way: Change) -> None:
    outcome = migrate.apply(site, one_way)
    site.database.execute("INSERT INTO users VALUES (7)")
    with pytest.raises(DeployError, match="as the release made it") as caught:
        migrate.undo(site, one_way, outcome)
    assert "table users has 1 rows and not 0" in caught.value.why
    assert f"inv backup.restore {site.facts['backup']}" in caught.value.remedy
    assert schema_check.rows_by_table(site)["users"] == 1


def test_without_a_backup_of_its_own_a_release_puts_nothing_back(
    site: Site, one_way: Change
) -> None:
    outcome = migrate.apply(site, one_way)
    del site.facts["backup"]
    with pytest.raises(DeployError, match="as the release made it") as caught:
        migrate.undo(site, one_way, outcome)
    assert "the release made no backup" in caught.value.why


def test_what_was_never_applied_needs_no_way_down(site: Site, one_way: Change) -> None:
    position = site.database.position()
    migrate.undo(site, one_way, {})
    assert site.database.position() == position


def test_down_and_its_undo(site: Site) -> None:
    do(site)
    (change,) = migrate.plan_down(site, steps=1)
    assert (change.action, change.after) == ("take back", ("users",))
    outcome = migrate.apply(site, change)
    assert tables(site) == {"users"}
    migrate.undo(site, change, outcome)
    assert applied.names(site) == ["users", "posts"]
    assert migrate.plan_down(site, to="posts") == []


def test_back_to_an_earlier_schema_goes_only_what_came_since(site: Site, tmp_path: Path) -> None:
    """Also where an earlier migration was taken back, and applied again after a newer one."""
    do(site)
    migrate.apply(site, migrate.plan_down(site)[0])
    posts = tmp_path / "migrations/posts.sql"
    text = posts.read_text()
    posts.unlink()
    newer = posts.with_name("newer.sql")
    newer.write_text("-- migrate:up\nCREATE TABLE newer (v);\n-- migrate:down\nDROP TABLE newer;")
    do(site)
    posts.write_text(text)
    do(site)
    assert applied.names(site) == ["users", "newer", "posts"]
    (change,) = migrate.plan_back(site, ["users", "posts"])
    migrate.apply(site, change)
    assert applied.names(site) == ["users", "posts"]
    assert migrate.plan_back(site, ["users", "posts"]) == []


def test_baseline_enters_without_running_and_can_be_undone(site: Site) -> None:
    site.database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)")
    (change,) = migrate.plan_baseline(site, to="users")
    outcome = migrate.apply(site, change)
    assert applied.names(site) == ["users"]
    assert schema_check.drift(site) == []
    assert migrate.plan_baseline(site, to="users") == []
    migrate.undo(site, change, outcome)
    assert applied.names(site) == []
    with pytest.raises(Refused, match="no migration nowhere"):
        migrate.plan_baseline(site, to="nowhere")


def test_restamp_accepts_an_edit_deliberately(site: Site, tmp_path: Path) -> None:
    do(site)
    file = tmp_path / "migrations" / "users.sql"
    file.write_text(f"-- name: Users\n-- migrate:up\n{FILES['users']}")
    with pytest.raises(Refused, match="edited"):
        migrate.plan(site)
    (change,) = migrate.plan_restamp(site, "users")
    outcome = migrate.apply(site, change)
    assert migrate.plan(site) == []
    migrate.undo(site, change, outcome)
    with pytest.raises(Refused, match="edited"):
        migrate.plan(site)
    with pytest.raises(Refused, match="nowhere is not applied"):
        migrate.plan_restamp(site, "nowhere")


def test_overview_says_what_each_is(site: Site, tmp_path: Path) -> None:
    do(site)
    folder = tmp_path / "migrations"
    (folder / "later.sql").write_text("-- migrate:up\nSELECT 1;")
    (folder / "posts.sql").write_text(f"-- depends: users\n-- migrate:up\n{FILES['posts']} ")
    (folder / "users.sql").rename(folder / "people.sql")
    (folder / "posts.sql").write_text("-- migrate:up\nSELECT 1;")
    status = {row["filename"]: row["status"] for row in migrate.overview(site)}
    assert status == {
        "later.sql": "pending",
        "people.sql": "pending",
        "posts.sql": "edited",
        "users.sql": "file is gone",
    }


def test_drift_and_broken_keys_are_named(site: Site) -> None:
    do(site)
    schema_check.require_sound(site)
    site.database.execute("CREATE INDEX by_hand ON posts (u)")
    site.database.execute("PRAGMA foreign_keys = OFF")
    site.database.execute("INSERT INTO posts VALUES (9)")
    with pytest.raises(DeployError) as caught:
        schema_check.require_sound(site)
    assert "+CREATE INDEX by_hand ON posts (u)" in caught.value.why
    assert "row 1 of 'posts' points at no row of 'users'" in caught.value.why


def test_a_new_file_depends_on_the_last(site: Site) -> None:
    path = new_migration.write_new(site.settings, "Add Invoices!")
    assert path.name == "add-invoices.sql"
    assert "-- depends: posts\n" in path.read_text()
    with pytest.raises(Refused, match="is there already"):
        new_migration.write_new(site.settings, "add invoices", "users")
    with pytest.raises(Refused, match="which is not there"):
        new_migration.write_new(site.settings, "other", "nowhere")
    with pytest.raises(Refused, match=r"users\.sql is there already"):  # and no circle of files
        new_migration.write_new(site.settings, "users")
    odd = new_migration.write_new(site.settings, "two\nlines")
    assert odd.read_text().startswith("-- name: two lines\n-- depends: ")


def test_by_kind_gathers() -> None:
    assert schema_lines.by_kind(["table a", "index i", "table b"]) == ["table: a, b", "index: i"]


def test_the_ledger_is_this_sites(site: Site) -> None:
    do(site)
    assert [row.title for row in migration_history.read(site.database)] == ["users", "posts"]


# --- two Workers on one database ---------------------------------------------------------


@pytest.fixture
def other(settings: Callable[..., Settings], tmp_path: Path, site: Site) -> Iterator[Site]:
    """Return the site of another Worker with a folder of its own, on the same database."""
    folder = tmp_path / "billing"
    folder.mkdir()
    bills = "CREATE TABLE bills (id);\n-- migrate:down\nDROP TABLE bills;"
    (folder / "bills.sql").write_text(f"-- migrate:up\n{bills}")
    made = Site(settings({"worker": {"name": "billing"}, "migrations": {"directory": "billing"}}))
    made.__dict__["cloudflare"] = FakeCloudflare()  # no Worker is live
    assert made.database.url == site.database.url
    yield made
    made.database.close()


def test_each_worker_leaves_the_others_migrations_alone(site: Site, other: Site) -> None:
    do(site)
    do(other)
    assert migrate.plan(site) == migrate.plan(other) == []
    schema_check.require_sound(site)
    schema_check.require_sound(other)
    status = {row["filename"]: row["status"] for row in migrate.overview(site)}
    assert status["bills.sql"] == "of the Worker billing"
    (change,) = migrate.plan_down(site)
    assert migrate.DOWN.undo_of(change).names == ("posts",)
    assert migrate.plan_back(site, ["users", "posts"]) == []
    assert applied.since(site, ["users", "posts"]) == []


def test_taking_back_never_reaches_another_workers_tables(site: Site, other: Site) -> None:
    do(other)
    do(site)
    for change in migrate.plan_down(site, steps=9):
        migrate.apply(site, change)
    assert tables(other) == {"bills"}
    assert applied.names(other) == ["bills"]


def forget_owners(site: Site) -> None:
    """Leave the ledger as an earlier version of this tool did."""
    site.database.execute("DELETE FROM _migration_texts WHERE checksum LIKE 'owner:%'")


def test_whose_an_entry_is_unknown_no_advice_takes_it_back(site: Site, other: Site) -> None:
    do(site)
    do(other)
    forget_owners(site)
    for attempt in (migrate.plan, migrate.plan_down, lambda at: migrate.plan_back(at, [])):
        with pytest.raises(
            Refused, match=r"bills\.sql was applied, and its file is gone"
        ) as caught:
            attempt(site)
        assert "migrate.down" not in caught.value.remedy
        assert "migrate.baseline" in caught.value.remedy
    for change in migrate.plan_baseline(other):  # what the remedy says
        migrate.apply(other, change)
    assert migrate.plan(site) == []


def test_a_name_that_another_worker_has_taken_is_refused(
    site: Site, other: Site, tmp_path: Path
) -> None:
    do(site)
    (tmp_path / "billing" / "users.sql").write_text("SELECT 1; -- irreversible")
    with pytest.raises(Refused, match=r"users\.sql has the name of a migration of the Worker boss"):
        migrate.plan(other)


def test_a_folder_that_two_workers_share_is_applied_once(
    site: Site, settings: Callable[..., Settings]
) -> None:
    do(site)
    same = Site(settings({"worker": {"name": "cron"}}))
    same.__dict__["cloudflare"] = FakeCloudflare()  # no Worker is live
    assert migrate.plan(same) == []
    assert migrate.DOWN.undo_of(migrate.plan_down(same)[0]).names == ("posts",)
    same.database.close()


# --- what only the server can read --------------------------------------------------------


def test_a_plan_refuses_what_cannot_run_before_anything_runs(site: Site, tmp_path: Path) -> None:
    do(site)
    text = "ALTER TABLE users RENAME TO old; CREATE TABLE users (id); DROP TABLE old;"
    (tmp_path / "migrations" / "z.sql").write_text(
        f"-- migrate:up\n{text}\n-- migrate:down\nSELECT 1;"
    )
    with pytest.raises(Refused, match=r"z\.sql renames users to old and drops it"):
        migrate.plan(site)


@pytest.mark.parametrize("name", ["..", ".sql", "///"])
def test_a_name_without_a_letter_is_refused(site: Site, name: str) -> None:
    with pytest.raises(Refused, match="is no name for a migration"):
        new_migration.write_new(site.settings, name)


# --- lint and expansions ------------------------------------------------------------------


def test_pending_files_are_linted_on_the_rows_there_are(site: Site, tmp_path: Path) -> None:
    do(site)
    site.database.execute("INSERT INTO users VALUES (1)")
    (tmp_path / "migrations" / "z.sql").write_text(
        "-- migrate:up\nCREATE UNIQUE INDEX one ON users (id);\n-- migrate:down\nDROP INDEX one;"
    )
    (finding,) = migration_lint.lint(site)
    assert (finding.place, finding.rule) == ("z.sql:2", "unique-on-filled")
    assert "two of 1 rows" in finding.what
    do(site)
    assert migration_lint.lint(site) == []


def test_files_are_linted_without_a_database(site: Site, tmp_path: Path) -> None:
    (tmp_path / "migrations" / "z.sql").write_text(
        "-- migrate:up\nDROP TABLE posts;\n-- migrate:down\nCREATE TABLE posts (u);"
    )
    rules = [finding.rule for finding in migration_lint.lint_files(site.settings)]
    assert rules == ["foreign-key-without-index", "drops-table"]
    after = migration_lint.lint_files(site.settings, since="posts")
    assert [finding.filename for finding in after] == ["z.sql"]
    assert migration_lint.lint_files(site.settings, since="z") == []
    with pytest.raises(Refused, match="There is no migration nowhere"):
        migration_lint.lint_files(site.settings, since="nowhere")


def test_an_expansion_writes_a_file_for_now_and_one_for_later(site: Site, tmp_path: Path) -> None:
    (tmp_path / "migrations" / "people.sql").write_text(
        "-- migrate:up\nCREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);\n"
        "-- migrate:down\nDROP TABLE people;"
    )
    now, later = new_migration.write_expansion(
        site.settings, "people name", "people.name:full_name"
    )
    assert (now.name, later.name) == ("people-name-expand.sql", "people-name-contract.sql.later")
    do(site)
    site.database.execute("INSERT INTO people (name) VALUES ('x')")
    assert site.database.query("SELECT full_name FROM people")[0][0] == "x"
    later.rename(later.with_name(later.name.removesuffix(".later")))
    (change,) = migrate.plan(site)
    assert migrate.APPLY.after_of(change)[-1] == "people-name-contract"
    do(site)
    assert site.database.query("SELECT * FROM people")[0].columns == ("id", "full_name")
    schema_check.require_sound(site)


def test_what_takes_too_long_together_is_several_transactions(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(name: str) -> None:
        text = (
            f"-- migrate:up\nCREATE INDEX {name} ON t (v);\n-- migrate:down\nDROP INDEX {name};\n"
        )
        (tmp_path / f"migrations/{name}.sql").write_text(text)

    for old in (tmp_path / "migrations").iterdir():
        old.unlink()
    monkeypatch.setattr(timing, "ROWS_A_SECOND", 10_000)
    site.database.limits = limits.LIBSQL
    site.database.execute("CREATE TABLE t (v)")
    site.database.execute(
        "WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 30000)"
        " INSERT INTO t SELECT v FROM n"
    )
    write("a")
    write("b")
    first, second = migrate.plan(site)
    assert (migrate.APPLY.after_of(first), migrate.APPLY.after_of(second)) == (("a",), ("a", "b"))
    for change in (first, second):
        migrate.apply(site, change)
    assert migrate.plan(site) == []
    monkeypatch.setattr(timing, "ROWS_A_SECOND", 1_000)
    write("c")
    with pytest.raises(Refused, match=r"c\.sql would take about 30 s \(30,000 rows\)"):
        migrate.plan(site)


def test_what_users_wrote_since_is_backed_up_before_it_goes(site: Site, tmp_path: Path) -> None:
    (tmp_path / "migrations/later.sql").write_text(
        "-- depends: posts\n-- migrate:up\nALTER TABLE users ADD COLUMN locale DEFAULT 'en';"
        "\n-- migrate:down\nALTER TABLE users DROP COLUMN locale;"
    )
    (change,) = migrate.plan(site)
    outcome = migrate.apply(site, change)
    site.database.execute("INSERT INTO users (id, locale) VALUES (1, 'fr'), (2, 'en')")
    said = migrate.undo(site, change, outcome)
    (made,) = backup.listed(site)
    assert said == f"2 rows of users went with it, which {made.path.name} has"
    assert tables(site) == set()
    assert made.manifest is not None
    assert made.manifest.content.tables["users"][0] == 2


def test_values_of_a_column_count_where_they_are_not_its_default(
    site: Site, tmp_path: Path
) -> None:
    do(site)
    (tmp_path / "migrations/later.sql").write_text(
        "-- depends: posts\n-- migrate:up\nALTER TABLE users ADD COLUMN locale DEFAULT 'en';"
        "ALTER TABLE users ADD COLUMN state DEFAULT draft; ALTER TABLE users ADD c DEFAULT [it's];"
        "CREATE TABLE empty (v);CREATE VIRTUAL TABLE found USING fts5 (id, content = users);"
        "\n-- migrate:down\nALTER TABLE users DROP COLUMN locale; DROP TABLE empty;"
        "DROP TABLE found; ALTER TABLE users DROP COLUMN state; ALTER TABLE users DROP c"
    )
    (change,) = migrate.plan(site)
    outcome = migrate.apply(site, change)
    site.database.execute("INSERT INTO users (id) VALUES (1)")
    assert migrate.undo(site, change, outcome) == ""
    assert backup.listed(site) == []
    outcome = migrate.apply(site, change)
    site.database.execute("UPDATE users SET locale = 'fr'")
    assert migrate.undo(site, change, outcome).startswith("1 values of users.locale went with it")


def test_documents_of_a_full_text_table_with_a_column_called_content_go(
    site: Site, tmp_path: Path
) -> None:
    do(site)
    (tmp_path / "migrations/later.sql").write_text(
        "-- depends: posts\n-- migrate:up\nCREATE VIRTUAL TABLE docs USING fts5 (title, content);"
        "\n-- migrate:down\nDROP TABLE docs;"
    )
    (change,) = migrate.plan(site)
    outcome = migrate.apply(site, change)
    site.database.execute("INSERT INTO docs VALUES ('a', 'b')")
    assert migrate.undo(site, change, outcome).startswith("1 rows of docs went with it")


def test_what_is_only_given_its_old_name_does_not_go(site: Site, tmp_path: Path) -> None:
    do(site)
    (tmp_path / "migrations/later.sql").write_text(
        "-- depends: posts\n-- migrate:up\nALTER TABLE users RENAME TO people;"
        "ALTER TABLE people ADD COLUMN name; ALTER TABLE posts RENAME TO articles;"
        "ALTER TABLE articles RENAME COLUMN u TO number;\n-- migrate:down\n"
        "ALTER TABLE articles RENAME COLUMN number TO u; ALTER TABLE articles RENAME TO posts;"
        "ALTER TABLE people DROP COLUMN name; ALTER TABLE people RENAME TO users;"
    )
    for change in migrate.plan(site):
        migrate.apply(site, change)
    site.database.execute("INSERT INTO people VALUES (1, 'ann')")
    site.database.execute("INSERT INTO articles (number) VALUES (1)")
    (change,) = migrate.plan_down(site)
    assert change.irreversible.startswith("it drops 1 values of people.name; ")


def test_without_a_backup_of_what_users_wrote_the_schema_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (change,) = migrate.plan(site)
    outcome = migrate.apply(site, change)
    site.database.execute("INSERT INTO users VALUES (1)")

    def full(_: Site) -> str:
        raise DeployError("No space left on device")

    def gone(_: Site) -> str:
        raise Locked("it is another's")

    def away(_: Site) -> str:
        raise DatabaseError("unavailable", "no answer")

    with monkeypatch.context() as patch:
        patch.setattr(backup, "fresh", gone)
        with pytest.raises(Locked):
            migrate.undo(site, change, outcome)
        patch.setattr(backup, "fresh", away)
        with pytest.raises(DatabaseError, match="no answer"):
            migrate.undo(site, change, outcome)
        patch.setattr(backup, "fresh", full)
        with pytest.raises(DeployError, match="1 rows of users would go") as caught:
            migrate.undo(site, change, outcome)
    assert caught.value.remedy == "inv migrate.down --steps 2"
    assert tables(site) == {"users", "posts"}
    migrate.undo(site, change, outcome)
    assert tables(site) == set()


@pytest.mark.parametrize("at", ["_take_back", "undo_release"])
@pytest.mark.parametrize(
    "error", [DatabaseError("unavailable", "no answer"), Locked("it is another's")]
)
def test_an_outage_is_no_reason_to_go_another_way_back(
    site: Site, monkeypatch: pytest.MonkeyPatch, at: str, error: DeployError
) -> None:
    """It reaches the release, which tries again, or leaves what is another's by now."""
    (change,) = migrate.plan(site)
    outcome = migrate.apply(site, change)

    def fails(*_: object) -> None:
        raise error if at == "_take_back" else DeployError("the down part failed")

    def none(_: Site) -> str:
        if at == "_take_back":
            raise AssertionError("no backup is put back")
        raise error

    monkeypatch.setattr(migrate, "_take_back", fails)
    monkeypatch.setattr(restore, "undo_release", none)
    with pytest.raises(type(error)) as caught:
        migrate.undo(site, change, outcome)
    assert caught.value is error
