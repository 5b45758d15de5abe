"""What is set beside the version: planned, set, read back, undone; against the API stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.bundling import d1
from xswarm_deploy.database import d1_pending
from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.model.step import Change
from xswarm_deploy.preflight import bindings
from xswarm_deploy.preflight.looking import Seen
from xswarm_deploy.release import steps
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.cloudflare import Cloudflare
from xswarm_deploy.services.http import Http, bearer
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import worker
from xswarm_deploy.steps.unversioned import changes as unversioned
from xswarm_deploy.steps.unversioned import settings as script_settings
from xswarm_deploy.steps.unversioned import twin
from xswarm_deploy.verification import address

PLAIN: dict[str, Any] = {"name": "boss-ai", "main": "main.js", "workers_dev": True}
ZONE = "example.com"


class World:
    """An account with a Worker, a zone and two queues; and the site whose file a test writes."""

    def __init__(self, api: Api, site: Site) -> None:
        self.api, self.site = api, site
        api.worker("boss-ai")
        api.worker("other")
        switched = {"enabled": True, "previews_enabled": True}
        api.result("POST", "A/workers/scripts/boss-ai/subdomain", json=switched)
        self.zone = api.result("POST", "/zones", json={"name": ZONE})["id"]
        for name in ("orders", "letters"):
            api.result("POST", "A/queues", json={"queue_name": name})
        self.write()

    def write(self, **keys: Any) -> None:
        """Write the wrangler configuration."""
        file = self.site.settings.path(self.site.settings.project.worker.config)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**PLAIN, **keys}))

    def described(self) -> unversioned.Described:
        return unversioned.described(self.site.settings)

    def plan(self, formerly: unversioned.Described | None = None) -> list[Change]:
        return unversioned.changes(self.site, self.described(), formerly)

    def set(self, **keys: Any) -> list[Change]:
        """Write the file, and make what it plans."""
        self.write(**keys)
        planned = self.plan()
        for change in planned:
            worker.apply(self.site, change)
        return planned

    def state(self) -> dict[str, Any]:
        """Return all that the account holds of the Worker."""
        script = "A/workers/scripts/boss-ai"
        queues = self.api.result("GET", "A/queues")
        return {
            "settings": self.api.result("GET", f"{script}/script-settings"),
            "subdomain": self.api.result("GET", f"{script}/subdomain"),
            "domains": [
                one["hostname"]
                for one in self.api.result("GET", "A/workers/domains?service=boss-ai")
            ],
            "routes": sorted(
                one["pattern"]
                for one in self.api.result("GET", f"/zones/{self.zone}/workers/routes")
            ),
            "consumers": {
                one["queue_name"]: {
                    key: value for key, value in taken.items() if key != "consumer_id"
                }
                for one in queues
                for taken in one["consumers"]
            },
            "workflow": self.api.call("GET", "A/workflows/billing").json()["result"],
        }


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return which versions an address that was opened is waited for to answer."""
    versions: list[str] = []
    monkeypatch.setattr(address, "wait", lambda _site, version: versions.append(version))
    return versions


@pytest.fixture
def world(tmp_path: Path, settings: Callable[..., Settings], waited: list[str]) -> Iterator[World]:
    api = Api(tmp_path / "api")
    http = Http("Cloudflare", api.base, {"Authorization": bearer(Secret(ACCOUNT.token, "token"))})
    account = {"CLOUDFLARE_ACCOUNT_ID": ACCOUNT.id, "CLOUDFLARE_API_TOKEN": ACCOUNT.token}
    made = settings(CLOUDFLARE_API_BASE_URL=api.base, **account)
    site = Site(made, ReleaseState({"release": "release-1"}))
    site.__dict__["cloudflare"] = Cloudflare(http, ACCOUNT.id)
    try:
        yield World(api, site)
    finally:
        api.session.close()
        api.stop()


CASES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "observability": (
        {"observability": {"enabled": True, "head_sampling_rate": 0.1}},
        "settings",
        {"observability": {"enabled": True, "head_sampling_rate": 0.1}, "tags": []},
    ),
    "logpush": (
        {"logpush": True},
        "settings",
        {"logpush": True, "observability": {"enabled": False}, "tags": []},
    ),
    "tail consumers": (
        {"tail_consumers": [{"service": "other"}]},
        "settings",
        {
            "tail_consumers": [{"service": "other"}],
            "observability": {"enabled": False},
            "tags": [],
        },
    ),
    "an address that is off": (
        {"workers_dev": False},
        "subdomain",
        {"enabled": False, "previews_enabled": False},
    ),
    "preview URLs that are off": (
        {"preview_urls": False},
        "subdomain",
        {"enabled": True, "previews_enabled": False},
    ),
    "routes": (
        {"routes": [f"{ZONE}/api/*", {"pattern": f"*.{ZONE}/x", "zone_name": ZONE}]},
        "routes",
        {"routes": [f"*.{ZONE}/x", f"{ZONE}/api/*"]},
    ),
    "one route": ({"route": f"a.b.{ZONE}/*"}, "routes", {"routes": [f"a.b.{ZONE}/*"]}),
    "custom domains": (
        {"routes": [{"pattern": f"shop.{ZONE}", "custom_domain": True}]},
        "domains",
        {"domains": [f"shop.{ZONE}"]},
    ),
    "queue consumers": (
        {
            "queues": {
                "consumers": [
                    {
                        "queue": "orders",
                        "max_batch_size": 5,
                        "max_batch_timeout": 2,
                        "dead_letter_queue": "letters",
                    }
                ]
            }
        },
        "consumers",
        {
            "consumers": {
                "orders": {
                    "type": "worker",
                    "script": "boss-ai",
                    "dead_letter_queue": "letters",
                    "settings": {"batch_size": 5, "max_retries": 3, "max_wait_time_ms": 2000},
                }
            }
        },
    ),
    "workflows": (
        {"workflows": [{"binding": "W", "name": "billing", "class_name": "Billing"}]},
        "workflow",
        {"name": "billing", "class_name": "Billing", "script_name": "boss-ai"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_planned_set_read_back_and_undone(world: World, case: str) -> None:
    keys, place, wanted = CASES[case]
    before = world.state()
    planned = world.set(**keys)
    assert _held(world.state()[place], wanted, place)
    assert world.plan(world.described()) == []
    for _ in range(2):  # undoing twice is as undoing once
        for change in reversed(planned):
            worker.undo(world.site, change, {})
    assert _undefaulted(world.state()) == _undefaulted(before)


@pytest.mark.parametrize("case", ["routes", "custom domains", "queue consumers"])
def test_what_the_file_no_longer_names_is_taken_away(world: World, case: str) -> None:
    keys, place, _ = CASES[case]
    before = world.state()[place]
    world.set(**keys)
    formerly = world.described()
    world.write()
    planned = world.plan(formerly)
    for change in planned:
        worker.apply(world.site, change)
    assert world.state()[place] == before
    for change in reversed(planned):
        worker.undo(world.site, change, {})
    assert world.state()[place] != before


@pytest.mark.parametrize("case", ["routes", "custom domains", "queue consumers", "workflows"])
def test_what_nobody_recorded_is_left_alone(world: World, case: str) -> None:
    keys, place, _ = CASES[case]
    world.set(**keys)
    there = world.state()[place]
    world.set()
    assert world.state()[place] == there


TOLD: dict[str, str] = {
    "observability": "observability",
    "logpush": "observability, logpush",
    "preview URLs that are off": "workers.dev on, preview URLs off",
    "one route": f"a.b.{ZONE}/*",
    "custom domains": f"shop.{ZONE}",
    "queue consumers": "orders",
    "workflows": "billing",
}


def test_a_workflow_stays_in_its_jurisdiction(world: World) -> None:
    """wrangler refuses that, too, and before it uploads anything."""
    workflow = {"binding": "W", "name": "billing", "class_name": "Billing"}
    world.set(workflows=[workflow | {"jurisdiction": "eu"}])
    world.write(workflows=[workflow | {"jurisdiction": "fedramp"}])
    with pytest.raises(Refused, match="cannot be moved to the jurisdiction fedramp") as refused:
        world.plan()
    assert "created in eu" in str(refused.value)


@pytest.mark.parametrize("case", TOLD)
def test_the_plan_says_what_is_set(world: World, case: str) -> None:
    world.write(**CASES[case][0])
    (change,) = world.plan()
    assert change.details == TOLD[case]


def test_a_dropped_option_is_set_anew(world: World) -> None:
    world.set(observability={"enabled": True, "head_sampling_rate": 0.1})
    formerly = world.described()
    world.write(observability={"enabled": True})
    assert [change.action for change in world.plan(formerly)] == ["settings"]


def test_environments_are_grouped_by_tags_and_foreign_tags_stay(world: World) -> None:
    path = "A/workers/scripts/boss-ai/script-settings"
    world.api.result("PATCH", path, json={"tags": ["team:shop", "cf:service=old"]})
    planned = world.set(env={"production": {}})
    assert world.api.result("GET", path)["tags"] == ["team:shop", "cf:service=boss-ai"]
    worker.undo(world.site, planned[0], {})
    assert world.api.result("GET", path)["tags"] == ["team:shop", "cf:service=old"]


def test_the_chosen_environment_is_a_tag() -> None:
    content = {
        "topLevelName": "shop",
        "definedEnvironments": ["staging"],
        "targetEnvironment": "staging",
    }
    assert script_settings.described(content, "shop")["tags"] == [
        "cf:service=shop",
        "cf:environment=staging",
    ]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no queue": ({"queues": {"consumers": [{"queue": "none"}]}}, "no queue none"),
    "another consumer": ({"queues": {"consumers": [{"queue": "orders"}]}}, "consumed by other"),
    "no zone": ({"routes": ["shop.elsewhere.org/*"]}, "no zone for shop.elsewhere.org"),
    "another route": ({"routes": [f"{ZONE}/taken/*"]}, "leads to worker other"),
    "another domain": (
        {"routes": [{"pattern": f"taken.{ZONE}", "custom_domain": True}]},
        "leads to worker other",
    ),
    "another workflow": (
        {"workflows": [{"binding": "W", "name": "billing", "class_name": "B"}]},
        "one of worker other",
    ),
    "another workflow, as an export": (
        {"exports": {"B": {"type": "workflow", "name": "billing"}}},
        "one of worker other",
    ),
    "options of another workflow": (
        {
            "workflows": [
                {"binding": "W", "name": "w", "class_name": "B", "script_name": "far"}
                | {"limits": {"steps": 5}, "schedules": "0 1 * * *"}
            ]
        },
        "limits, schedules of the workflow w cannot be set",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_belongs_to_another_worker_is_refused_before_anything_changes(
    world: World, case: str
) -> None:
    keys, said = REFUSED[case]
    _give_to_other(world)
    world.write(**keys)
    with pytest.raises(Refused, match=said):
        world.plan()


def test_the_resources_are_set_in_their_order() -> None:
    order = ("settings", "workflows", "consumers", "domains", "routes", "subdomain")
    assert tuple(unversioned.RESOURCES) == order


@pytest.mark.parametrize("case", CASES)
def test_a_journal_reads_it_back(world: World, case: str) -> None:
    world.write(**CASES[case][0])
    for change in world.plan():
        assert steps.change_of(json.loads(json.dumps(change.as_json()))) == change
        assert not steps.action_named(change).routine


def test_what_opens_an_address_is_waited_for(world: World, waited: list[str]) -> None:
    world.site.facts["version"] = "version-2"
    world.set(logpush=True, routes=[f"{ZONE}/*"])
    assert waited == ["version-2"]
    closed = world.set(workers_dev=True)
    for change in reversed(closed):
        worker.undo(world.site, change, {})
    assert waited == ["version-2"]


def test_what_the_api_does_not_show_is_a_failure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(logpush=True)
    (change,) = world.plan()
    monkeypatch.setattr(Cloudflare, "set_script_settings", lambda *_: None)
    with pytest.raises(StepFailed, match="logs and tags of boss-ai were not set"):
        worker.apply(world.site, change)


def test_the_twin_gets_what_the_file_takes_for_granted(world: World) -> None:
    routes = ["*/*", "api.elsewhere.org/*", {"pattern": "a.b.example.net", "custom_domain": True}]
    queues = {"consumers": [{"queue": "new", "dead_letter_queue": "dead"}]}
    world.write(routes=[*routes, {"pattern": "x.y.z/*", "zone_name": "y.z"}], queues=queues)
    for _ in range(2):
        twin.provide(world.site)
    named = {zone["name"] for zone in world.api.result("GET", "/zones")}
    assert named == {ZONE, "elsewhere.org", "example.net", "y.z"}
    made = {queue["queue_name"] for queue in world.api.result("GET", "A/queues")}
    assert made == {"orders", "letters", "new", "dead"}


NAMED: dict[str, Any] = {
    "vectorize": [{"binding": "DOCS", "index_name": "docs"}],
    "mtls_certificates": [{"binding": "CERT", "certificate_id": "1f2e"}],
    "pipelines": [{"binding": "EVENTS", "stream": "3d4c"}],
    "secrets_store_secrets": [{"binding": "KEY", "store_id": "s1", "secret_name": "key"}],
}


def test_the_twin_gets_what_the_file_names_and_the_check_finds_it(world: World) -> None:
    """The bindings by id or name, asked for by the check's own calls."""
    lacking = [
        "DOCS (vectorize docs)",
        "CERT (mtls_certificates 1f2e)",
        "EVENTS (pipelines 3d4c)",
        "KEY (secrets_store_secrets key)",
    ]
    world.write(**NAMED)
    seen = bindings.bound(world.site, NAMED)
    assert isinstance(seen, Seen)
    assert (seen.status, all(one in seen.evidence for one in lacking)) == ("fail", True)
    twin.provide(world.site)
    seen = bindings.bound(world.site, NAMED)
    assert isinstance(seen, Seen)
    assert seen.status == "warn", "the twin holds no vectors, and calls by no certificate"
    assert "only answer that they are not there" in seen.evidence


def test_the_check_asks_another_worker_for_its_class_and_its_entrypoint(world: World) -> None:
    code = b"export class Room {}; export class Prices {}; export default { fetch() {} }"
    world.api.worker("rooms", code=code, migrations={"new_tag": "1", "new_classes": ["Room"]})
    told = [bindings.bound(world.site, _of_rooms(*names)) for names in (ROOMS, *NOT_ROOMS)]
    assert told[0] == "ROOM (durable_objects Room of rooms); API (services rooms)"
    assert [one.status for one in told[1:] if isinstance(one, Seen)] == ["fail", "warn"]


ROOMS = ("Room", "Prices")
NOT_ROOMS = (("Hall", "Prices"), ("Room", "Price"))


def _of_rooms(class_name: str, entrypoint: str) -> dict[str, Any]:
    room = {"name": "ROOM", "class_name": class_name, "script_name": "rooms"}
    service = {"binding": "API", "service": "rooms", "entrypoint": entrypoint}
    return {"durable_objects": {"bindings": [room]}, "services": [service]}


def test_a_folder_that_releases_apply_is_none_of_wranglers(world: World) -> None:
    world.write(d1_databases=[{"binding": "DB", "database_id": "4567"}])
    settings = world.site.settings
    folder = settings.path(settings.project.worker.config).parent / "migrations"
    folder.mkdir()
    (folder / "0001_users.sql").write_text("CREATE TABLE users (id TEXT);\n")
    assert [one.files for one in d1.migrated(settings)] == [("0001_users.sql",)]
    project = settings.project
    ours = project.migrations._replace(directory=str(folder.relative_to(settings.root)))
    settings = replace(settings, project=project._replace(migrations=ours))
    assert list(d1.migrated(settings)) == []


@pytest.mark.slow
def test_the_twin_gets_the_migrations_that_wrangler_applies(world: World) -> None:
    """Files of a folder that the configuration names, with wrangler's own ledger; each once."""
    bound = {"binding": "DB", "database_id": "4567", "database_name": "app"}
    more = {"migrations_dir": "sql", "migrations_table": "applied"}
    world.write(d1_databases=[{**bound, **more}, {"binding": "NONE", "database_id": "89ab"}])
    site = world.site
    folder = site.settings.path(site.settings.project.worker.config).parent / "sql"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"000{number}_made.sql").write_text(f"CREATE TABLE t{number} (a);\n")
        twin.provide(site)
        (told,) = d1.migrated(site.settings)
        assert told.files[-1] == f"000{number}_made.sql"
        assert d1_pending.pending(site.d1, told.database, told.ledger, told.files) == []
    (folder / "0003_wrong.sql").write_text("CREATE TABEL t3 (a);\n")
    with pytest.raises(StepFailed, match="the migrations of DB were not applied") as failed:
        twin.provide(site)
    assert "TABEL" in failed.value.why


def test_a_route_of_every_host_needs_the_name_of_its_zone(world: World) -> None:
    world.set(routes=[{"pattern": "*/*", "zone_name": ZONE}])
    assert world.state()["routes"] == ["*/*"]
    world.write(routes=["*/*"])
    with pytest.raises(Refused, match=r"the route \*/\* names no zone") as refused:
        world.plan()
    assert '"zone_name": "YOUR-DOMAIN"' in refused.value.remedy


def _give_to_other(world: World) -> None:
    api = world.api
    queue = api.result("GET", "A/queues?name=orders")[0]["queue_id"]
    consumer = {"type": "worker", "script_name": "other"}
    api.result("POST", f"A/queues/{queue}/consumers", json=consumer)
    route = {"pattern": f"{ZONE}/taken/*", "script": "other"}
    api.result("POST", f"/zones/{world.zone}/workers/routes", json=route)
    domain = {"hostname": f"taken.{ZONE}", "service": "other", "zone_id": world.zone}
    api.result("PUT", "A/workers/domains", json=domain)
    workflow = {"script_name": "other", "class_name": "B"}
    api.result("PUT", "A/workflows/billing", json=workflow)


def _held(there: Any, wanted: dict[str, Any], place: str) -> bool:
    if place in ("routes", "domains", "consumers"):
        return bool({place: there} == wanted)
    return all(there[key] == value for key, value in wanted.items())


def _undefaulted(state: dict[str, Any]) -> dict[str, Any]:
    """Leave out settings at their defaults: the API shows them once they were set."""
    plain: tuple[object, ...] = (None, False, [], {"enabled": False})
    kept = {key: value for key, value in state["settings"].items() if value not in plain}
    return {**state, "settings": kept}
