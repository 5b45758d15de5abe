"""Watching a service from this machine: real HTTP, a real database, real files."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import yaml

from xswarm_deploy.database.client import Database
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.errors import Refused, Unavailable
from xswarm_deploy.model.record import Record
from xswarm_deploy.monitor import alert_store, dashboard, notify, remembered, tables, watch
from xswarm_deploy.monitor.watch import Watched
from xswarm_deploy.secret import redact
from xswarm_deploy.services.errors import UnexpectedReply
from xswarm_deploy.services.monitor import Monitor
from xswarm_deploy.settings.project import HEALTH_BUDGETS
from xswarm_deploy.settings.settings import Settings, alerting_rules
from xswarm_deploy.site import Site
from xswarm_monitoring import status_history
from xswarm_monitoring.abuse import SIGNS
from xswarm_monitoring.alert import Severity
from xswarm_monitoring.alert_state import Policy, Silence
from xswarm_monitoring.channels import NEEDED
from xswarm_monitoring.clock import iso
from xswarm_monitoring.fallback_store import Copy
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.notifier import ROUTES
from xswarm_monitoring.rules import Rules, Thresholds
from xswarm_monitoring.storage import SCHEMA

NOW = 1_800_000_000.0
TOKEN = "canary-admin-token-0123456789-abcdef"
CHANNELS = ("/hook", "/v3/mail/send", "/Messages.json")


REPORT: dict[str, Any] = {
    "scope": "all",
    "incomplete": "",
    **{name: dict[str, Any]() for name in ("requests", "database", "business")},
}
"""What every report of our monitor's has."""


class World:
    """The Worker and the services that bring messages, in one server."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.down: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def health(self, status: str, **checks: str) -> None:
        """Let the Worker have a monitor that says this."""
        entries = {
            f"{name}:responseTime": [
                {"status": each, "critical": True, "observedValue": 1.0, "time": iso(NOW)}
            ]
            for name, each in checks.items()
        }
        body = {"status": status, "checks": entries, "system": {"memory_bytes": 1 << 20}}
        self.answers["/health/detailed"] = (503 if status == "fail" else 200, body)
        self.answers["/api/metrics"] = (200, REPORT)

    def told(self) -> list[str]:
        """Return the channels that took a message, in order."""
        posts = [path for method, path in self.asked if method == "POST"]
        return [name for path in posts for name in CHANNELS if path.endswith(name)]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                world.asked.append(("GET", self.path))
                locked = path == "/api/metrics" and TOKEN not in self.headers["Authorization"]
                self._say(*((401, {}) if locked else world.answers.get(path, (404, {}))))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                world.asked.append(("POST", self.path))
                failed = any(self.path.endswith(name) for name in world.down)
                self._say(404 if failed else 200, {})

            def _say(self, status: int, body: Any) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Write nothing."""

        return Handler


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.fixture
def site(world: World, settings: Callable[..., Settings]) -> Iterator[Site]:
    routes = [
        {"path": "/"},
        {"path": "/api"},
        {"path": "/secret", "token": "ADMIN_TOKEN"},
        {"path": "/change", "method": "POST"},
        {"path": "/page", "site": True},
    ]
    made = Site(
        settings(
            {"worker": {"name": "boss-ai"}, "verify": {"routes": routes}},
            WORKER_URL=world.url,
            BASE_URL=world.url,
            SLACK_WEBHOOK_URL=f"{world.url}/services/T0/B0/very-secret/hook",
            SENDGRID_API_BASE=world.url,
            TWILIO_API_BASE=world.url,
            ADMIN_EMAIL="admin@xswarm.test",
            ADMIN_PHONE="+15005550010",
        )
    )
    yield made
    made.database.close()


AT_ONCE = Rules.read({"hold": 0, "clear": 0})


def go(site: Site, seconds: float = 0.0, rules: Rules = AT_ONCE) -> Watched:
    return watch.go(site, rules, NOW + seconds)


def names(watched: Watched) -> list[str]:
    return [each.key for each in watched.due]


def told(watched: Watched) -> list[tuple[str, str]]:
    return [(each.what, each.alert.key) for each in watched.told]


DATABASE_DOWN = "service-outage{component=database}"


def test_a_healthy_service_gives_no_alert(world: World, site: Site) -> None:
    world.health("pass", database="pass")
    world.answers["/page"] = (200, {})
    watched = go(site)
    assert (watched.due, watched.told, watched.delivered) == ([], [], True)
    assert (watched.seen.mounted, watched.seen.memory) == (True, 1 << 20)
    assert [each.name for each in watched.seen.checks] == ["database", "GET /page"]
    assert world.told() == []


def test_an_outage_is_told_once_and_its_end(world: World, site: Site) -> None:
    world.health("fail", database="fail", storage="pass")
    world.answers["/page"] = (200, {})
    first = go(site)
    assert told(first) == [("firing", DATABASE_DOWN)]
    assert sorted(world.told()) == ["/Messages.json", "/hook", "/v3/mail/send"]
    assert told(go(site, 60)) == []
    world.health("pass", database="pass")
    assert told(go(site, 120)) == [("resolved", DATABASE_DOWN)]
    assert len(world.told()) == 6


def test_a_condition_is_held_before_it_is_told(world: World, site: Site) -> None:
    world.health("fail", database="fail")
    world.answers["/page"] = (200, {})
    rounds = [go(site, seconds, Rules()) for seconds in (0, 30, 60)]
    assert [names(each) for each in rounds] == [[DATABASE_DOWN]] * 3
    assert [told(each) for each in rounds] == [[], [], [("firing", DATABASE_DOWN)]]


def test_what_all_isolates_measured_is_judged(world: World, site: Site) -> None:
    world.health("pass", database="pass")
    world.answers["/page"] = (200, {})
    metrics = Metrics()
    for number in range(40):
        metrics.requests.observe("/api", "GET", 500 if number % 4 else 200, 3.0)
    [closed] = metrics.unflushed()
    for statement in SCHEMA:
        site.database.execute(statement)
    site.database.execute(
        "INSERT INTO monitoring_frames (version, width, began, ended, data, instance, number)"
        " VALUES ('1', 0, ?, ?, ?, 'a', 1)",
        (NOW - 30, NOW - 20, closed.text),
    )
    watched = go(site)
    assert names(watched) == ["high-error-rate", "slow-responses"]
    assert watched.figures()["total"] == 40
    lines = tables.round_(watched, NOW)
    assert any("75.0% of requests fail" in text for text, _ in lines)


def test_what_a_later_version_measured_ends_no_watch_and_stays(world: World, site: Site) -> None:
    """Its Worker was released meanwhile, or is a canary; this tool is not updated yet."""
    world.health("fail", database="fail")
    world.answers["/page"] = (200, {})
    for statement in SCHEMA:
        site.database.execute(statement)
    later = ("2", NOW - 30, NOW - 20, '{"format":2}')
    site.database.execute(
        "INSERT INTO monitoring_frames (version, width, began, ended, data) VALUES (?, 0, ?, ?, ?)",
        later,
    )
    watched = go(site)
    assert names(watched) == [DATABASE_DOWN, "service-degraded{component=metrics}"]
    degraded = watched.due[-1]
    assert "a frame of format 2" in degraded.details["reason"]
    assert "pip install -U xswarm-deploy" in degraded.details["reason"]
    rows = site.database.query("SELECT version, began, ended, data FROM monitoring_frames")
    assert [row.values_in_order for row in rows] == [later]


def test_a_silence_is_taken_beside_a_history_of_a_later_version(site: Site) -> None:
    """It may have severities of its own; of what is over only names are asked."""
    remembered.silence(site, Silence("slow-*", NOW + 600, "known"))
    changed = """UPDATE monitoring_book SET data = json_set(data, '$.history', json(
        '[{"what": "firing", "alert": {"name": "over", "severity": "PANIC", "summary": "s",
        "labels": {"of": "it"}}, "since": 1, "time": 1, "times": 1, "channels": {}}]'))"""
    site.database.execute(changed)
    assert remembered.unmatched(site, Silence("over{of=it}", NOW + 600, "")) == ""
    assert remembered.unmatched(site, Silence("ower", NOW + 600, "")) != ""
    (entry,) = remembered.summary(site)["history"]
    assert tables.history([entry])


def test_a_state_of_a_later_version_is_refused_and_stays(world: World, site: Site) -> None:
    remembered.silence(site, Silence("slow-*", NOW + 600, "known"))
    changed = """UPDATE monitoring_book SET data = json_set(data, '$.entries', json(
        '[[{"name": "x", "severity": "PANIC", "summary": "", "labels": {}, "details": {},
        "remedy": ""}, "firing", 1, 1, null, [], false, ""]]'))"""
    site.database.execute(changed)
    before = site.database.query("SELECT * FROM monitoring_book")
    for act in (
        lambda: remembered.silence(site, Silence("x", NOW + 600, "")),
        lambda: remembered.summary(site),
        lambda: remembered.unmatched(site, Silence("x", NOW + 600, "")),
    ):
        with pytest.raises(Refused, match="state of the alerts cannot be read") as refused:
            act()
        assert "pip install -U xswarm-deploy" in refused.value.remedy
    assert site.database.query("SELECT * FROM monitoring_book") == before


def test_a_worker_without_a_monitor_is_judged_from_outside(world: World, site: Site) -> None:
    world.answers.update({"/": (200, {}), "/api": (500, {})})
    watched = go(site)
    assert watched.seen.mounted is False
    assert {each.name: each.status for each in watched.seen.checks} == {
        "GET /": "pass",
        "GET /api": "fail",
    }
    assert names(watched) == ["service-outage{component=GET /api}", "high-error-rate"]
    asked = {path for method, path in world.asked if method == "GET"}
    assert asked == {"/health/detailed", "/", "/api"}


def test_one_that_limits_its_callers_is_not_taken_for_one_that_is_down(
    world: World, site: Site
) -> None:
    world.answers.update({"/": (200, {}), "/api": (429, {})})
    watched = go(site)
    assert {each.name: each.status for each in watched.seen.checks}["GET /api"] == "warn"
    assert names(watched) == []


def test_a_worker_that_does_not_answer_is_down(world: World, site: Site) -> None:
    values = {**site.settings._values, "WORKER_URL": "http://127.0.0.1:9"}
    site.__dict__["settings"] = replace(site.settings, _values=values)
    watched = go(site)
    assert names(watched) == ["service-outage{component=worker}"]
    assert told(watched) == [("firing", "service-outage{component=worker}")]
    assert watched.seen.checks[0].output == "no connection: connection refused"


def test_the_watch_writes_what_the_status_page_shows(world: World, site: Site) -> None:
    page = {"components": {"worker": "Shop", "GET /page": "Website"}, "incidents_from": "critical"}
    rules = Rules.read({"hold": 0, "clear": 0, "status_page": page})
    world.health("pass", database="pass")
    world.answers["/page"] = (200, {})
    go(site, 0, rules)
    good, site.__dict__["settings"] = (
        site.settings,
        replace(
            site.settings, _values={**site.settings._values, "WORKER_URL": "http://127.0.0.1:9"}
        ),
    )
    for seconds in (60, 120):
        assert go(site, seconds, rules).unpublished == ""
    site.__dict__["settings"] = good
    go(site, 180, rules)
    history = asyncio.run(status_history.read(alert_store.execute(site.database), NOW + 180))
    worker = history.latest["worker"]
    assert (worker.up, worker.down, worker.status(NOW + 180)) == (60, 120, "pass")
    (incident,) = history.incidents
    assert (incident.title, incident.begun) == ("Shop: disruption", NOW + 60)
    assert incident.resolved == NOW + 180


def test_an_outage_of_the_database_is_told_all_the_same(
    world: World, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.health("pass", storage="pass", database="pass")  # it remembers a check for a while
    world.answers["/page"] = (200, {})
    file = tmp_path / watch.FOLDER / "alerts-local.json"
    working = site.database
    monkeypatch.setitem(site.__dict__, "database", Broken())
    assert told(go(site)) == [("firing", DATABASE_DOWN)]
    assert file.stat().st_mode & 0o777 == 0o600
    assert told(go(site, 60)) == []
    monkeypatch.setitem(site.__dict__, "database", working)
    back = go(site, 120)
    assert (names(back), told(back)) == ([], [("resolved", DATABASE_DOWN)])
    assert told(go(site, 2 * 3600 * 24)) == []
    assert not file.exists()


def test_with_neither_database_nor_file_the_outage_is_told_once(
    world: World, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.health("pass", storage="pass", database="pass")
    world.answers["/page"] = (200, {})
    (tmp_path / watch.FOLDER).write_text("no folder")
    monkeypatch.setitem(site.__dict__, "database", Broken())
    copy = Copy()
    rounds = [watch.go(site, AT_ONCE, NOW + 30 * number, copy) for number in range(4)]
    assert [told(each) for each in rounds] == [[("firing", DATABASE_DOWN)], [], [], []]
    assert all("this process alone" in each.as_json()["faults"][0] for each in rounds)
    assert "  the state of alerts: " in str(tables.round_(rounds[0], NOW))


@pytest.mark.parametrize("torn", ['{"revision": 3, "bo', "[" * 100_000], ids=["short", "deep"])
def test_a_file_that_is_torn_is_said_and_kept_beside(
    world: World, site: Site, tmp_path: Path, torn: str
) -> None:
    world.health("pass", storage="pass")
    world.answers["/page"] = (200, {})
    file = tmp_path / watch.FOLDER / "alerts-local.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(torn)
    first = go(site)
    assert told(first) == [("happened", "alerts-forgotten")]
    assert "alerts-local.json is now alerts-local.unreadable" in first.faults[0]
    assert file.with_suffix(".unreadable").read_text() == torn
    assert (told(go(site, 60)), file.exists()) == ([], False)


class Broken:
    """A database that answers nothing."""

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        raise DatabaseError("unavailable", "connection refused")

    def close(self) -> None:
        """Have nothing to close."""


def test_a_database_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    class Hanging:
        def execute(self, sql: str, parameters: Any = ()) -> Any:
            released.wait(30)
            raise DatabaseError("unavailable", "too late")

    monkeypatch.setattr(alert_store, "PATIENCE", 0.05)
    run = alert_store.execute(cast(Database, Hanging()))
    with pytest.raises(DatabaseError, match="no answer within"):
        asyncio.run(_awaited(run("SELECT 1", ())))
    released.set()


async def _awaited(waited: Any) -> Any:
    return await waited


def test_what_no_channel_took_is_told_by_the_next_round(world: World, site: Site) -> None:
    world.health("fail", database="fail")
    world.answers["/page"] = (200, {})
    world.down = set(CHANNELS)
    first = go(site)
    assert first.delivered is False
    assert set(first.told[0].channels.values()) == {"failed: HTTP 404"}
    world.down = set()
    second = go(site, 60)
    assert (told(second), second.delivered) == ([("firing", DATABASE_DOWN)], True)


def test_a_silence_keeps_an_alert_from_people_and_in_the_history(world: World, site: Site) -> None:
    world.health("fail", database="fail")
    world.answers["/page"] = (200, {})
    remembered.silence(site, Silence("service-*", NOW + 600, "moving house"))
    assert told(go(site)) == []
    assert world.told() == []
    found = remembered.summary(site)
    assert [each["name"] for each in found["on"]] == ["service-outage"]
    assert [each["why"] for each in found["silences"]] == ["moving house"]
    assert [each["channels"] for each in found["history"]] == [{"silence": "silenced"}]
    assert told(go(site, 700)) == [("still firing", DATABASE_DOWN)]
    assert remembered.summary(site)["history"][-1]["channels"]["sms"] == "delivered"


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        ("info", {"slack": "delivered"}),
        ("warning", {"slack": "delivered"}),
        ("error", {"slack": "delivered", "email": "delivered"}),
        ("CRITICAL", {"slack": "delivered", "email": "delivered", "sms": "delivered"}),
    ],
)
def test_a_test_alert_goes_where_its_severity_does(
    world: World, site: Site, severity: str, expected: dict[str, str]
) -> None:
    assert notify.test(site.settings, notify.severity(severity), NOW) == expected
    assert len(world.told()) == len(expected)


def test_a_channel_that_fails_is_stood_in_for(world: World, site: Site) -> None:
    world.down = {"/hook"}
    went = notify.test(site.settings, Severity.WARNING, NOW)
    assert went == {"slack": "failed: HTTP 404", "email": "delivered"}


def test_channels_without_their_variables_are_said_to_be_missing(
    settings: Callable[..., Settings],
) -> None:
    found = settings()
    assert notify.channels(found) == []
    went = notify.test(found, Severity.CRITICAL, NOW)
    assert went == dict.fromkeys(NEEDED, notify.MISSING)


@pytest.mark.slow  # the notifier's own pauses
def test_a_failed_channel_says_nothing_secret(world: World, site: Site) -> None:
    world.close()
    went = notify.test(site.settings, Severity.INFO, NOW)
    assert set(went) == {"slack", "email"}
    assert "very-secret" not in str(went)
    assert "very-secret" not in redact(f"POST {world.url}/services/T0/B0/very-secret/hook")


def test_nobody_knows_the_severity() -> None:
    with pytest.raises(Refused, match="loud"):
        notify.severity("loud")


@pytest.mark.parametrize(
    "values",
    [
        {"windows": "5m"},
        {"window": "5x"},
        {"hold": "soon"},
        {"clear": True},
        {"thresholds": {"error_rat": 0.1}},
        {"thresholds": {"error_rate": "much"}},
        {"thresholds": [1]},
        {"hold": -1},
        {"repeat": {"loud": 60}},
    ],
)
def test_rules_that_cannot_be_understood_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"invoke\.yaml: "):
        alerting_rules(values)


def test_rules_are_read() -> None:
    repeat = {"critical": 600}
    read = Rules.read(
        {
            "window": "10m",
            "hold": 5,
            "thresholds": {"error_rate": 0.5},
            "repeat": repeat,
            "flaps": 9,
        }
    )
    assert read.policy.repeat == {**Policy().repeat, Severity.CRITICAL: 600}
    assert read.policy.flaps == 9
    assert (read.window, read.policy.hold, read.policy.clear) == (600.0, 5, 300.0)
    assert (read.thresholds.error_rate, read.thresholds.response_p95) == (0.5, 2.0)


# What somebody else's Worker answers


@pytest.mark.parametrize(
    "report",
    [
        {"status": "pass", "system": "linux"},
        {"status": "pass", "system": None, "checks": None, "version": None},
        {"status": "pass", "system": {"memory_bytes": "1 GB", "memory_limit_bytes": []}},
        {"status": "pass", "system": {"memory_bytes": float("nan"), "memory_limit_bytes": 1.5}},
        {"status": "pass", "checks": {"a": [{"status": ["x"], "observedValue": 10**400}]}},
        {"status": "pass", "checks": {"a": [{"status": "fail", "output": "\ud800", "time": {}}]}},
    ],
)
@pytest.mark.parametrize("figures", [{"requests": 1}, {"scope": None}, []])
def test_health_and_figures_of_another_monitor_end_no_watch(
    world: World, site: Site, report: dict[str, Any], figures: Any
) -> None:
    """They may say anything below ``system``, and have an /api/metrics of their own."""
    world.answers["/health/detailed"] = (200, report)
    world.answers["/api/metrics"] = (200, figures)
    world.answers["/page"] = (200, {})
    watched = go(site)
    assert not watched.seen.mounted
    assert "GET /page" in {each.name for each in watched.seen.checks}
    json.dumps(watched.as_json(), allow_nan=False).encode()
    with pytest.raises(UnexpectedReply):
        Monitor.of(site.settings).metrics("1h")


@pytest.mark.parametrize("told", ["1 GB", float("nan"), None, True, [1]])
def test_only_bytes_are_judged_as_memory(world: World, site: Site, told: Any) -> None:
    system = {"memory_bytes": told, "memory_limit_bytes": 1}
    world.answers["/health/detailed"] = (200, {"status": "pass", "system": system})
    world.answers["/api/metrics"] = (200, REPORT)
    assert "high-memory" not in {each.name for each in go(site).due}


# The dashboard


@pytest.fixture
def page(world: World, site: Site) -> Iterator[str]:
    timeline = [{"time": iso(NOW - 60)}, {"time": iso(NOW)}]
    world.answers["/api/metrics"] = (200, REPORT | {"timeline": timeline, "releases": []})
    world.health("pass", database="pass")
    world.answers["/api/metrics"] = (200, REPORT | {"timeline": timeline, "releases": []})
    site.state.history = lambda: [_record("new", NOW - 30), _record("old", NOW - 600), _failed()]
    server = dashboard.server(site, 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def _record(version: str, finished: float, status: str = "succeeded") -> Record:
    return Record("r", "local", "deploy", status, iso(finished), iso(finished), "me", "", version)


def _failed() -> Record:
    return _record("bad", NOW - 10, "rolled back")


def test_a_browser_that_leaves_and_a_strange_address_write_no_traceback(
    page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    port = int(page.rpartition(":")[2])
    for asked in ("/api/metrics?points=60", "/api/slo", "http://[bad/", "//[bad"):
        with socket.create_connection(("127.0.0.1", port)) as left:
            left.sendall(f"GET {asked} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            # The next write of the server's finds the connection reset.
            left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for asked in ("http://[bad/", "//[bad"):
        with socket.create_connection(("127.0.0.1", port), 10) as strange:
            strange.sendall(f"GET {asked} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert b" 404 " in strange.recv(100)
    assert requests.get(f"{page}/", timeout=10).status_code == 200
    assert "Traceback" not in capsys.readouterr().err


def test_the_dashboard_adds_the_token_and_the_releases(page: str) -> None:
    shown = requests.get(f"{page}/", timeout=60)
    assert "<title>Status" in shown.text
    assert re.search("default-src 'none'", shown.headers["Content-Security-Policy"])
    assert TOKEN not in shown.text
    metrics = requests.get(f"{page}/api/metrics?points=2&window=1h", timeout=60)
    assert metrics.json()["releases"] == [{"version": "new", "time": iso(NOW - 30)}]
    assert requests.get(f"{page}/health/detailed", timeout=60).json()["status"] == "pass"


def test_the_dashboard_passes_on_nothing_else(page: str, world: World) -> None:
    before = len(world.asked)
    assert requests.get(f"{page}/api/secret", timeout=60).status_code == 404
    elsewhere = requests.get(f"{page}/api/metrics", headers={"Host": "evil.test"}, timeout=60)
    assert elsewhere.status_code == 403
    assert len(world.asked) == before


def test_the_dashboard_says_that_the_worker_does_not_answer(page: str, world: World) -> None:
    world.close()
    reply = requests.get(f"{page}/api/metrics?window=1h", timeout=60)
    assert (reply.status_code, set(reply.json())) == (502, {"error"})


def test_without_a_ledger_the_workers_own_releases_are_shown(page: str, site: Site) -> None:
    def broken() -> list[Record]:
        raise DatabaseError("unavailable", "connection refused")

    site.state.history = broken
    assert requests.get(f"{page}/api/metrics?points=2", timeout=60).json()["releases"] == []


def test_a_port_that_is_taken_is_said(world: World, site: Site) -> None:
    with pytest.raises(Unavailable, match="cannot listen"):
        dashboard.server(site, world.server.server_address[1])


# The words


WORDS = (Path(__file__).parents[2] / "deployment/docs/MONITORING_SETUP.md").read_text()


def test_each_sign_of_abuse_has_its_line_and_its_runbook() -> None:
    runbooks = (Path(__file__).parents[2] / "deployment/docs/RUNBOOKS.md").read_text()
    for sign in SIGNS:
        assert f"The alert `{sign.alert}`" in runbooks
        (line,) = [each for each in WORDS.splitlines() if f"`{sign.alert}`" in each]
        assert (sign.severity.name in line, "RUNBOOKS.md#" in line) == (True, True)
        anchor = line.partition("RUNBOOKS.md#")[2].partition(")")[0]
        assert f"\n### {anchor}\n" in runbooks


def test_the_thresholds_in_the_words_are_the_usual_ones() -> None:
    block = next(
        each for each in re.findall(r"```yaml\n(.*?)```", WORDS, re.S) if "monitor:" in each
    )
    assert Rules.read(yaml.safe_load(block)["monitor"]) == Rules()
    assert set(yaml.safe_load(block)["monitor"]["thresholds"]) | {"memory_limit"} == {
        each.name for each in fields(Thresholds)
    }


def test_the_budgets_and_channels_in_the_words_are_those_kept() -> None:
    for path, budget in HEALTH_BUDGETS.items():
        assert re.search(rf"\| `{path}` \|.*\| {budget} ms \|", WORDS), path
    for variables in NEEDED.values():
        assert all(name in WORDS for name in variables), variables


@pytest.mark.parametrize("severity", list(Severity), ids=lambda each: each.name)
def test_the_routes_in_the_words_are_the_notifiers(severity: Severity) -> None:
    row = re.search(rf"^\| {severity.name} \| (.*?) \|(.*?)\|(.*?)\|", WORDS, re.M)
    assert row
    told_by = {name for name, cell in zip(NEEDED, row.groups(), strict=True) if "yes" in cell}
    assert told_by == set(ROUTES[severity].channels)
