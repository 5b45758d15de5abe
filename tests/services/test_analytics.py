"""Cloudflare's analytics: read from the twin, refused, and what the twin takes for no query."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.analytics import Invocations, invocations
from xswarm_deploy.services.http import Http, bearer
from xswarm_twin.cloudflare import analytics
from xswarm_twin.edge.tails import Invocation
from xswarm_twin.model import WorkerVersion

NOW = 1_900_000_000.0


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("twin")
    made = Api(folder)
    yield made
    made.session.close()
    made.stop()


@pytest.fixture
def http(api: Api) -> Http:
    return Http("Cloudflare", api.base, {"Authorization": bearer(Secret(ACCOUNT.token, "token"))})


def happen(api: Api, version: str, outcome: str, times: int, worker: str = "shop") -> None:
    made = WorkerVersion.__new__(WorkerVersion)
    object.__setattr__(made, "id", version)
    object.__setattr__(made, "worker", worker)

    async def publish() -> None:
        one = Invocation(made, "GET", "http://x/", {}, "127.0.0.1", 200, outcome)
        for _ in range(times):
            api.twin.tails.publish(one)

    api.do(publish())


def test_each_version_is_counted(api: Api, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analytics, "DELAY", 0.0)
    began = time.time() - 1
    happen(api, "one", "ok", 7)
    happen(api, "one", "exception", 2)
    happen(api, "two", "ok", 3)
    happen(api, "one", "ok", 50, worker="another")
    found = invocations(http, ACCOUNT.id, "shop", began, time.time() + 1)
    assert found == {"one": Invocations(9, 2), "two": Invocations(3, 0)}
    assert invocations(http, ACCOUNT.id, "shop", began - 60, began) == {}


def test_what_just_happened_does_not_show_yet(api: Api, http: Http) -> None:
    began = time.time()
    happen(api, "late", "ok", 5)
    assert "late" not in (invocations(http, ACCOUNT.id, "shop", began, time.time() + 1) or {})


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (403, {"success": False, "errors": [{"code": 10000, "message": "no"}], "result": None}),
        (200, {"data": None, "errors": [{"message": "not authorized for that account"}]}),
    ],
)
def test_a_token_that_may_not_read_it_is_no_error(
    fake_time: Any, api_of: Any, status: int, answer: Any
) -> None:
    api_of.post("https://api.cloudflare.test/graphql", status=status, json=answer)
    http = Http("Cloudflare", "https://api.cloudflare.test", {}, clock=fake_time.clock)
    assert invocations(http, "acc", "shop", NOW - 60, NOW) is None
    sent = api_of.calls[0].request.body
    assert b'"since": "2030-03-17T17:45:40Z"' in sent


@pytest.fixture
def api_of() -> Iterator[Any]:
    import responses

    with responses.RequestsMock() as mock:
        yield mock


@pytest.mark.parametrize(
    "query",
    [
        "{ viewer { accounts { httpRequestsAdaptiveGroups(limit: 1) { count } } } }",
        "{ workersInvocationsAdaptive(filter: {script: $w}) { sum { requests } } }",
        "{ workersInvocationsAdaptive(filter: {scriptName: $w}) { dimensions { version } } }",
    ],
)
def test_what_the_schema_does_not_have_is_refused(api: Api, query: str) -> None:
    body = {"query": query, "variables": {"w": "shop"}}
    answer = api.call("POST", "/graphql", json=body).json()
    assert answer["data"] is None
    assert "unknown" in answer["errors"][0]["message"]
