"""A day of incidents, by a clock that is turned: python -m tests.monitoring.incidents.

Two isolates share a database, a cron goes a round a minute, and a person reads Slack, mail and
texts.
It prints each message with its time, and of each incident the minutes until it was told.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring import alert, alert_state
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.asgi import UNMATCHED, Monitor
from xswarm_monitoring.channels import Channel, Email, Slack, Sms
from xswarm_monitoring.evaluation import DatabaseAlertStore, MemoryAlertStore
from xswarm_monitoring.health import Probe
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.scheduler import Scheduler

MORNING = 1_760_054_400.0  # midnight, UTC
A_MINUTE = 20  # requests, of each isolate


@dataclass(frozen=True)
class Incident:
    """What goes wrong in a stretch of the day.

    Args:
        name: what it is.
        start: the minute of the day.
        end: likewise.
        told: words of the message that tells it.
    """

    name: str
    start: int
    end: int
    told: str

    def is_on(self, minute: int) -> bool:
        """Return whether it goes on."""
        return self.start <= minute < self.end


DATABASE = Incident("the database is down", 130, 145, "database is down")
KEY = Incident("a provider's key is revoked", 300, 340, "stripe")
ERRORS = Incident("a bad version answers 500", 570, 590, "of requests fail")
PAYMENTS = Incident("fifty payments fail", 660, 661, "payments failed")
SLOW = Incident("it is slow", 840, 870, "slowest 5 %")
FLAPS = Incident("a provider comes and goes", 960, 1020, "openai")
LOGINS = Incident("somebody guesses passwords", 1200, 1210, "logins")
DAY = (DATABASE, KEY, ERRORS, PAYMENTS, SLOW, FLAPS, LOGINS)


@dataclass
class Day:
    """What a person got, and when.

    Args:
        messages: minute, channel and headline of each.
        on: the alerts that are still on when the day ends.
        history: what was told, and of which alert, as it is remembered.
    """

    messages: list[tuple[int, str, str]] = field(default_factory=list)
    on: Sequence[Mapping[str, Any]] = ()
    history: Sequence[tuple[str, str]] = ()

    def minutes(self, incident: Incident) -> int | None:
        """Return the minutes until an incident was told; None: it never was."""
        told = [m for m, _, text in self.messages if m >= incident.start and incident.told in text]
        return min(told) - incident.start if told else None

    def of(self, incident: Incident) -> list[tuple[int, str, str]]:
        """Return the messages of an incident."""
        return [one for one in self.messages if incident.told in one[2]]


class Service:
    """Two isolates of a service, whose fate the day's incidents are."""

    def __init__(self, hands: Hands) -> None:
        self.hands, self.minute, self.day = hands, 0, Day()
        self._sqlite, self._fallback = SQLite(), MemoryAlertStore()
        self.schedulers = [self._isolate() for _ in range(2)]

    def _isolate(self) -> Scheduler:
        async def app(_scope: Any, _receive: Any, _send: Any) -> None:
            raise AssertionError

        monitor = Monitor(
            app,
            service="shop",
            version=lambda _env: "v7",
            probes=lambda _env: self._probes(),
            execute=lambda _env: self._execute,
            clock=self.hands.clock,
        )
        fallback = self._fallback
        return Scheduler(
            monitor, lambda _env: _channels(), self._sent, self._sleep, lambda _env: fallback
        )

    def _probes(self) -> list[Probe]:
        def probe(name: str, wrong: Callable[[], bool], *, critical: bool = False) -> Probe:
            async def ask() -> dict[str, str] | None:
                return {"status": "fail", "output": "no answer"} if wrong() else None

            return Probe(name, ask, critical=critical, fresh=1.0, retry=1.0)

        return [
            probe("database", lambda: DATABASE.is_on(self.minute), critical=True),
            probe("stripe", lambda: KEY.is_on(self.minute)),
            probe("openai", self._comes_and_goes),
        ]

    def _comes_and_goes(self) -> bool:
        return FLAPS.is_on(self.minute) and bool(self.minute % 2)

    async def _execute(self, sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        if DATABASE.is_on(self.minute):
            raise ConnectionError("no answer")
        return await self._sqlite.execute(sql, parameters)

    async def _sent(self, request: Outgoing) -> Response:
        if b"Body=" in request.body:
            self._got("SMS", parse_qs(request.body.decode())["Body"][0])
        else:
            told = json.loads(request.body)
            self._got(*(("Slack", told["text"]) if "text" in told else ("mail", told["subject"])))
        return Response(200)

    def _got(self, channel: str, text: str) -> None:
        self.day.messages.append((self.minute, channel, text))

    async def _sleep(self, seconds: float) -> None:
        """Wait as all others do: each takes its turn, and time goes by."""
        over = self.hands.now + seconds
        while self.hands.now < over:
            await asyncio.sleep(0)
            self.hands.turn(0.01)

    async def live(self) -> Day:
        """Live through the day, and an hour more, in which all is over."""
        for self.minute in range(25 * 60):
            self.hands.now = MORNING + self.minute * 60
            for scheduler in self.schedulers:
                self._serve(scheduler.monitor)
            if PAYMENTS.is_on(self.minute):
                await self._tell(
                    [alert.payment_failed(f"c{n}", 29, "usd", "no") for n in range(50)]
                )
            self.hands.now = MORNING + self.minute * 60 + 30
            await self.schedulers[self.minute % 2].go(None, self.hands.now)
        _, text = await DatabaseAlertStore(self._execute).load()
        state = alert_state.load(text)
        self.day.on = alert_state.summary(state)["on"]
        self.day.history = [(each["what"], each["alert"]["name"]) for each in state.history]
        self._sqlite.connection.close()
        return self.day

    def _serve(self, monitor: Monitor) -> None:
        metrics, bad = monitor.metrics, ERRORS.is_on(self.minute)
        for number in range(A_MINUTE):
            seconds = 3.0 if SLOW.is_on(self.minute) and number % 4 == 0 else 0.05
            status = 500 if bad and number % 3 == 0 else 200
            metrics.requests.observe("/orders/{id}", "GET", status, seconds)
        metrics.requests.observe(UNMATCHED, "GET", 404, 0.001)
        if LOGINS.is_on(self.minute):
            for _ in range(5):
                metrics.abuse.failed_login()

    async def _tell(self, events: Sequence[Alert]) -> None:
        """Let events happen in both isolates at once."""
        isolates = [self.schedulers[number % 2] for number in range(len(events))]
        await asyncio.gather(*(one.tell(None, e) for one, e in zip(isolates, events, strict=True)))


def _channels() -> list[Channel]:
    phone = Sms("AC1", "t", "+15005550006", "+15551234567", "shop", "https://twilio.test")
    mail = Email("k", "shop@example.org", ("me@example.org",), "shop", "https://mail.test", "Shop")
    return [Slack("https://hooks.test/x", "shop"), mail, phone]


def live() -> Day:
    """Live through the day."""
    return asyncio.run(Service(Hands(MORNING)).live())


def table(day: Day) -> list[str]:
    """Return what a person got, and when, in lines."""
    lines = [f"{at // 60:02}:{at % 60:02}  {how:5}  {text}" for at, how, text in day.messages]
    for incident in DAY:
        took = day.minutes(incident)
        told = "never told" if took is None else f"told after {took} min"
        lines.append(f"{incident.name}: {told}, {len(day.of(incident))} messages")
    return [*lines, f"{len(day.messages)} messages; {len(day.on)} alerts still on"]


if __name__ == "__main__":
    sys.stdout.write("\n".join(table(live())) + "\n")
