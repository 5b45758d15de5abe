"""What going back takes: only what is known of the version is brought back with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from deployment.errors import DeployError, Refused
from deployment.release import ledger, rollback, session
from deployment.release.rollback import Wish
from deployment.settings import Settings
from deployment.steps import migrate, pages, worker
from deployment.steps.record import Record
from deployment.steps.site import Site
from tests.release.conftest import FakeStep
from tests.release.test_session import context

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
    """Give an environment with two migrations applied, whose code is where it shall be."""
    made = Site(settings())
    folder = made.settings.path("migrations")
    folder.mkdir()
    for name, text in FILES.items():
        (folder / f"{name}.sql").write_text(text)
    monkeypatch.setattr(worker, "live_split", lambda _site: {})
    monkeypatch.setattr(worker, "deployable", lambda _site: [])
    monkeypatch.setattr(worker, "roll_out", lambda *_, **__: [])
    monkeypatch.setattr(pages, "current", lambda _site: SimpleNamespace(id="today"))
    monkeypatch.setattr(session, "open_site", lambda _c, **_: made)
    monkeypatch.setattr(Settings, "require_sound", lambda _settings: None)
    for change in migrate.plan(made):
        migrate.apply(made, change)
    yield made
    made.database.close()


def target(**facts: object) -> Record:
    return Record("", "local", "", "", "2026-01-01T00:00:00", "", "", "", VERSION, facts=facts)


def put_live(step: FakeStep) -> None:
    with session.release(context(), "worker", "", ("fake",)) as running:
        running.perform(step)
        running.site.facts["version"] = VERSION


def test_only_what_came_since_is_taken_back(site: Site) -> None:
    (change,) = rollback.plan(site, target(migrations=["users"]), Wish(VERSION, migrations=True))
    assert (change.action, change.after) == ("take back", ["users"])


def test_of_a_version_nobody_noted_anything_of_no_migration_is_taken_back(site: Site) -> None:
    with pytest.raises(Refused, match="nobody noted which migrations") as caught:
        rollback.plan(site, target(), Wish(VERSION, migrations=True))
    assert "inv migrate.down" in caught.value.remedy
    assert rollback.plan(site, target(), Wish(VERSION)) == []


def test_that_todays_static_site_stays_is_said(site: Site) -> None:
    assert rollback.risks(site, target()) == ["nobody noted the static site of then: today's stays"]
    assert rollback.risks(site, target(pages="")) == [
        "there was no static site then: today's stays"
    ]


def test_whatever_put_a_version_live_can_be_gone_back_to(site: Site, step: FakeStep) -> None:
    """``inv worker`` alone, too: what it leaves unnoted could not be brought back."""
    put_live(step)
    (record,) = ledger.records(site.database, "local")
    assert record.facts["pages"] == "today"
    assert record.facts["migrations"] == ["users", "posts"]


def test_what_cannot_be_noted_is_undone(
    site: Site, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_site: Site) -> None:
        raise DeployError("Cloudflare did not answer")

    monkeypatch.setattr(pages, "current", silent)
    with pytest.raises(DeployError, match="Cloudflare did not answer"):
        put_live(step)
    assert step.world == {"a": "old", "b": "old", "c": "old"}
