"""The monitor's tasks at the command line, in a house with a twin of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
import requests

from tests.support.browser import chromium
from tests.support.house import SKIPPED, House, build

pytestmark = pytest.mark.slow

AT_ONCE = "monitor: {hold: 0, clear: 0}\n"
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Return a house that was deployed, and that tells people at once, when it is asked to."""
    made = build(tmp_path_factory.mktemp("house") / "project", forking=True, skips=SKIPPED)
    worker = made.root / "worker/wrangler.jsonc"
    worker.write_text(worker.read_text().replace('"* * * * *"', ""))  # no rounds of its own
    invoke = made.root / "invoke.yaml"
    before, _, _ = invoke.read_text().partition("monitor:  ")  # the file's last block
    invoke.write_text(before + AT_ONCE)
    try:
        made.inv("deploy.local", "--message", "first")
        yield made
    finally:
        made.inv("sandbox.down")


def received(house: House, service: str) -> list[Any]:
    """Return what a stand-in got in place of people."""
    port = json.loads((house.root / ".sandbox/state.json").read_text())["ports"][service]
    keys = json.loads((house.root / ".sandbox/credentials.json").read_text())
    token = {"Authorization": f"Bearer {keys['CLOUDFLARE_API_TOKEN']}"}
    reply = requests.get(f"http://127.0.0.1:{port}/__sandbox/received", headers=token, timeout=60)
    return [entry["content"] for entry in reply.json()["received"]]


def counts(house: House) -> dict[str, int]:
    return {name: len(received(house, name)) for name in ("slack", "sendgrid", "twilio")}


def test_status_asks_every_endpoint(house: House) -> None:
    wait_until_well(house, "/health/detailed")
    answers = house.json("monitor.status")
    assert {each["path"]: each["verdict"] for each in answers} == dict.fromkeys(
        ("/health", "/health/live", "/health/ready", "/health/detailed"), "pass"
    )
    assert "database:responseTime" in answers[-1]["report"]["checks"]
    table = house.inv("monitor.status").stdout
    assert all(word in table for word in ("/health/ready", "200 ms", "database", "budget"))


def test_metrics_are_those_of_the_requests(house: House) -> None:
    before = house.json("monitor.metrics", "--window", "1h")["requests"]["total"]
    for _ in range(7):
        requests.get(f"{house.url}/api/health", timeout=60).raise_for_status()
    found = house.json("monitor.metrics", "--window", "1h")
    assert found["scope"] == "all"
    assert found["requests"]["total"] == before + 7
    assert "/api/health" in house.inv("monitor.metrics").stdout
    refused = house.inv("monitor.metrics", "--window", "5x", check=False)
    assert (refused.returncode, "window: it is a number" in refused.stderr) == (2, True)


def test_all_routes_of_the_workers_router_are_asked_and_one_that_is_not_is_named(
    house: House,
) -> None:
    kept = house.json("check", "--only", "custody")["findings"]
    assert [one["status"] for one in kept] == ["skip", "pass"], kept
    (finding,) = house.json("check", "--only", "all routes")["findings"]
    assert (finding["status"], "of the router" in finding["evidence"]) == ("pass", True)
    assert not [one for one in house.json("verify.suggest") if one["ready"] and not one["site"]]
    invoke = house.root / "invoke.yaml"
    asked = invoke.read_text()
    line = "      - {path: /api/buzz, flag: MARKETPLACE_ENABLED}\n"
    invoke.write_text(asked.replace(line, ""))
    try:
        (finding,) = house.json("check", "--only", "all routes")["findings"]
        assert (finding["status"], "GET /api/buzz" in finding["evidence"]) == ("warn", True)
        ready = [one["path"] for one in house.json("verify.suggest") if one["ready"]]
        assert "/api/buzz" in ready
    finally:
        invoke.write_text(asked)


def test_logs_are_followed_until_ctrl_c_with_their_version(house: House) -> None:
    url, process = house.url, house.start("logs", "--follow", "--json", "--method", "GET")
    asking = Thread(target=lambda: keep_asking(f"{url}/api/health", process))
    asking.start()
    assert process.stdout is not None
    event = json.loads(next(line for line in process.stdout if line.startswith("{")))
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    asking.join()
    live = requests.get(f"{url}/health", timeout=60).json()["version"]
    assert (event["version"], event["status"]) == (live, 200)
    assert event["what"].endswith("/api/health")
    assert any("/api/health" in line["text"] for line in event["logs"])
    assert (process.returncode, said.splitlines()[-1].endswith(" shown")) == (0, True)
    kept = house.inv("logs", "--since", "10m", "--json", "--route", "/api/health").stdout
    events = [json.loads(line) for line in kept.splitlines() if line.startswith("{")]
    assert {(each["version"], each["status"]) for each in events} >= {(live, 200)}
    assert any("/api/health" in line["text"] for each in events for line in each["logs"])


def keep_asking(url: str, process: subprocess.Popen[str]) -> None:
    """Ask an address until a process ends."""
    while process.poll() is None:
        requests.get(url, timeout=60)
        time.sleep(0.2)


def test_a_test_alert_really_arrives(house: House) -> None:
    before = counts(house)
    assert "sms      delivered" in house.inv("monitor.test-alert", "--severity", "critical").stdout
    assert counts(house) == {name: number + 1 for name, number in before.items()}
    assert "test of the CRITICAL alerts" in received(house, "slack")[-1]["text"]
    mail = received(house, "sendgrid")[-1]
    assert [part["type"] for part in mail["content"]] == ["text/plain", "text/html"]
    assert received(house, "twilio")[-1]["to"] == "+15005550010"
    house.inv("monitor.test-alert", "--severity", "info")
    assert counts(house)["twilio"] == before["twilio"] + 1
    assert house.inv("monitor.test-alert", "--severity", "loud", check=False).returncode == 2


def test_a_channel_that_is_down_is_stood_in_for_and_shown(house: House) -> None:
    before = counts(house)
    house.inv("sandbox.fault", "slack", "status:500", "--times", "9")
    ended = house.inv("monitor.test-alert", "--severity", "warning", check=False)
    house.inv("sandbox.fault", "slack", "off")
    assert ended.returncode == 1
    assert "slack failed: HTTP 500, email delivered" in ended.stderr
    assert counts(house)["sendgrid"] == before["sendgrid"] + 1
    hook = (house.root / ".sandbox/endpoints.env").read_text().split("SLACK_WEBHOOK_URL=")[1]
    assert hook.split()[0].rsplit("/", 1)[1] not in ended.stdout + ended.stderr


def test_a_watch_from_a_cron_remembers_what_it_told(house: House) -> None:
    house.inv("monitor.watch", "--once")
    before = counts(house)
    with frozen(house, "sqld"):
        first = house.inv("monitor.watch", "--once", check=False)
        assert (first.returncode, "database is down" in first.stderr) == (1, True)
        told = {name: number + 1 for name, number in before.items()}
        assert counts(house) == told
        assert house.inv("monitor.watch", "--once", check=False).returncode == 1
        assert counts(house) == told
        assert house.inv("monitor.status", check=False).returncode == 1
    wait_until_well(house, "/health/ready")
    house.inv("monitor.watch", "--once", check=False)
    assert "RESOLVED: database is down" in json.dumps(received(house, "slack")[-2:])
    again = counts(house)
    house.inv("monitor.watch", "--once", check=False)
    assert counts(house) == again


def test_a_person_keeps_alerts_quiet_and_reads_what_was_told(house: House) -> None:
    words = ("--pattern", "slow-*", "--window", "2h", "--why", "a load test")
    assert "slow-* is kept quiet until" in house.inv("monitor.silence", *words).stdout
    found = house.json("monitor.alerts")
    assert [(each["pattern"], each["why"]) for each in found["silences"]] == [
        ("slow-*", "a load test")
    ]
    assert "a load test" in house.inv("monitor.alerts").stdout
    refused = house.inv(
        "monitor.silence", "--pattern", "*", "--why", "x", "--window", "soon", check=False
    )
    assert refused.returncode == 2


def wait_until_well(house: House, path: str) -> None:
    """Wait until the Worker says so.

    It remembers for 2 s that its database failed, and for 30 s that a provider was late, as
    on a busy machine.
    """
    url, until = f"{house.url}{path}", time.monotonic() + 120
    while (told := requests.get(url, timeout=30).json())["status"] != "pass":
        assert time.monotonic() < until, told
        time.sleep(0.2)


@contextmanager
def frozen(house: House, part: str) -> Iterator[None]:
    """Stop a part of this house's twin from running: the twin starts again what has died."""
    state = json.loads((house.root / ".sandbox/state.json").read_text())
    pid = next(each["pid"] for each in state["processes"] if each["name"] == part)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_live_watch_goes_round_until_it_is_ended(house: House) -> None:
    process = house.start("monitor.watch", "--interval", "1")
    assert process.stdout
    try:
        rounds = 0
        while rounds < 2:
            line = process.stdout.readline()
            assert line, "it ended by itself"
            rounds += "requests, " in line
    finally:
        ended(process)


def ended(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()


@pytest.mark.needs("chromium")
def test_the_dashboard_shows_figures_and_releases_in_a_browser(house: House) -> None:
    requests.get(f"{house.url}/api/health", timeout=60).raise_for_status()
    version = house.releases()[0]["version"]
    process = house.start("monitor.dashboard", "--port", "0")
    assert process.stdout
    try:
        url = address(process)
        with chromium() as browser:
            page = browser.new_page()
            page.goto(f"{url}/")
            page.get_by_text("Releases: ").wait_for()
            assert version in page.locator("#releases").inner_text()
            assert page.locator("#service").inner_text() == "boss-ai"
            assert not page.locator("#login").is_visible()
            assert page.get_by_role("heading", name="database").count() == 1
    finally:
        ended(process)


def address(process: subprocess.Popen[str]) -> str:
    """Read where a dashboard listens from what it prints."""
    assert process.stdout
    for line in process.stdout:
        found = ADDRESS.search(line)
        if found and "Ctrl-C" in line:
            return found[1]
    raise AssertionError("the dashboard ended without a word")
