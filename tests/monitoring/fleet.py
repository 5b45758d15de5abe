"""Isolates over one database, and whoever reads what they tell."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.support.monitoring import Hands
from xswarm_monitoring import alert
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.channels import Slack
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.scheduler import Scheduler
from xswarm_monitoring.surroundings import Surroundings


class People:
    """Whoever reads Slack."""

    def __init__(self) -> None:
        self.read: list[dict[str, Any]] = []

    async def send(self, request: Outgoing) -> Response:
        await asyncio.sleep(0)
        self.read.append(json.loads(request.body))
        return Response(200, {})

    @property
    def headlines(self) -> list[str]:
        return [each["text"] for each in self.read]


class Fleet:
    """Isolates over one database, and one clock that waits turn."""

    def __init__(self, hands: Hands, execute: Any, number: int) -> None:
        self.people, self.hands = People(), hands
        self.schedulers = [self._scheduler(execute) for _ in range(number)]

    def _scheduler(self, execute: Any) -> Scheduler:
        async def app(_scope: Any, _receive: Any, _send: Any) -> None:
            raise AssertionError

        monitor = Monitor(
            app,
            service="s",
            version=lambda _env: "v7",
            execute=lambda _env: execute,
            clock=self.hands.clock,
        )
        around = Surroundings("https://wiki.test/{name}", "https://s.test/status")
        return Scheduler(
            monitor,
            lambda _env: [Slack("https://hooks.test/x", "s")],
            self.people.send,
            self._sleep,
            surroundings=around,
        )

    async def _sleep(self, seconds: float) -> None:
        over = self.hands.now + seconds
        while self.hands.now < over:
            await asyncio.sleep(0)

    async def tell_all(self, events: list[Alert]) -> None:
        """Let events happen in all isolates by turns, while time goes by."""
        number = len(self.schedulers)
        tellers = [self.schedulers[n % number].tell(None, each) for n, each in enumerate(events)]
        done = asyncio.gather(*tellers)
        while not done.done():
            for _ in range(10):
                await asyncio.sleep(0)
            self.hands.turn(0.05)
        await done


def failed(customer: int, amount: float = 29.0) -> Alert:
    """Return what is told of a customer's failed payment."""
    return alert.payment_failed(f"cus_{customer}", amount, "usd", "card declined")
