"""``inv logs`` on the stand-in of Cloudflare's API."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from invoke.context import Context

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.cloudflare import Cloudflare
from xswarm_deploy.services.errors import Forbidden
from xswarm_deploy.services.http import Http, bearer
from xswarm_deploy.site import Site
from xswarm_deploy.tasks import logs
from xswarm_twin.edge.tails import Invocation
from xswarm_twin.edge.traces import Trace
from xswarm_twin.model import WorkerVersion


@pytest.fixture
def api(tmp_path: Path, site: Site) -> Iterator[Api]:
    made = Api(tmp_path / ".sandbox")
    token = {"Authorization": bearer(Secret(ACCOUNT.token, "TOKEN"))}
    site.__dict__["cloudflare"] = Cloudflare(Http("Cloudflare", made.base, token), ACCOUNT.id)
    yield made
    made.stop()


def asked(version: str, path: str, status: int) -> Invocation:
    found = WorkerVersion(version, "boss-ai", 1, "", Path(), None, (), (), "2026-01-01")
    return Invocation(found, "GET", f"http://x{path}", {}, "10.0.0.1", status, "ok")


@pytest.mark.slow
def test_what_the_worker_logs_is_shown_until_the_time_is_up(
    c: Context, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    version = api.worker("boss-ai")
    trace = Trace(({"level": "log", "message": ["hello"], "timestamp": 1},), (), "ok")

    def happen() -> None:
        while not any(tail.connected for tail in api.twin.tails.of("boss-ai")):
            time.sleep(0.01)
        other = dataclasses.replace(asked(version, "/other", 500).version, id="other")
        for one in (
            asked(version, "/fine", 200),
            asked(version, "/broken", 500),
            dataclasses.replace(asked(version, "/other", 500), version=other),
        ):
            api._loop.call_soon_threadsafe(api.twin.tails.publish, one, trace)

    happening = threading.Thread(target=happen)
    happening.start()
    logs.logs(c, seconds=1.0, version=version[:8], status="5xx", json=True)
    happening.join()
    shown, said = capsys.readouterr()
    (event,) = [json.loads(line) for line in shown.splitlines()]
    assert (event["what"], event["version"]) == ("GET http://x/broken", version)
    assert event["logs"] == [{"level": "log", "text": "hello"}]
    assert "a tail has no past" in said
    assert "1 shown" in said
    assert api.twin.tails.of("boss-ai") == []


def kept(api: Api, version: str, *told: tuple[str, int, Trace]) -> None:
    """Let invocations have been, one after the other."""
    for path, status, trace in told:
        api._loop.call_soon_threadsafe(api.twin.tails.publish, asked(version, path, status), trace)
    api.do(asyncio.sleep(0.01))


CLOCK = itertools.count(int(time.time() * 1000) - 60_000)


def line(level: str, text: str) -> dict[str, object]:
    return {"level": level, "message": [text], "timestamp": next(CLOCK)}


def shown(c: Context, capsys: pytest.CaptureFixture[str], **options: Any) -> list[dict[str, Any]]:
    capsys.readouterr()
    logs.logs(c, since="1h", json=True, **options)
    return [json.loads(text) for text in capsys.readouterr().out.splitlines()]


ON = {"observability": {"enabled": True}}


def test_past_logs_are_found_whole_and_masked(
    c: Context, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    version = api.worker("boss-ai")
    settings = "A/workers/scripts/boss-ai/script-settings"
    Secret("canary-in-a-past-log", "A_KEY")
    quiet = Trace((line("log", "fine"),), (), "ok")
    kept(api, version, ("/never", 200, quiet))  # observability was off
    api.result("PATCH", settings, json=ON)
    raised = ({"name": "TypeError", "message": "x is undefined"},)
    loud = Trace(
        (line("log", "begins"), line("error", "canary-in-a-past-log"), line("log", '{"user": 7}')),
        raised,
        "exception",
    )
    kept(
        api,
        version,
        ("/users/7?token=abc", 500, loud),
        ("/users/8", 404, Trace((line("log", "fine"),), (), "ok")),
        ("/orders/1", 200, Trace((line("log", "Needle in it"), line("log", "after")), (), "ok")),
    )
    every = shown(c, capsys)
    assert [(each["status"], each["outcome"]) for each in every] == [
        (500, "exception"),
        (404, "ok"),
        (200, "ok"),
    ]
    assert {each["version"] for each in every} == {version}
    first = every[0]
    assert first["what"] == "GET http://x/users/7?token=:masked"
    assert [each["text"] for each in first["logs"]] == [
        "begins",
        "[A_KEY]",
        '{"user": 7}',
        "TypeError: x is undefined",
    ]

    def paths(**options: Any) -> list[str]:
        return [each["what"].partition("http://x")[2] for each in shown(c, capsys, **options)]

    broken = "/users/7?token=:masked"
    assert paths(status="5xx") == [broken]
    assert paths(status="404,200") == ["/users/8", "/orders/1"]
    assert paths(errors=True) == [broken]
    assert paths(route="/users/{id}") == [broken, "/users/8"]
    assert paths(route="/orders/*") == ["/orders/1"]
    assert paths(method="post") == []
    assert paths(version=version[:8]) == [broken, "/users/8", "/orders/1"]
    assert paths(search="needle") == ["/orders/1"]
    assert [each["text"] for each in shown(c, capsys, search="needle")[0]["logs"]] == [
        "Needle in it",
        "after",  # what it logged beside it
    ]
    assert paths(limit=1) == ["/orders/1"]
    logs.logs(c, since="1h", limit=1)
    told = capsys.readouterr()
    assert "there are more" in told.err
    assert "GET http://x/orders/1  200" in told.out


@pytest.mark.parametrize(
    ("observed", "since", "said"),
    [
        ({}, "1h", "keeps no logs"),
        ({"enabled": False}, "1h", "keeps no logs"),
        ({"enabled": True, "logs": {"enabled": False}}, "1h", "keeps no logs"),
        ({"enabled": True}, "8d", "not so long"),
        ({"enabled": True}, "soon", "no length of time"),
    ],
)
def test_logs_that_are_not_kept_are_refused_with_the_reason(
    c: Context, api: Api, observed: dict[str, Any], since: str, said: str
) -> None:
    api.worker("boss-ai")
    where = "A/workers/scripts/boss-ai/script-settings"
    api.result("PATCH", where, json={"observability": observed})
    with pytest.raises(Refused, match=said):
        logs.logs(c, since=since)


def test_a_token_that_may_not_read_them_is_named(
    c: Context, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.worker("boss-ai")
    api.result("PATCH", "A/workers/scripts/boss-ai/script-settings", json=ON)
    refused = Forbidden("Cloudflare", "POST …/query", status=403, codes=("10000",), message="no")
    monkeypatch.setattr(Cloudflare, "logged", Mock(side_effect=refused))
    with pytest.raises(Refused, match="the token may not read past logs") as caught:
        logs.logs(c, since="1h")
    assert "Workers Observability" in str(caught.value)
