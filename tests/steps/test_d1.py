"""D1 as an environment's database: by its name, its id or its binding, migrated and backed up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.steps.fakes import FakeCloudflare
from tests.support import d1
from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.errors import Refused
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import applied, backup, migrate, restore, schema_check


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with d1.serve(tmp_path_factory.mktemp("d1")) as running:
        yield running


@pytest.fixture
def open_site(settings: Callable[..., Settings], tmp_path: Path, api: Api) -> Callable[[str], Site]:
    """Return an environment whose database is at D1; it has no token of Turso's."""

    def opened(named: str) -> Site:
        found = Site(
            settings(
                TURSO_DATABASE_URL=f"d1:{named}",
                TURSO_AUTH_TOKEN="",
                CLOUDFLARE_ACCOUNT_ID=ACCOUNT.id,
                CLOUDFLARE_API_TOKEN=ACCOUNT.token,
                CLOUDFLARE_API_BASE_URL=api.base,
            )
        )
        found.__dict__["cloudflare"] = FakeCloudflare()  # no Worker is live
        config = found.settings.path(found.settings.project.worker.config)
        config.parent.mkdir(parents=True, exist_ok=True)
        bound = [{"binding": "DB", "database_name": "app", "database_id": "app"}, {"binding": "NO"}]
        config.write_text(json.dumps({"name": "w", "d1_databases": bound}))
        return found

    (tmp_path / "migrations").mkdir(exist_ok=True)
    return opened


def test_a_binding_is_the_database_it_names(open_site: Callable[[str], Site]) -> None:
    assert open_site("DB").database.url == "d1:app"
    assert open_site("other").database.url == "d1:other"
    with pytest.raises(Refused, match="The binding NO names no database"):
        _ = open_site("NO").database


def test_it_is_migrated_checked_backed_up_and_restored(
    open_site: Callable[[str], Site], tmp_path: Path, api: Api
) -> None:
    api.result("POST", "A/d1/database", json={"name": "app"})
    site = open_site("DB")
    assert not [p for p in site.settings.problems() if p.name.startswith("TURSO")]
    up = (
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO users VALUES (1, 'a')"
    )
    text = f"-- migrate:up\n{up};\n-- migrate:down\nDROP TABLE users;\n"
    (tmp_path / "migrations/users.sql").write_text(text)
    (change,) = migrate.plan(site)
    outcome = migrate.apply(site, change)
    assert (applied.names(site), migrate.plan(site)) == (["users"], [])
    schema_check.require_sound(site)
    site.facts.update(backup.apply(site, backup.always(site)[0]))
    site.database.execute("DELETE FROM users")
    site.facts["release"] = "release-1"
    for step_change in restore.plan_of(site, "latest"):
        module = backup if step_change.step == "backup" else restore
        site.facts.update(module.apply(site, step_change))
    assert schema_check.rows_by_table(site) == {"users": 1}
    migrate.undo(site, change, outcome)
    assert (applied.names(site), schema_check.rows_by_table(site)) == ([], {})
