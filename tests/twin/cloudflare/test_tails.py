"""Tails: begun, read over a WebSocket, filtered, ended."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.twin.cloudflare.stand_in import Api
from xswarm_twin.edge.tails import Invocation, Tail, Tails
from xswarm_twin.model import WorkerVersion

AT = "A/workers/scripts/shop/tails"
VERSION = WorkerVersion("v-1", "shop", 1, "", Path(), None, (), (), "2026-01-01")
ASKED = Invocation(
    VERSION, "GET", "http://shop/", {"X-Run": "n-1", "X-Api-Key": "k"}, "10.0.0.1", 200, "ok"
)


def listen(tail: dict[str, Any]) -> Any:
    return connect(tail["url"], subprotocols=["trace-v1"], proxy=None)  # type: ignore[list-item]


def tell(api: Api, tail: dict[str, Any], *invocations: Invocation) -> None:
    found = api.twin.tails.find(tail["id"])
    while found is None or not found.connected:
        time.sleep(0.01)
    for one in invocations:
        api._loop.call_soon_threadsafe(api.twin.tails.publish, one)


def test_a_tail_tells_of_the_invocations_that_its_filters_want(api: Api) -> None:
    api.worker()
    tail = api.result("POST", AT, json={"filters": [{"header": {"key": "x-run"}}]})
    assert [one["id"] for one in api.result("GET", AT)] == [tail["id"]]
    with listen(tail) as socket:
        tell(api, tail, dataclasses.replace(ASKED, headers={}), ASKED)
        event = json.loads(socket.recv(timeout=60))
    assert event["scriptVersion"] == {"id": "v-1"}
    assert event["event"]["request"]["headers"] == {"x-run": "n-1", "x-api-key": "REDACTED"}
    assert (event["outcome"], event["event"]["response"]) == ("ok", {"status": 200})
    api.result("DELETE", f"{AT}/{tail['id']}")
    assert api.result("GET", AT) == []
    with pytest.raises(InvalidStatus):
        listen(tail)


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [
        ({"scriptVersion": "v-1"}, True),
        ({"scriptVersion": "v-2"}, False),
        ({"header": {"key": "X-Run", "query": "n-1"}}, True),
        ({"header": {"key": "X-Run", "query": "n-2"}}, False),
        ({"method": ["POST"]}, False),
        ({"outcome": ["ok"]}, True),
        ({"client_ip": ["10.0.0.1"]}, True),
    ],
)
def test_each_filter(api: Api, wanted: dict[str, Any], heard: bool) -> None:
    api.worker()
    tail = api.result("POST", AT, json={"filters": [wanted]})
    with listen(tail) as socket:
        tell(api, tail, ASKED)
        if heard:
            assert json.loads(socket.recv(timeout=60))["outcome"] == "ok"
        else:
            with pytest.raises(TimeoutError):
                socket.recv(timeout=0.2)


@pytest.mark.parametrize(
    "wanted", [{"junk": 1}, {}, {"header": "x"}, {"method": "GET", "query": "a"}]
)
def test_what_is_no_filter_is_refused(api: Api, wanted: dict[str, Any]) -> None:
    api.worker()
    assert api.refused("POST", AT, json={"filters": [wanted]})[0] == 400


def test_a_tail_that_nobody_ended_is_forgotten_once_it_has_expired() -> None:
    tails = Tails()
    old = Tail("shop", (), expires=time.time() - 1)
    tails.add(old)
    tails.add(Tail("shop", ()))
    assert old not in tails.of("shop")
    assert len(tails.of("shop")) == 1


def test_no_worker_has_no_tail(api: Api) -> None:
    assert api.refused("POST", AT, json={"filters": []}) == (404, 10007)
