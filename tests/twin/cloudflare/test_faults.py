from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.twin.cloudflare.stand_in import Api

DEPLOYMENTS = "A/workers/scripts/shop/deployments"


def count(api: Api) -> int:
    return len(api.result("GET", DEPLOYMENTS)["deployments"])


def order(api: Api, kind: str, times: int = 1) -> None:
    api.fault(method="POST", path="/scripts/shop/deployments$", kind=kind, times=times)


@pytest.mark.parametrize("status", [200, 429, 500, 503])
def test_a_status_is_answered_and_nothing_applied(api: Api, status: int) -> None:
    first = api.worker()
    order(api, f"status:{status}", times=2)
    replies = [api.deploy("shop", (first, 100)) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [status, status, 200]
    assert [reply.json()["success"] for reply in replies] == [False, False, True]
    assert count(api) == 2
    assert ("Retry-After" in replies[0].headers) is (status == 429)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("revoked", 401, 10000), ("status:403", 403, 10000), ("elsewhere", 403, 9109)],
)
def test_a_token_is_refused(api: Api, kind: str, status: int, code: int) -> None:
    first = api.worker()
    order(api, kind)
    reply = api.deploy("shop", (first, 100))
    assert (reply.status_code, reply.json()["errors"][0]["code"]) == (status, code)
    assert count(api) == 1


@pytest.mark.parametrize("status", [200, 521])
def test_somebody_answers_in_place_of_the_api(api: Api, status: int) -> None:
    first = api.worker()
    order(api, f"page:{status}")
    reply = api.deploy("shop", (first, 100))
    assert reply.status_code == status
    assert reply.headers["Content-Type"].startswith("text/html")
    assert count(api) == 1


def test_a_reset_before_applies_nothing(api: Api) -> None:
    first = api.worker()
    order(api, "reset")
    with pytest.raises(requests.ConnectionError):
        api.deploy("shop", (first, 100))
    assert count(api) == 1
    assert api.deploy("shop", (first, 100)).status_code == 200


def test_a_reset_after_applies_and_loses_the_reply(api: Api) -> None:
    api.worker()
    second = api.version()
    order(api, "reset_after")
    with pytest.raises(requests.ConnectionError):
        api.deploy("shop", (second, 100))
    assert count(api) == 2
    assert api.edge.deployed["shop"] == {second: 100}


def test_a_reply_that_is_cut_short(api: Api) -> None:
    first = api.worker()
    order(api, "bad_json")
    reply = api.deploy("shop", (first, 100))
    assert reply.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        reply.json()
    assert count(api) == 2


def test_a_slow_call(api: Api) -> None:
    first = api.worker()
    order(api, "slow:0.2")
    started = time.perf_counter()
    assert api.deploy("shop", (first, 100)).status_code == 200
    assert time.perf_counter() - started >= 0.2


def test_only_the_calls_that_are_named_fail(api: Api) -> None:
    first = api.worker()
    api.fault(method="DELETE", path="/deployments", kind="status:500")
    api.fault(method="POST", path="/scripts/other/", kind="status:500")
    assert api.deploy("shop", (first, 100)).status_code == 200


def test_faults_are_listed_and_removed(api: Api) -> None:
    url = api.origin + "/__sandbox/faults"
    order(api, "status:500", times=3)
    first = api.worker()
    api.deploy("shop", (first, 100))
    listed = api.session.get(url, timeout=60).json()["result"]
    assert [(fault["kind"], fault["times"]) for fault in listed] == [("status:500", 2)]
    api.session.delete(url, timeout=60)
    assert api.session.get(url, timeout=60).json()["result"] == []
    assert api.deploy("shop", (first, 100)).status_code == 200
    assert requests.get(url, timeout=60).status_code == 401


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"method": "GET", "path": "(", "kind": "status:500"},
        {"method": "GET", "path": "x", "kind": "status:201"},
        {"method": "GET", "path": "x", "kind": "explode"},
        {"method": "GET", "path": "x", "kind": "bad_json", "times": 0},
        {"method": "GET", "path": "x", "kind": "bad_json", "times": "1"},
    ],
)
def test_a_wrong_fault_is_refused(settled: Api, fault: Any) -> None:
    url = settled.origin + "/__sandbox/faults"
    assert settled.session.put(url, json=fault, timeout=60).status_code == 400


@pytest.mark.slow
def test_a_block_refuses_every_call_until_it_ends(api: Api) -> None:
    """It lasts for longer than a busy machine takes for two calls."""
    first = api.worker()
    api.fault(method="ANY", path="", kind="block:2.5", times=1, after=1)
    assert api.deploy("shop", (first, 100)).status_code == 200
    refused = api.call("GET", DEPLOYMENTS)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
    assert refused.headers["Ratelimit"] == '"default";r=0;t=3'
    assert api.deploy("shop", (first, 100)).status_code == 429
    time.sleep(2.6)
    assert count(api) == 2
