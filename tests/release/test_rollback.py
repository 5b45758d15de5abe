"""What going back takes: only what is known of the version is brought back with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace

import pytest

from tests.support.releases import FakeStep
from xswarm_deploy import console
from xswarm_deploy.background import started
from xswarm_deploy.database import migration_history
from xswarm_deploy.database.client import Database
from xswarm_deploy.database.migration_history import Applied
from xswarm_deploy.errors import CheckFailed, DeployError, Refused
from xswarm_deploy.model.record import Record
from xswarm_deploy.model.report import Report
from xswarm_deploy.model.rollback_request import RollbackRequest
from xswarm_deploy.model.step import Change
from xswarm_deploy.release import records, rollback
from xswarm_deploy.release.rollback import Found, Planned, Reading
from xswarm_deploy.release.transaction import transaction
from xswarm_deploy.services.cloudflare.versions import Version
from xswarm_deploy.services.errors import NotFound
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import applied, fingerprints, migrate, pages, traffic
from xswarm_deploy.steps.applied import Today
from xswarm_deploy.steps.triggers import Crons
from xswarm_deploy.verification import verify

VERSION = "11111111-2222-4333-8444-555555555555"
FILES = {
    "users": (
        "-- migrate:up\nCREATE TABLE users (id INTEGER);\n-- migrate:down\nDROP TABLE users;\n"
    ),
    "posts": (
        "-- depends: users\n-- migrate:up\nCREATE TABLE posts (id INTEGER);\n"
        "-- migrate:down\nDROP TABLE posts;\n"
    ),
}


@pytest.fixture
def site(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return an environment with two migrations applied, whose code is where it shall be."""
    made = Site(settings())
    made.__dict__["cloudflare"] = SimpleNamespace(
        read_ahead=lambda _worker: None,
        list_ahead=lambda _worker: None,
        schedules=lambda _worker: [],
        deployments=lambda _worker: [],
        version=lambda _worker, version: Version(version),
    )
    folder = made.settings.path("migrations")
    folder.mkdir()
    for name, text in FILES.items():
        (folder / f"{name}.sql").write_text(text)
    monkeypatch.setattr(traffic, "newest_split", lambda _site: {})
    monkeypatch.setattr(traffic, "deployable", lambda _site: [])
    monkeypatch.setattr(traffic, "roll_out", lambda *_, **__: [])
    monkeypatch.setattr(pages, "current", lambda _site: SimpleNamespace(id="today"))
    monkeypatch.setattr(pages, "_canonical", lambda _site: "today")
    monkeypatch.setattr(pages, "read_ahead", lambda _site: None)
    monkeypatch.setattr(Settings, "require_sound", lambda _settings: None)
    for change in migrate.plan(made):
        migrate.apply(made, change)
    yield made
    made.database.close()


def target(**facts: object) -> Record:
    return Record("", "local", "", "", "2026-01-01T00:00:00", "", "", "", VERSION, facts=facts)


def alone(record: Record) -> Found:
    """Return a release that made its version itself."""
    return Found(record, record)


def reading(site: Site, split: dict[str, float] | None = None) -> Reading:
    """Return what every plan builds upon."""
    return Reading(
        time.monotonic(),
        started(lambda: split or {}),
        started(lambda: applied.today(site)),
        started(site.history),
        started(list),
    )


def put_live(site: Site, step: FakeStep, version: str = VERSION) -> None:
    with transaction(site, "worker", "", ("fake",)) as running:
        running.perform(step)
        running.site.facts["version"] = version


def test_a_release_is_found_by_its_beginning_or_its_versions(site: Site, step: FakeStep) -> None:
    put_live(site, step)
    put_live(site, step, "22222222-2222-4333-8444-555555555555")
    newer, older = records.read(site.database, "local")
    assert newer.release > older.release
    for name in (VERSION, VERSION[:6], older.release, older.release[:-1]):
        assert rollback.find(site, RollbackRequest(name)).target == older


def test_the_newest_release_of_a_version_is_meant(site: Site, step: FakeStep) -> None:
    put_live(site, step)
    put_live(site, step)
    assert (
        rollback.find(site, RollbackRequest(VERSION)).target
        == records.read(site.database, "local")[0]
    )


def test_what_can_be_chosen_is_not_hidden_by_what_failed_since(
    site: Site, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_live(site, step)
    put_live(site, step, "22222222-2222-4333-8444-555555555555")
    newer, older = records.read(site.database, "local")
    many = [newer._replace(status=records.ROLLED_BACK, release=f"9-{n}") for n in range(150)]
    site.state.history = lambda: [*many, newer, older]
    monkeypatch.setattr(traffic, "newest_split", lambda _site: {newer.version: 100.0})
    shown: list[str] = []

    def select(_question: str, choices: dict[str, str], _command: str) -> str:
        shown.extend(choices)
        return next(iter(choices))

    monkeypatch.setattr(console, "select", select)
    assert rollback.choose(site) == older.release
    assert shown == [older.release]


def test_what_failed_is_nothing_to_go_back_to(site: Site, step: FakeStep) -> None:
    site.cloudflare.__dict__["version"] = unknown
    step.fail_apply["b"] = DeployError("it failed")
    with pytest.raises(DeployError):
        put_live(site, step)
    with pytest.raises(Refused, match="there is no version"):
        rollback.find(site, RollbackRequest(VERSION))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("11111", "is no version"),
        ("--yes-to-all", "is no version"),
        ("1111111", "names several versions"),
        ("%1111111", "there is no version"),
        ("_1111111", "there is no version"),
    ],
)
def test_a_name_that_means_no_one_release_is_refused(
    name: str, why: str, site: Site, step: FakeStep
) -> None:
    site.cloudflare.__dict__.update(version=unknown, versions=lambda _worker: [])
    put_live(site, step)
    put_live(site, step, VERSION.replace("5", "6"))
    with pytest.raises(Refused, match=why):
        rollback.find(site, RollbackRequest(name))


def test_a_version_that_no_release_recorded_has_a_short_id_too(site: Site) -> None:
    """A team that deployed by wrangler until now goes back to what wrangler uploaded."""
    one, other = "abcdef01" + VERSION[8:], "abcdef02" + VERSION[8:]
    site.cloudflare.__dict__["versions"] = lambda _worker: [version(one), version(other)]
    site.cloudflare.__dict__["version"] = lambda _worker, whole: version(whole)
    assert rollback.find(site, RollbackRequest("abcdef02")).target.version == other
    assert rollback.find(site, RollbackRequest(one)).target.version == one
    with pytest.raises(Refused, match="names several versions"):
        rollback.find(site, RollbackRequest("abcdef0"))


def version(name: str) -> Version:
    return Version(name, created_on="2026-01-01T00:00:00Z")


def unknown(_worker: str, version: str) -> None:
    raise NotFound("Cloudflare", f"GET {version}", status=404)


def test_only_what_came_since_is_taken_back_after_a_backup(site: Site) -> None:
    site.database.execute("INSERT INTO posts VALUES (NULL)")
    made, change = rollback.plan(
        site,
        target(migrations=["users"]),
        RollbackRequest(VERSION, migrations=True),
        reading(site),
    )
    assert (made.step, made.action) == ("backup", "create")
    assert (change.action, change.after) == ("take back", ("users",))
    assert change.irreversible == "it drops 1 rows of posts; the backup made before it has them"


@pytest.fixture
def clashing(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Let the newer migration be one that older code does not run with."""
    text = FILES["posts"].replace("-- migrate:up", "-- compatible: no\n-- migrate:up", 1)
    for change in migrate.plan_down(site):
        migrate.apply(site, change)
    site.settings.path("migrations/posts.sql").write_text(text)
    for change in migrate.plan(site):
        migrate.apply(site, change)
    moved = traffic.SHIFT.change(
        "traffic",
        before=traffic.Traffic({"live": 100.0}),
        after=traffic.Move({VERSION: 100.0}, VERSION),
        undo=traffic.Traffic({"live": 100.0}),
    )
    monkeypatch.setattr(traffic, "roll_out", lambda *_, **__: [moved])
    return site


def test_code_does_not_go_back_alone_past_what_it_does_not_run_with(clashing: Site) -> None:
    wish = RollbackRequest(VERSION)
    with pytest.raises(Refused, match="does not run on today's schema") as caught:
        rollback.plan(clashing, target(migrations=["users"]), wish, reading(clashing))
    assert "posts" in caught.value.why
    assert caught.value.remedy.startswith(f"inv rollback --version {VERSION} --migrations")


def test_the_schema_goes_first_where_the_older_code_does_not_run_on_todays(clashing: Site) -> None:
    wish = RollbackRequest(VERSION, migrations=True)
    changes = rollback.plan(clashing, target(migrations=["users"]), wish, reading(clashing))
    assert [change.step for change in changes] == ["backup", "migrate", "worker"]


def test_the_code_goes_first_where_it_runs_on_todays_schema(
    clashing: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Today, "incompatible", lambda *_: [])
    wish = RollbackRequest(VERSION, migrations=True)
    changes = rollback.plan(clashing, target(migrations=["users"]), wish, reading(clashing))
    assert [change.step for change in changes] == ["worker", "backup", "migrate"]


def test_going_back_is_called_by_what_made_the_version(site: Site, step: FakeStep) -> None:
    """Who reads the list later has to know it again, however often it was gone back to."""
    with transaction(site, "deploy", "invoices", ("fake",)) as running:
        running.perform(step)
        running.site.facts["version"] = VERSION
    with transaction(site, "rollback", "back to another", ("fake",)) as running:
        running.perform(step)
        running.site.facts["version"] = VERSION
    again, made = records.read(site.database, "local")
    for name in (again.release, made.release, VERSION):
        found = rollback.find(site, RollbackRequest(name))
        assert rollback.message(found.maker) == f"back to {made.release} (invoices)"
    assert rollback._found(again, [again, made]) == Found(again, made)


def test_what_a_person_names_by_its_version_is_found_in_one_trip(
    site: Site, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rollback waits for it; and the list of all releases grows for ever."""
    asked: list[str] = []

    def read(*words: object, named: str = "") -> Sequence[Record]:
        asked.append(named)
        return real(site.database, "local", named=named)

    put_live(site, step)
    real = records.read
    monkeypatch.setattr(records, "read", read)
    site.state.history = lambda: pytest.fail("all releases are read")
    found = rollback.find(site, RollbackRequest(VERSION[:8]))
    assert rollback.message(found.maker).startswith("back to ")
    assert asked == [VERSION[:8]]


def test_what_a_migration_took_away_since_is_a_risk(site: Site) -> None:
    """drizzle marks no file as incompatible, and SQLite takes the old name for a text."""
    rename = "-- migrate:up\nALTER TABLE users RENAME id TO number;\n-- migrate:down\n"
    back = "ALTER TABLE users RENAME number TO id;\n"
    site.settings.path("migrations/zebra.sql").write_text(rename + back)
    for change in migrate.plan(site):
        migrate.apply(site, change)
    older = target(migrations=["users", "posts"], unversioned={}, pages="today")
    assert rollback.risks(site, alone(older), applied.today(site)) == [
        "zebra renames users.id to number: its code may still use that"
    ]
    newer = target(migrations=["users", "posts", "zebra"], unversioned={}, pages="today")
    assert rollback.risks(site, alone(newer), applied.today(site)) == []
    gone_to = newer._replace(kind="rollback")  # its code is as old, whatever schema it was on
    assert rollback.risks(site, Found(gone_to, older), applied.today(site)) != []


def test_of_many_releases_to_choose_from_the_ledger_is_read_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Database] = []

    def read(database: Database) -> list[Applied]:
        reads.append(database)
        return real(database)

    real, now = migration_history.read, applied.today(site)
    monkeypatch.setattr(migration_history, "read", read)
    for _ in range(3):
        rollback.risks(site, alone(target(migrations=["users"], unversioned={}, pages="p")), now)
    assert len(reads) == 1


def taken_back(site: Site) -> None:
    """Take the newer migration back, as ``rollback --migrations`` does."""
    (change,) = migrate.plan_down(site)
    migrate.apply(site, change)


def test_code_does_not_go_where_its_migrations_were_taken_back(site: Site) -> None:
    """SQLite would take its new columns for texts: forward again is a migration first."""
    taken_back(site)
    newer = target(migrations=["users", "posts"], unversioned={}, pages="today")
    with pytest.raises(Refused, match="does not run on today's schema") as caught:
        rollback.plan(site, newer, RollbackRequest(VERSION), reading(site))
    assert caught.value.why == "it ran on posts, which the database has no longer"
    assert caught.value.remedy == f"inv migrate, then: inv rollback --version {VERSION}"
    assert rollback.risks(site, alone(newer), Today(site, ["users"])) == [
        "it ran on posts, which the database has no longer"
    ]
    for change in migrate.plan(site):
        migrate.apply(site, change)
    assert rollback.plan(site, newer, RollbackRequest(VERSION), reading(site)) == []


def test_a_version_may_go_to_any_schema_that_it_ran_on(site: Site, step: FakeStep) -> None:
    """It was released on the older one, and gone back to on the newer one since."""
    taken_back(site)
    put_live(site, step)
    site.state.history = lambda: records.read(site.database, "local")
    newer = target(migrations=["users", "posts"])
    assert rollback.plan(site, newer, RollbackRequest(VERSION), reading(site)) == []


def test_a_migration_of_which_there_is_no_file_here_is_a_risk(site: Site) -> None:
    """Of another Worker on the same database, say: nobody here could apply it."""
    other = target(migrations=["users", "posts", "elsewhere"])
    assert rollback.plan(site, other, RollbackRequest(VERSION), reading(site)) == []
    assert rollback.risks(site, alone(other), applied.today(site))[0].startswith(
        "it ran on elsewhere,"
    )


def test_the_keys_that_changed_since_are_named_and_no_others(site: Site) -> None:
    today = fingerprints.of(site.settings.worker_secrets(), site.settings)
    changed, same = sorted(today)[:2]
    then = {changed: "another", same: today[same], "GONE": "x"}
    assert rollback.rotated_since(site, target(secrets=then)) == [changed]
    assert rollback.rotated_since(site, target(secrets=dict(today))) == []


def test_of_a_version_nobody_noted_anything_of_no_migration_is_taken_back(site: Site) -> None:
    with pytest.raises(Refused, match="it is not recorded which migrations") as caught:
        rollback.plan(site, target(), RollbackRequest(VERSION, migrations=True), reading(site))
    assert "inv migrate.down" in caught.value.remedy
    assert rollback.plan(site, target(), RollbackRequest(VERSION), reading(site)) == []


def test_that_todays_static_site_stays_is_said(site: Site) -> None:
    assert rollback.risks(site, alone(target(unversioned={})), Today(site, [])) == [
        "the static site at that release is not recorded: today's stays"
    ]
    assert rollback.risks(site, alone(target(pages="", unversioned={})), Today(site, [])) == [
        "there was no static site then: today's stays"
    ]


def test_whatever_put_a_version_live_can_be_gone_back_to(site: Site, step: FakeStep) -> None:
    """``inv worker`` alone, too: what it leaves unnoted could not be brought back."""
    put_live(site, step)
    (record,) = records.read(site.database, "local")
    assert record.facts["pages"] == "today"
    assert record.facts["migrations"] == ["users", "posts"]


def test_what_cannot_be_noted_harms_nothing_but_that(
    site: Site,
    step: FakeStep,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def silent(_site: Site) -> None:
        raise DeployError("Cloudflare did not answer")

    monkeypatch.setattr(pages, "_canonical", silent)
    put_live(site, step)
    assert step.world == {"a": "new", "b": "new", "c": "new"}
    (record,) = records.read(site.database, "local")
    assert record.facts["migrations"] == ["users", "posts"]
    assert "pages" not in record.facts
    assert "Cloudflare did not answer" in capsys.readouterr().out


def test_what_made_no_version_notes_the_versions_own_facts(site: Site, step: FakeStep) -> None:
    """The commit of whoever promotes a canary, or goes back, need not be the version's."""
    known = {"digest": "d", "variables": "v", "secrets": {}, "commit": "c" * 40, "crons": []}
    made = Record("0", "local", "", "succeeded", "", "", "", "", VERSION, facts=known)
    site.state.history = lambda: [made]
    put_live(site, step)
    (record,) = records.read(site.database, "local")
    assert {name: record.facts[name] for name in known} == known


def test_cron_triggers_come_back_with_the_version(site: Site) -> None:
    """Whatever was noted of the live version: one that moved traffic for good left others."""
    site.cloudflare.__dict__["schedules"] = lambda _worker: ["0 2 * * *"]
    wish = RollbackRequest(VERSION)
    (change,) = rollback.plan(site, target(crons=["* * * * *"]), wish, reading(site))
    assert (change.action, change.before, change.after) == (
        "schedule",
        Crons(("0 2 * * *",)),
        Crons(("* * * * *",)),
    )
    assert rollback.plan(site, target(crons=["0 2 * * *"]), wish, reading(site)) == []
    assert rollback.plan(site, target(), wish, reading(site)) == []
    for unknown in (target(pages="p"), target(pages="p", crons=None)):
        assert (
            "cron triggers at that release are not recorded: today's stay"
            in rollback.risks(site, alone(unknown), Today(site, []))[0]
        )


def test_a_person_is_shown_what_is_for_good_before_being_asked(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leap = Change("worker", "traffic", "leap", irreversible="too many were made since")
    plan = started(lambda: Planned([leap], [], ["the cron triggers stay"]))
    asked: list[str] = []

    def confirm(question: str, **_: object) -> None:
        asked.append(capsys.readouterr().out)

    monkeypatch.setattr(console, "interactive", lambda: True)
    monkeypatch.setattr(console, "confirm", confirm)
    wish = RollbackRequest(VERSION)
    rollback.confirm(console.Console(), site, target(), wish, plan, yes=False)
    assert "traffic cannot be undone: too many were made since" in asked[0]
    assert "the cron triggers stay" in asked[0]


def test_a_version_that_is_too_old_is_not_called_safe(site: Site) -> None:
    assert "its version is too old" in rollback.described(
        site, alone(target(pages="p")), [], Today(site, [])
    )
    assert "too old" not in rollback.described(
        site, alone(target(pages="p")), [VERSION], Today(site, [])
    )


def test_a_version_whose_every_answer_named_it_is_not_asked_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "look_ahead", lambda *_, **__: None)
    monkeypatch.setattr(verify, "at_once", lambda *_: True)
    monkeypatch.setattr(verify, "gate", lambda *_, **__: pytest.fail("it was asked"))
    at_0 = reading(site, {"live": 100.0, VERSION: 0.0})
    assert rollback.verify_ahead(site, target(), at_0).of(VERSION)
    beside = reading(site, {"live": 90.0, VERSION: 10.0})
    assert not rollback.verify_ahead(site, target(), beside).of(VERSION)


def test_a_version_at_0_percent_is_verified_while_the_lock_is_taken(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def gate(_site: Site, target: verify.Target, *, quick: bool) -> Report:
        asked.append(f"{target.version} {quick}")
        return Report("verify", ())

    monkeypatch.setattr(verify, "gate", gate)
    at_0 = reading(site, {"live": 100.0, VERSION: 0.0})
    one = rollback.verify_ahead(site, target(), at_0)
    assert one.of(VERSION)
    assert asked == [f"{VERSION} True"]
    assert not one.of("another")
    assert not one._replace(at=one.at - 61.0).of(VERSION), "moments ago, not minutes"


@pytest.mark.parametrize("split", [{"live": 100.0}, {"live": 90.0, VERSION: 10.0}, {}])
def test_one_that_is_not_at_0_percent_is_verified_at_its_turn(
    site: Site, monkeypatch: pytest.MonkeyPatch, split: dict[str, float]
) -> None:
    monkeypatch.setattr(verify, "gate", lambda *_, **__: pytest.fail("nothing chooses it"))
    assert not rollback.verify_ahead(site, target(), reading(site, split)).of(VERSION)


def test_one_that_was_not_found_good_ahead_is_verified_at_its_turn(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gate(*_: object, **__: object) -> Report:
        raise CheckFailed("it is not good")

    monkeypatch.setattr(verify, "gate", gate)
    at_0 = reading(site, {"live": 100.0, VERSION: 0.0})
    one = rollback.verify_ahead(site, target(), at_0)
    assert not one.of(VERSION)
