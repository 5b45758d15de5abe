"""``inv logs`` on the stand-in of Cloudflare's API."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke.context import Context

from tests.twin.cloudflare.stand_in import ACCOUNT, Api
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.cloudflare import Cloudflare
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
