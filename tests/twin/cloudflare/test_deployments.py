from __future__ import annotations

from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import Api

DEPLOYMENTS = "A/workers/scripts/shop/deployments"


def test_a_split_is_served_and_told(api: Api) -> None:
    first, second = api.worker(), api.version()
    assert api.deploy("shop", (second, 10), (first, 90)).status_code == 200
    assert api.edge.deployed["shop"] == {second: 10, first: 90}
    assert api.deploy("shop", (second, 0), (first, 100)).status_code == 200
    assert api.deploy("shop", (second, 33.3), (first, 66.7)).status_code == 200
    listed = api.result("GET", DEPLOYMENTS)["deployments"]
    assert listed[0]["versions"] == [
        {"version_id": second, "percentage": 33.3},
        {"version_id": first, "percentage": 66.7},
    ]
    assert len(listed) == 4
    one = api.result("GET", f"{DEPLOYMENTS}/{listed[0]['id']}")
    assert one == listed[0]
    assert api.refused("GET", f"{DEPLOYMENTS}/none") == (404, 10007)


def test_the_last_ten_are_listed(api: Api) -> None:
    first = api.worker()
    made = [api.deploy("shop", (first, 100)).json()["result"]["id"] for _ in range(11)]
    listed = api.result("GET", DEPLOYMENTS)["deployments"]
    assert [deployment["id"] for deployment in listed] == made[:0:-1]


def test_a_message_is_kept(api: Api) -> None:
    body = {
        "strategy": "percentage",
        "versions": [{"version_id": api.worker(), "percentage": 100}],
        "annotations": {"workers/message": "why", "workers/alias": None},
    }
    api.result("POST", DEPLOYMENTS, json=body)
    newest = api.result("GET", DEPLOYMENTS)["deployments"][0]
    assert newest["annotations"] == {"workers/message": "why", "workers/triggered_by": "deployment"}


@pytest.mark.parametrize(
    "shares",
    [
        [],
        [100, 0, 0],
        [50],
        [50, 49.9],
        [150, -50],
        ["100"],
        [None],
        [True],
        [float("1e9")],
        [60, 60],
    ],
)
def test_an_impossible_split_is_refused(settled: Api, shares: list[Any]) -> None:
    before = dict(settled.edge.deployed["shop"])
    pairs = zip([*before, "other", "third"], shares, strict=False)
    assert settled.deploy("shop", *pairs).json()["errors"][0]["code"] == 10026
    assert settled.edge.deployed["shop"] == before
    assert len(settled.result("GET", DEPLOYMENTS)["deployments"]) == 1


def test_one_version_twice_is_refused(api: Api) -> None:
    first = api.worker()
    assert api.deploy("shop", (first, 50), (first, 50)).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        "{}",
        '{"strategy": "all", "versions": []}',
        '{"strategy": "percentage", "versions": {}}',
        '{"strategy": "percentage", "versions": [1]}',
        '{"strategy": "percentage", "versions": [{"percentage": 100}]}',
        '{"strategy": "percentage", "versions": [{"version_id": 1, "percentage": 100}]}',
        '{"strategy": "percentage", "versions": [{"version_id": "x", "percentage": NaN}]}',
    ],
)
def test_a_wrong_body_is_refused(settled: Api, body: str) -> None:
    assert settled.refused("POST", DEPLOYMENTS, data=body) == (400, 10026)


def test_an_unknown_version_or_worker_is_refused(api: Api) -> None:
    other = api.worker("other")
    assert api.deploy("shop", (other, 100)).status_code == 404
    first = api.worker()
    assert api.deploy("shop", (other, 100)).json()["errors"][0]["code"] == 100146
    assert api.deploy("shop", (first, 0), ("none", 100)).json()["errors"][0]["code"] == 100146
    assert api.refused("GET", "A/workers/scripts/shop/versions/none") == (404, 100146)
    assert api.edge.deployed["shop"] == {first: 100}


def test_times_rise_strictly(api: Api) -> None:
    first = api.worker()
    for _ in range(5):
        api.deploy("shop", (first, 100))
    api.restart()
    for _ in range(3):
        api.deploy("shop", (first, 100))
    times = [one["created_on"] for one in api.result("GET", DEPLOYMENTS)["deployments"]]
    assert times == sorted(set(times), reverse=True)
    assert len(times) == 9


def test_the_edge_is_brought_back_to_what_is_stored(api: Api) -> None:
    first, second = api.worker(), api.version()
    api.deploy("shop", (second, 25), (first, 75))
    api.call("POST", "A/workers/scripts/shop/subdomain", json={"enabled": True})
    api.restart()
    assert api.edge.deployed["shop"] == {second: 25, first: 75}
    assert api.edge.flags["shop"] == (True, False)
    assert set(api.edge.previews) == {first, second}


def test_versions_are_listed_by_pages_the_newest_first(api: Api) -> None:
    made = [api.worker(), *(api.version() for _ in range(11))]
    path = "A/workers/scripts/shop/versions"
    assert [v["id"] for v in api.result("GET", path)["items"]] == made[:1:-1]
    second = api.call("GET", f"{path}?page=2&per_page=10").json()
    assert [v["id"] for v in second["result"]["items"]] == made[1::-1]
    assert second["result_info"]["total_count"] == 12
    everything = api.result("GET", f"{path}?deployable=true")["items"]
    assert [v["id"] for v in everything] == made[::-1]
    assert [v["number"] for v in everything] == list(range(12, 0, -1))
    for wrong in ("page=0", "page=x", "per_page=101", "per_page=-1", "page=²"):
        assert api.refused("GET", f"{path}?{wrong}") == (400, 10026)


def test_the_subdomain_decides_whether_hosts_answer(api: Api) -> None:
    api.worker()
    path = "A/workers/scripts/shop/subdomain"
    assert api.result("GET", path) == {"enabled": False, "previews_enabled": False}
    api.result("POST", path, json={"enabled": True, "previews_enabled": True})
    assert api.edge.flags["shop"] == (True, True)
    api.result("POST", path, json={"enabled": False})
    assert api.edge.flags["shop"] == (False, True)
    told = api.result("GET", "A/workers/workers/shop")
    assert told["subdomain"]["url"] == "http://127.0.0.1:8001"
    assert told["subdomain"]["preview_url_suffix"] == "-shop.localhost:8001"
    assert api.result("GET", f"A/workers/workers/{told['id']}")["name"] == "shop"
    assert api.refused("POST", path, json={"enabled": "yes"}) == (400, 10026)


def test_a_deleted_worker_is_gone(api: Api) -> None:
    api.worker()
    api.worker("other")
    assert api.result("DELETE", "A/workers/scripts/shop") is None
    assert api.result("DELETE", "A/workers/services/other?force=false") is None
    assert api.edge.deployed == {}
    assert api.refused("DELETE", "A/workers/scripts/shop") == (404, 10007)
    assert api.refused("GET", DEPLOYMENTS) == (404, 10007)
    again = api.worker()
    listed = api.result("GET", "A/workers/scripts/shop/versions")["items"]
    assert [version["id"] for version in listed] == [again]


def test_script_settings_are_merged(api: Api) -> None:
    api.worker()
    path = "A/workers/scripts/shop/script-settings"
    api.result("PATCH", path, json={"tags": ["a"], "logpush": False})
    api.result("PATCH", path, json={"tags": ["b"]})
    assert api.result("GET", path) == {"tags": ["b"], "logpush": False}
    service = api.result("GET", "A/workers/services/shop")
    assert service["default_environment"]["script"]["tags"] == ["b"]


def test_cron_triggers_are_the_workers_and_end_with_it(api: Api) -> None:
    api.worker()
    path = "A/workers/scripts/shop/schedules"
    assert api.result("GET", path) == {"schedules": []}
    told = api.result("PUT", path, json=[{"cron": "* * * * *"}, {"cron": "0 2 * * *"}])
    assert [each["cron"] for each in told["schedules"]] == ["* * * * *", "0 2 * * *"]
    assert api.refused("PUT", path, json=[{"cron": "daily"}])[0] == 400
    assert api.edge.crons == {"shop": ["* * * * *", "0 2 * * *"]}
    first = told["schedules"][1]["created_on"]
    api.restart()
    assert api.edge.crons == {"shop": ["* * * * *", "0 2 * * *"]}
    again = api.result("PUT", path, json=[{"cron": "0 2 * * *"}])["schedules"]
    assert (len(again), again[0]["created_on"]) == (1, first)
    api.result("DELETE", "A/workers/scripts/shop")
    assert api.edge.crons == {}
