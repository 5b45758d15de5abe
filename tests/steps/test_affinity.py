"""Sticky users: the rule that gives a key, what it keeps together, and where there is no split."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from tests.support.traffic import splits, with_canary
from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.errors import Refused
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.cloudflare import Cloudflare
from xswarm_deploy.services.http import Http, bearer
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.steps import affinity, traffic, worker
from xswarm_twin.cloudflare import rulesets
from xswarm_twin.edge.routing import Route, bucket, choose_version
from xswarm_twin.model import WorkerVersion

COOKIE = 'http.request.cookies["session"][0]'
OTHER: dict[str, Any] = {
    "action": "rewrite",
    "expression": "true",
    "description": "somebody's own",
    "action_parameters": {"headers": {"X-Country": {"operation": "set", "expression": "ip.src"}}},
}
Made = Callable[..., Site]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("twin")
    made = Api(folder)
    made.result("POST", "/zones", json={"name": affinity.HERE})
    yield made
    made.session.close()
    made.stop()


@pytest.fixture
def made(api: Api, settings: Callable[..., Settings]) -> Made:
    """Return what makes a site whose invoke.yaml names a key, and whose file has some keys."""

    def make(key: str = COOKIE, **content: Any) -> Site:
        project = {"worker": {"config": "wrangler.json", "affinity": key}}
        site = Site(settings(project), ReleaseState({"release": "release-1"}))
        site.settings.path("wrangler.json").write_text(json.dumps(content))
        token = bearer(Secret(ACCOUNT.token, "token"))
        http = Http("Cloudflare", api.base, {"Authorization": token})
        site.__dict__["cloudflare"] = Cloudflare(http, ACCOUNT.id)
        return site

    return make


def rules(api: Api) -> list[dict[str, Any]]:
    zone = api.result("GET", f"/zones?name={affinity.HERE}")[0]["id"]
    found = api.call("GET", f"/zones/{zone}/rulesets/phases/{rulesets.PHASE}/entrypoint")
    return list(found.json()["result"]["rules"]) if found.ok else []


def test_a_rule_is_set_changed_and_undone_beside_others(api: Api, made: Made) -> None:
    site = made()
    (first,) = affinity.changes(site)
    worker.apply(site, first)
    assert affinity.changes(site) == []
    (rule,) = rules(api)
    assert rule["action_parameters"]["headers"] == {
        affinity.HEADER: {"operation": "set", "expression": COOKIE}
    }
    zone = api.result("GET", f"/zones?name={affinity.HERE}")[0]["id"]
    ruleset = api.result("GET", f"/zones/{zone}/rulesets/phases/{rulesets.PHASE}/entrypoint")["id"]
    api.result("POST", f"/zones/{zone}/rulesets/{ruleset}/rules", json=OTHER)
    (second,) = affinity.changes(made("ip.src"))
    worker.apply(site, second)
    worker.undo(site, second, {})
    assert [one["description"] for one in rules(api)][1:] == ["somebody's own"]
    assert len(rules(api)) == 2
    for _ in range(2):
        worker.undo(site, first, {})
    assert [one["description"] for one in rules(api)] == ["somebody's own"]


@pytest.mark.parametrize("key", ["", affinity.CLIENT, affinity.NONE])
def test_no_rule_is_set_where_none_is_named(made: Made, key: str) -> None:
    assert affinity.changes(made(key)) == []


def test_an_address_of_no_zone_is_refused(made: Made) -> None:
    site = made()
    values = {**site.settings._values, "WORKER_URL": "https://shop.acme.workers.dev"}
    site.__dict__["settings"] = replace(site.settings, _values=values)
    with pytest.raises(Refused, match="is in no zone of the account"):
        affinity.changes(site)


@pytest.mark.parametrize(
    ("key", "content", "split"),
    [
        ("", {}, True),
        ("", {"assets": {"directory": "public"}}, False),
        (affinity.NONE, {"assets": {"directory": "public"}}, True),
        (affinity.CLIENT, {"assets": {"directory": "public"}}, True),
        (COOKIE, {"assets": {"directory": "public"}}, True),
    ],
)
def test_static_files_are_split_only_where_users_stay(
    made: Made, key: str, content: dict[str, Any], split: bool
) -> None:
    site = made(key, **content)
    with_canary(site, 10.0, 50.0)
    found = traffic.roll_out(site, {"old": 100.0}, traffic.NEW, ["old"])
    shares = [one.get(traffic.NEW) for one in splits(found)]
    assert shares == ([0.0, 10.0, 50.0, 100.0] if split else [0.0, 100.0])
    assert ("no canary steps" in affinity.told(site.settings)) is not split
    if not split:
        with pytest.raises(Refused, match="gets no split of its traffic"):
            affinity.require_split(site.settings)


def test_the_order_of_versions_stays_and_shares_only_grow(made: Made) -> None:
    """As Durable Objects need it: each object has one version, and must not go back and forth."""
    site = made("")
    with_canary(site, 10.0, 50.0)
    found = splits(traffic.roll_out(site, {"old": 100.0}, traffic.NEW, ["old"]))
    assert {tuple(one) for one in found if len(one) == 2} == {("old", traffic.NEW)}
    with_canary(site, 50.0, 10.0)
    with pytest.raises(Refused, match="the canary's share shrinks: 10 % after 50 %"):
        traffic.roll_out(site, {"old": 100.0}, traffic.NEW, ["old"])


def version(number: int) -> WorkerVersion:
    made = WorkerVersion.__new__(WorkerVersion)
    for name, value in {"id": f"v{number}", "worker": "shop", "number": number}.items():
        object.__setattr__(made, name, value)
    return made


def test_no_user_with_a_key_flips_in_ten_thousand_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerVersion, "__hash__", lambda self: hash(self.id))
    old, new = version(1), version(2)
    given: dict[str, str] = {}
    moved = 0
    for share in (0, 1, 10, 50, 100):
        route = Route({old: 100 - share, new: share}, enabled=True, previews=True)
        for number in range(2000):
            user = f"user-{number % 500}"
            chosen = choose_version(route, "shop", {affinity.HEADER: user}, bucket(str(number)))
            assert chosen is not None
            assert (given.get(user), chosen.id) != ("v2", "v1")
            moved += given.get(user) == "v1" and chosen.id == "v2"
            given[user] = chosen.id
    assert set(given.values()) == {"v2"}
    assert moved == 500  # each once, and none back


def test_the_edge_reads_the_key_that_a_rule_gives(api: Api, made: Made) -> None:
    site = made()
    for change in affinity.changes(site):
        worker.apply(site, change)
    request = SimpleNamespace(cookies={"session": "ada"}, headers={}, remote="127.0.0.1")
    assert api.edge.key_of(cast("web.Request", request)) == "ada"
