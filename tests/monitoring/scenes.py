"""Hours of a made-up shop, for the pictures and the judges of its pages.

``usual`` releases twice, the first time not so well; ``empty`` has just begun; in the ``outage``
the database does not answer; ``many`` has 500 routes.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import alert, alert_state, status_record
from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import AlertState, Policy
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.evaluation import DatabaseAlertStore
from xswarm_monitoring.health import Check, Probe, Prober
from xswarm_monitoring.incident import Impact, Incident, Incidents, Update
from xswarm_monitoring.slo import Slo
from xswarm_monitoring.status_endpoints import Published
from xswarm_monitoring.status_page import StatusPage
from xswarm_monitoring.status_record import Round
from xswarm_monitoring.storage import Storage
from xswarm_monitoring.uptime import DAY, Uptime

SCENES = ("usual", "empty", "outage", "many")
ROUTES = (
    ("/api/buzz", "GET", 0.030, 6),
    ("/api/suggestions", "GET", 0.045, 4),
    ("/api/auth/login", "POST", 0.230, 1),
    ("/api/auth/me", "GET", 0.018, 5),
    ("/stripe/webhook", "POST", 0.060, 1),
)
STEP, HOUR = 15.0, 3600.0
PAGE = StatusPage(
    "xSwarm Boss",
    {
        "worker": "Service",
        "database": "Accounts and data",
        "storage": "Files",
        "stripe": "Payments",
        "sendgrid": "E-mail",
    },
    "critical",
    contact="mailto:help@xswarm.test",
)


class Shop:
    """An hour of a shop's requests, queries and customers."""

    def __init__(self, scene: str = "usual") -> None:
        self.scene = scene
        self.chance = random.Random(7)  # the same each time
        self.hands = Hands(time.time() - HOUR)
        self.sqlite = SQLite()
        self.monitor = Monitor(
            _nothing,
            service="boss-ai",
            version=lambda _env: "v2.4.1",
            probes=lambda _env: _probes(down=scene == "outage"),
            admin_token=lambda _env: "let-me-in",
            execute=lambda _env: self.sqlite.execute,
            prober=Prober(),
            slo=lambda _env: Slo.read(
                {"availability": 0.995, "latency": {"target": 0.95, "threshold": 0.5}}
            ),
            published=Published(lambda _env: PAGE, lambda _env: "staging"),
            clock=Clock(wall=lambda: self.hands.now, timer=lambda: self.hands.now),
        )

    async def live(self) -> None:
        """Live through the hour, and the 90 days before it."""
        storage = Storage(self.sqlite.execute, instance="picture")
        await storage.prepare()
        if self.scene == "empty":
            self.hands.turn(HOUR)
            return
        await self._past()
        for step in range(int(HOUR / STEP)):
            part = step * STEP / HOUR
            version = "v2.3.0" if part < 0.3 else "v2.4.0" if part < 0.62 else "v2.4.1"
            bad = version == "v2.4.0" or (self.scene == "outage" and part > 0.8)
            self._moment(part, bad=bad)
            if self.scene == "many" and step % 40 == 39:
                self._many()
            self.hands.turn(STEP)
            await storage.flush(self.monitor.metrics, version)
            if step % 4 == 3:
                await storage.compact(self.hands.now)
                await self._round(down=self.scene == "outage" and part > 0.8)

    def _moment(self, part: float, *, bad: bool) -> None:
        metrics, draw = self.monitor.metrics, self.chance
        busy = 1 + 0.4 * math.sin(part * 9) + 0.3 * draw.random()
        broken = 0.6 if self.scene == "outage" else 0.03
        for route, method, usual, share in ROUTES:
            for _ in range(int(share * busy * 3)):
                slow = usual * draw.lognormvariate(0, 0.5) * (2.4 if bad else 1)
                failed = draw.random() < (broken if bad else 0.001)
                refused = method == "POST" and draw.random() < 0.1
                status = 500 if failed else 401 if refused else 200
                metrics.requests.observe(route, method, status, slow)
                metrics.database.observe("SELECT * FROM users WHERE id = ?", slow * 0.3, 1)
                metrics.business.api_call(f"customer-{draw.randrange(6)}")
        if bad and draw.random() < 0.05:
            metrics.database.observe("SELECT * FROM messages WHERE body LIKE '%x%'", 1.8, 412)
        metrics.business.activity(draw.choice(("login", "login", "logout")))
        metrics.business.feature(draw.choice(("suggestions", "sms", "voice", "email")))
        if draw.random() < 0.2:
            metrics.business.signup(draw.choice(("web", "referral")))
        if draw.random() < 0.1:
            metrics.business.payment(29.0, "usd", succeeded=draw.random() > 0.1)
            metrics.business.subscription("created", draw.choice(("pro", "team")))

    def _many(self) -> None:
        """Answer at 500 routes, some of which have long names, as real routers have them."""
        for number in range(500):
            name = f"/v1/accounts/:num/documents-{number}" + "/revisions/:num" * (number % 4)
            took = 0.02 * self.chance.lognormvariate(0, 0.8)
            self.monitor.metrics.requests.observe(name, "GET", 200, took)

    async def _round(self, *, down: bool) -> None:
        """Judge as a round does, and keep what the status page and the alerts' state have."""
        found = {"database": "fail" if down else "pass", "sendgrid": "warn"}
        checks = [Check(name, found.get(name, "pass"), True, 4.0, 0.0) for name in PAGE.components]
        due: list[Alert] = []
        if down:
            due = [
                alert.service_outage("database", "no answer within 2000 ms"),
                Alert("high-error-rate", Severity.ERROR, "58.1% of requests fail (threshold 5%)"),
            ]
        revision, state = await self._state()
        for notice in state.advance(due, self.hands.now):
            state.record(notice, {"slack": "delivered", "sms": "delivered"})
        await DatabaseAlertStore(self.sqlite.execute).save(revision, state.dump())
        seen = Round(checks[1:], due, state.on(), self.hands.now, "worker")
        await status_record.keep(PAGE, self.sqlite.execute, seen)

    async def _state(self) -> tuple[int, AlertState]:
        revision, text = await DatabaseAlertStore(self.sqlite.execute).load()
        return revision, alert_state.load(text, Policy()) if text else AlertState(Policy())

    async def _past(self) -> None:
        """Let the 90 days before have been: an outage, a slow day, and two days unwatched."""
        await Uptime(self.sqlite.execute).record({}, self.hands.now - 200 * DAY, "worker")
        today, whole = int(self.hands.now // DAY), int(DAY)
        for number in range(today - 89, today):
            if number in (today - 40, today - 41):
                continue
            lost = {"database": (0, 2520)} if number == today - 23 else {}
            lost |= {"worker": (5400, 0)} if number in (today - 23, today - 7) else {}
            days = {
                name: [whole - sum(lost.get(name, (0, 0))), *lost.get(name, (0, 0)), {}]
                for name in PAGE.components
            }
            await self.sqlite.execute(
                "INSERT INTO monitoring_uptime VALUES (?, 1, ?)", (number, json.dumps(days))
            )
        await self._incidents((today - 23) * DAY + 50_000)

    async def _incidents(self, at: float) -> None:
        incidents = Incidents(self.sqlite.execute)
        await incidents.prepare()
        told = (
            Update(at + 240, "investigating", "Some pages do not load. We are looking into it."),
            Update(at + 900, "identified", "Our database's provider has an outage in one region."),
            Update(at + 2520, "resolved", "All data is there; nothing was lost."),
        )
        made = Incident(
            "Pages do not load", Impact.CRITICAL, ("database", "worker"), at, told, at + 2520
        )
        await incidents.add(made)
        if self.scene == "outage":
            work = (Update(self.hands.now, "monitoring", "We move files to a faster store."),)
            await incidents.add(
                Incident("Files move", Impact.MAINTENANCE, ("storage",), self.hands.now, work)
            )


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _probes(*, down: bool) -> list[Probe]:
    return [
        Probe("database", _down if down else _well(0.004)),
        Probe("storage", _well(0.009), critical=False),
        Probe("configuration", _well(0.0)),
        Probe("anthropic", _well(0.06), critical=False),
        Probe("stripe", _well(0.08), critical=False),
        Probe("sendgrid", _ill, critical=False),
        Probe("twilio", _well(0.07), critical=False),
    ]


def _well(seconds: float) -> Any:
    async def ask() -> None:
        await asyncio.sleep(seconds)

    return ask


async def _ill() -> dict[str, str]:
    return {"status": "warn", "output": "HTTP 429: it is busy, or we ask too much"}


async def _down() -> None:
    raise ConnectionError("no answer within 2000 ms")


@contextmanager
def served(shop: Shop) -> Iterator[str]:
    """Serve the shop's monitor, and return the dashboard's address; then the shop is closed."""
    server = uvicorn.Server(uvicorn.Config(shop.monitor, "127.0.0.1", 0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/status"
    finally:
        server.should_exit = True
        thread.join(10)
        shop.sqlite.connection.close()
