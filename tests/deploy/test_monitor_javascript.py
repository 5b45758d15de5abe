"""A Worker in JavaScript, watched: from outside, and by its tail events."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests

from tests.support.house import House

pytestmark = pytest.mark.slow

CHOSEN: dict[str, Any] = {
    "INVOKE_DEPLOY_WORKER_NAME": "watched-javascript",
    "INVOKE_DEPLOY_WORKER_CONFIG": "tests/fixtures/javascript/wrangler.jsonc",
}


def watched(house: House) -> tuple[int, dict[str, Any]]:
    """Let the watch go one round; returns its exit code and what it found."""
    ended = house.inv("monitor.watch", "--once", "--json", check=False, **CHOSEN)
    found: dict[str, Any] = json.loads(ended.stdout)
    return ended.returncode, found


def test_a_javascript_worker_is_watched_from_outside(deployed: House) -> None:
    deployed.inv("deploy.local", **CHOSEN)
    assert "database" in deployed.inv("monitor.status", **CHOSEN).stdout
    code, found = watched(deployed)
    assert (code, found["mounted"], found["due"]) == (0, False, [])
    assert {"GET /health", "GET /api/suggestions", "database"} <= found["checks"].keys()
    assert found["requests"]["total"] >= 4

    status = json.loads(deployed.inv("sandbox.status", "--json", **CHOSEN).stdout)
    worker = f"{status['api_url']}/accounts/{status['account_id']}/workers/scripts"
    token = {"Authorization": f"Bearer {status['api_token']}"}
    requests.delete(f"{worker}/watched-javascript", headers=token, timeout=60).raise_for_status()
    code, found = watched(deployed)
    assert code == 1
    outages = [each for each in found["due"] if each["name"] == "service-outage"]
    assert {each["severity"] for each in outages} == {"CRITICAL"}
    assert "GET /health" in {each["labels"]["component"] for each in outages}
    deployed.inv("sandbox.up")  # back to the other Worker


def test_its_requests_are_measured_by_its_tail(deployed: House) -> None:
    secret = (deployed.root / ".sandbox/endpoints.env").read_text()
    found = re.search(r"(?m)^ADMIN_TOKEN=(.*)$", secret)
    assert found
    admin = {"Authorization": f"Bearer {found[1].strip(chr(34))}"}
    event = {  # as `wrangler tail --format json` and Tail Workers give it
        "outcome": "ok",
        "scriptName": "watched-javascript",
        "eventTimestamp": 1_760_000_000_000,
        "wallTime": 25,
        "event": {
            "request": {"url": "https://js.example/tailed/12345", "method": "GET"},
            "response": {"status": 200},
        },
    }
    broken = {**event, "outcome": "exception", "event": {"request": event["event"]["request"]}}  # type: ignore[index]
    cron = {**event, "event": {"cron": "* * * * *", "scheduledTime": 1_760_000_000_000}}
    sent = requests.post(
        f"{deployed.url}/api/metrics/tail",
        json=[event, event, broken, cron],
        headers=admin,
        timeout=60,
    )
    assert sent.json() == {"counted": 4, "passed_over": 0}
    told = json.loads(deployed.inv("monitor.metrics", "--json").stdout)
    route = next(each for each in told["requests"]["routes"] if each["route"] == "/tailed/:num")
    assert (route["total"], route["errors"]) == (3, 1)
