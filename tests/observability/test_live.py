"""The real thing: Prometheus reads a service, Alertmanager tells people, and all is well again."""

from __future__ import annotations

import base64
import dataclasses
import json
import socketserver
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.support.monitoring import SQLite
from tests.support.ssh import SECRETS, ended_at_last, free_port, wait_for
from xswarm_deploy.observability import alertmanager, bridge, grafana, prometheus
from xswarm_deploy.observability.files import all_files
from xswarm_deploy.observability.stack import (
    ADMIN_TOKEN,
    HEARTBEAT_URL,
    SLACK_URL,
    TWILIO_TOKEN,
    Contacts,
    Places,
    Sms,
    Stack,
    Timing,
)
from xswarm_deploy.secret import Secret
from xswarm_monitoring.asgi import Message, Monitor, Receive, Scope, Send
from xswarm_monitoring.health import Probe, Prober
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.rules import Thresholds

pytestmark = [pytest.mark.slow, pytest.mark.needs("prometheus", "prometheus-alertmanager")]

WINDOW = 8.0


class Service:
    """Two isolates of a Worker-like app, which works until it is told what fails.

    They share a database, and nobody goes rounds: Prometheus alone looks.
    """

    def __init__(self) -> None:
        self.failing, self.down, self.revoked, self.declined = False, False, False, False
        self.guessed = False
        self._sqlite, self._turns = SQLite(), 0
        self._isolates = [self._isolate(Metrics()) for _ in range(2)]

    def _isolate(self, metrics: Metrics) -> Monitor:
        async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
            await self._answer(metrics, scope, send)

        return Monitor(
            answer,
            service="boss-ai",
            version=lambda _env: "v1",
            probes=lambda _env: [
                Probe("database", self._ping),
                Probe("stripe", self._ask_stripe, critical=False, fresh=1.0),
            ],
            admin_token=lambda _env: SECRETS[ADMIN_TOKEN],
            metrics=metrics,
            execute=lambda _env: self._sqlite.execute,
            flush_every=0.5,
            prober=Prober(fresh=1.0),
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the isolates answer by turns, as an edge does."""
        self._turns += 1
        await self._isolates[self._turns % 2](scope, receive, send)

    async def _ping(self) -> None:
        if self.down:
            raise ConnectionError("refused")

    async def _ask_stripe(self) -> None:
        if self.revoked:
            raise PermissionError("HTTP 401")

    async def _answer(self, metrics: Metrics, scope: Scope, send: Send) -> None:
        scope["route"] = "/jobs/{id}"
        if self.guessed:
            for _ in range(25):
                metrics.abuse.failed_login()
            self.guessed = False
        metrics.database.observe("SELECT 1", 0.01, 1)
        metrics.database.observe("SELECT 2", 1.5, 1)
        metrics.business.signup("web")
        metrics.business.activity("login")
        metrics.business.subscription("created", "pro")
        metrics.business.feature("voice")
        metrics.business.api_call("c1")
        metrics.business.payment(29.0, "eur", succeeded=not self.declined)
        self.declined = False
        status = 503 if self.failing and scope["query_string"] == b"unlucky" else 200
        start: Message = {"type": "http.response.start", "status": status, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": b""})


@contextmanager
def served(service: Service, port: int) -> Iterator[None]:
    settings = uvicorn.Config(
        service.app,
        "127.0.0.1",
        port,
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_level="error",
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started, "the service")
        yield
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def traffic(url: str) -> Iterator[None]:
    """Send 25 requests a second, of which one in five may fail."""
    over = threading.Event()

    def send() -> None:
        number = 0
        while not over.wait(0.04):
            number += 1
            with suppress(urllib.error.HTTPError):
                get(f"{url}/jobs/{number}?{'unlucky' if number % 5 == 0 else 'lucky'}")

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


class People:
    """Whoever is told: by Slack and SMS over HTTP, by mail over SMTP."""

    def __init__(self) -> None:
        self.slack: list[dict[str, Any]] = []
        self.sms: list[dict[str, Any]] = []
        self.mail: list[str] = []
        self.tokens: set[str] = set()
        self.status: dict[str, int] = {}
        self.mail_is_down = False
        self.beats = 0

    def told(self, way: str, *words: str) -> bool:
        return any(all(word in told for word in words) for told in self.heard(way))

    def heard(self, way: str) -> list[str]:
        return [each if isinstance(each, str) else json.dumps(each) for each in getattr(self, way)]

    @contextmanager
    def listening(self, http_port: int, smtp_port: int) -> Iterator[None]:
        people = self

        class Hooks(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                people.tokens.add(f"{self.path} {self.headers.get('Authorization')}")
                if self.path == "/slack-hook":
                    people.slack.append(json.loads(body))
                elif self.path == "/switch":
                    people.beats += 1
                else:
                    people.sms.append(dict(urllib.parse.parse_qsl(body)))
                self.send_response(people.status.get(self.path, 201))
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Mails(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                if people.mail_is_down:
                    return
                self.wfile.write(b"220 mail\r\n")
                for line in self.rfile:
                    self._answer(line.strip().upper())

            def _answer(self, command: bytes) -> None:
                if command == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    people.mail.append("".join(line.decode() for line in self._lines()))
                self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")

            def _lines(self) -> Iterator[bytes]:
                for line in self.rfile:
                    if line == b".\r\n":
                        return
                    yield line

        with ExitStack() as ends:
            hooks = ThreadingHTTPServer(("127.0.0.1", http_port), Hooks)
            mails = socketserver.ThreadingTCPServer(("127.0.0.1", smtp_port), Mails)
            for server in (hooks, mails):
                server.daemon_threads = True
                thread = threading.Thread(
                    target=server.serve_forever, kwargs={"poll_interval": 0.1}
                )
                thread.start()
                ends.callback(server.server_close)
                ends.callback(thread.join, 10)
                ends.callback(server.shutdown)
            yield


@dataclasses.dataclass
class Live:
    """All of it, running."""

    service: Service
    people: People
    stack: Stack

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Ask Prometheus.

        Raises:
            HTTPError: it cannot parse the expression.
        """
        asked = urllib.parse.urlencode({"query": expression})
        url = f"http://{self.stack.places.prometheus}/api/v1/query?{asked}"
        answer = json.loads(get(url))
        assert answer["status"] == "success"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    ports = [free_port() for _ in range(6)]
    service, people = Service(), People()
    stack = short_stack(folder, *ports)
    for file in all_files(stack):
        path = Path(file.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content)
    with ExitStack() as ends:
        ends.enter_context(people.listening(ports[3], ports[4]))
        ends.enter_context(served(service, ports[0]))
        for name, command, address in (
            ("bridge", bridge.command(stack.places), stack.places.bridge),
            ("alertmanager", alertmanager.command(stack.places), stack.places.alertmanager),
            ("prometheus", prometheus.command(stack.places), stack.places.prometheus),
        ):
            log = ends.enter_context((folder / f"{name}.log").open("wb"))
            where = stack.places.library if name == "bridge" else folder
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=where)
            ends.enter_context(ended_at_last(process))
            wait_for(lambda address=address: ready(address), name)  # type: ignore[misc]
        ends.enter_context(traffic(stack.url))
        yield Live(service, people, stack)


def ready(address: str) -> bool:
    try:
        return bool(get(f"http://{address}/-/ready"))
    except (urllib.error.URLError, ConnectionError):
        return False


def short_stack(
    folder: Path,
    service: int,
    prometheus_port: int,
    alertmanager_port: int,
    http: int,
    smtp: int,
    bridge_port: int,
) -> Stack:
    there = f"http://127.0.0.1:{http}"
    secrets = {**SECRETS, SLACK_URL: f"{there}/slack-hook", HEARTBEAT_URL: f"{there}/switch"}
    return Stack(
        service="boss-ai",
        environment="staging",
        url=f"http://127.0.0.1:{service}",
        contacts=Contacts(
            slack=True,
            mail_to="admin@xswarm.test",
            mail_from="boss@xswarm.test",
            smtp=f"127.0.0.1:{smtp}",
            smtp_tls=False,
            sms=Sms("AC1", "+15005550006", "+15551234567", f"http://127.0.0.1:{http}"),
        ),
        places=Places(
            "boss-ai-monitoring",
            str(folder),
            f"127.0.0.1:{prometheus_port}",
            f"127.0.0.1:{alertmanager_port}",
            f"127.0.0.1:{bridge_port}",
            managed=False,
        ),
        thresholds=Thresholds(),
        timing=Timing(0.5, WINDOW, WINDOW, 1.0, 1.0, 0.2, 1.0),
        calls_per_minute=100_000,
        critical=("database",),
        secrets={name: Secret(value, name) for name, value in secrets.items()},
    )


def firing(live: Live, name: str) -> Callable[[], bool]:
    return lambda: bool(live.query(f'ALERTS{{alertname="{name}",alertstate="firing"}}'))


def test_every_panel_of_the_dashboard_shows_something(live: Live) -> None:
    wait_for(lambda: live.query("service:http_requests:rate8s > 5"), "the traffic", 120)
    wait_for(lambda: live.query("health_check_up"), "the health", 120)
    empty = [each for each in shown(live) if not live.query(each)]
    # No alert is firing, and no release was made: nothing is the truth there.
    assert all("ALERTS" in each or "unless" in each for each in empty), empty
    assert len(shown(live)) > 25


def shown(live: Live) -> list[str]:
    given = {
        grafana.INTERVAL: f"{WINDOW:g}s",
        "$environment": "staging",
        "$service": "boss-ai",
    }
    asked = grafana.expressions(live.stack)
    for variable, value in given.items():
        asked = [each.replace(variable, value) for each in asked]
    return asked


def test_a_first_failure_fires_though_nothing_of_its_kind_was_seen_before(live: Live) -> None:
    wait_for(lambda: live.query("service:http_requests:rate8s > 5"), "the traffic", 120)
    rare = ("payment-failed", "service-degraded", "failed-logins")
    for each in rare:
        assert not firing(live, each)()
    live.service.declined = live.service.revoked = live.service.guessed = True
    try:
        for each in rare:
            wait_for(firing(live, each), each, 120)
    finally:
        live.service.revoked = False
    for each in rare:
        wait_for(lambda each=each: not firing(live, each)(), "the end", 120)  # type: ignore[misc]
    always = "min_over_time(count(health_check_up)[8s:500ms])"
    assert live.query(f"{always} == 2")  # each scrape has both, whoever answers it


def test_errors_fire_and_resolve(live: Live) -> None:
    wait_for(lambda: live.query("service:http_requests:rate8s > 5"), "the traffic", 120)
    assert not firing(live, "high-error-rate")()
    live.service.failing = True
    wait_for(firing(live, "high-error-rate"), "the alert", 120)
    for way in ("slack", "mail"):
        wait_for(lambda way=way: live.people.told(way, "FIRING", "high-error-rate"), way, 60)  # type: ignore[misc]
    wait_for(lambda: live.people.told("slack", "of requests fail (threshold 5%)"), "words", 60)
    assert not live.people.told("sms", "high-error-rate")

    live.service.failing = False
    wait_for(lambda: not firing(live, "high-error-rate")(), "the end", 120)
    for way in ("slack", "mail"):
        wait_for(lambda way=way: live.people.told(way, "RESOLVED", "high-error-rate"), way, 60)  # type: ignore[misc]


def test_an_outage_reaches_all_three_and_silences_the_rest(live: Live) -> None:
    wait_for(lambda: live.query("service:http_requests:rate8s > 5"), "the traffic", 120)
    before = len(live.people.heard("slack"))
    live.service.down = True
    wait_for(firing(live, "service-outage"), "the alert", 120)
    for way in ("slack", "mail", "sms"):
        wait_for(lambda way=way: live.people.told(way, "database is down"), way, 60)  # type: ignore[misc]
    told = next(each for each in live.people.sms if "database is down" in each["Body"])
    assert told["Body"].startswith("boss-ai (staging): CRITICAL: database is down")
    assert (told["From"], told["To"]) == ("+15005550006", "+15551234567")
    account = base64.b64encode(f"AC1:{SECRETS[TWILIO_TOKEN]}".encode()).decode()
    assert f"/2010-04-01/Accounts/AC1/Messages.json Basic {account}" in live.people.tokens
    assert "/slack-hook None" in live.people.tokens

    live.service.failing = True
    wait_for(firing(live, "high-error-rate"), "the inhibited alert", 120)
    wait_for(lambda: inhibited(live, "high-error-rate"), "the inhibition", 120)
    # The outage lasts longest: nothing else is told of meanwhile.
    live.service.failing = False
    wait_for(lambda: not firing(live, "high-error-rate")(), "the end of the errors", 120)
    wait_for(lambda: not inhibited(live, "high-error-rate"), "the end of the inhibition", 120)
    live.service.down = False
    wait_for(lambda: not firing(live, "service-outage")(), "the end", 120)
    since = live.people.heard("slack")[before:]
    assert not [told for told in since if "FIRING" in told and "high-error-rate" in told]


def inhibited(live: Live, name: str) -> bool:
    alerts = json.loads(get(f"http://{live.stack.places.alertmanager}/api/v2/alerts"))
    return any(
        each["labels"]["alertname"] == name and each["status"]["inhibitedBy"] for each in alerts
    )


def test_with_slack_and_mail_out_the_sms_still_arrives(live: Live) -> None:
    wait_for(lambda: not firing(live, "service-outage")(), "the quiet", 120)
    if live.people.sms:  # of the test before: its end is told, too
        over = "RESOLVED: database is down"
        wait_for(lambda: over in live.people.sms[-1]["Body"], "the end", 120)
    since = len(live.people.sms)
    live.people.status["/slack-hook"] = 503
    live.people.mail_is_down = True
    live.service.down = True
    try:
        down = "CRITICAL: database is down"
        wait_for(lambda: any(down in each["Body"] for each in live.people.sms[since:]), "SMS", 120)
    finally:
        live.service.down = live.people.mail_is_down = False
        live.people.status.clear()


def test_who_has_no_token_sends_no_sms(live: Live) -> None:
    sent = urllib.request.Request(bridge.url(live.stack.places), b'{"alerts": []}')
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(sent, timeout=60)


def test_the_dead_mans_switch_hears_and_nobody_else_does(live: Live) -> None:
    """Of an outage, too, which keeps other alerts from people."""
    wait_for(lambda: live.people.beats > 0, "the heartbeat", 120)
    live.service.down = True
    try:
        wait_for(firing(live, "service-outage"), "the alert", 120)
        heard = live.people.beats
        wait_for(lambda: live.people.beats > heard, "another heartbeat", 120)
        assert not inhibited(live, "watchdog")
    finally:
        live.service.down = False
    assert not [way for way in ("slack", "mail", "sms") if live.people.told(way, "watchdog")]
