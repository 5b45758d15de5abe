"""Tails: read from the stand-in over a real WebSocket, and what is no event of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.secret import Secret
from xswarm_deploy.services import tails
from xswarm_deploy.services.cloudflare import Cloudflare
from xswarm_deploy.services.errors import NotFound, ServiceUnavailable
from xswarm_deploy.services.http import Http, bearer
from xswarm_twin.edge.tails import Invocation
from xswarm_twin.model import WorkerVersion

VERSION = WorkerVersion("v-1", "shop", 1, "", Path(), None, (), (), "2026-01-01")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path / ".sandbox")
    yield made
    made.stop()


@pytest.fixture
def cloudflare(api: Api) -> Cloudflare:
    token = {"Authorization": bearer(Secret(ACCOUNT.token, "TOKEN"))}
    return Cloudflare(Http("Cloudflare", api.base, token), ACCOUNT.id)


def tell(api: Api, tag: str) -> None:
    headers = {tails.HEADER: tag} if tag else {}
    told = Invocation(VERSION, "GET", "http://shop/", headers, "10.0.0.1", 500, "exception")
    api._loop.call_soon_threadsafe(api.twin.tails.publish, told)


def test_a_tail_counts_the_versions_of_our_requests(api: Api, cloudflare: Cloudflare) -> None:
    api.worker()
    with cloudflare.tail("shop") as tail:
        assert tail.versions("run-1") == {}
        (listening,) = api.twin.tails.of("shop")
        while not listening.connected:
            pass
        for tag in ("run-1", "", "run-2", "run-1"):
            tell(api, tag)
        assert tail.more("run-1", 1, 10.0) == {"v-1": 2}
        assert tail.versions("run-2") == {"v-1": 1}
        assert tail.more("run-3", 0, 0.05) == {}
    assert api.twin.tails.of("shop") == []


def test_no_worker_has_no_tail(api: Api, cloudflare: Cloudflare) -> None:
    with pytest.raises(NotFound), cloudflare.tail("shop"):
        pass
    assert cloudflare.may_tail("shop")  # the token may; there is nothing to listen to


def test_an_address_that_does_not_answer_or_is_not_encrypted_is_refused() -> None:
    for url, said in (("ws://127.0.0.1:1/x", "no connection"), ("ws://x.test/", "not encrypted")):
        with pytest.raises(ServiceUnavailable, match=said), tails._connected("Cloudflare", url):
            pass


EVENT = {"scriptVersion": {"id": "v"}, "event": {"request": {"headers": {"x-deployment-run": "t"}}}}


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (EVENT, ("t", "v")),
        ({**EVENT, "scriptVersion": None}, None),
        ({**EVENT, "event": {"cron": "* * * * *"}}, None),
        ({**EVENT, "event": {"request": {"headers": {}}}}, None),
        ({**EVENT, "event": None}, None),
        ([], None),
    ],
)
def test_what_an_event_tells(event: object, told: tuple[str, str] | None) -> None:
    assert tails.told_by(json.dumps(event)) == told
    assert tails.told_by(b"{") is None
