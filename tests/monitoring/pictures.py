"""The pictures of the dashboard in the guide, taken in a real Chromium.

    .venv/bin/python -m tests.monitoring.pictures

writes ``dashboard-light.png``, ``-dark.png`` and ``-phone.png`` into deployment/docs. What they
show is made up: an hour of a shop that releases twice, the first time not so well.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Browser

from tests.support.browser import chromium
from tests.support.monitoring import Hands, SQLite
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.health import Probe, Prober
from xswarm_monitoring.slo import Slo
from xswarm_monitoring.storage import Storage

DOCS = Path(__file__).parents[2] / "deployment/docs"
SHAPES: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1200, "height": 1000}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 1000}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}
ROUTES = (
    ("/api/buzz", "GET", 0.030, 6),
    ("/api/suggestions", "GET", 0.045, 4),
    ("/api/auth/login", "POST", 0.230, 1),
    ("/api/auth/me", "GET", 0.018, 5),
    ("/stripe/webhook", "POST", 0.060, 1),
)
STEP, HOUR = 15.0, 3600.0


class Shop:
    """An hour of a shop's requests, queries and customers."""

    def __init__(self) -> None:
        # The same each time.
        self.chance = random.Random(7)
        self.hands = Hands(time.time() - HOUR)
        self.sqlite = SQLite(shared=True)
        self.monitor = Monitor(
            _nothing,
            service="boss-ai",
            version=lambda _env: "v2.4.1",
            probes=lambda _env: _probes(),
            admin_token=lambda _env: "let-me-in",
            execute=lambda _env: self.sqlite.execute,
            prober=Prober(),
            slo=lambda _env: Slo.read(
                {"availability": 0.995, "latency": {"target": 0.95, "threshold": 0.5}}
            ),
            clock=Clock(wall=lambda: self.hands.now, timer=lambda: self.hands.now),
        )

    async def live(self) -> None:
        """Live through the hour."""
        storage = Storage(self.sqlite.execute, instance="picture")
        await storage.prepare()
        for step in range(int(HOUR / STEP)):
            part = step * STEP / HOUR
            version = "v2.3.0" if part < 0.3 else "v2.4.0" if part < 0.62 else "v2.4.1"
            self._moment(part, bad=version == "v2.4.0")
            self.hands.turn(STEP)
            await storage.flush(self.monitor.metrics, version)

    def _moment(self, part: float, *, bad: bool) -> None:
        metrics, draw = self.monitor.metrics, self.chance
        busy = 1 + 0.4 * math.sin(part * 9) + 0.3 * draw.random()
        for route, method, usual, share in ROUTES:
            for _ in range(int(share * busy * 3)):
                slow = usual * draw.lognormvariate(0, 0.5) * (2.4 if bad else 1)
                failed = draw.random() < (0.03 if bad else 0.001)
                metrics.requests.observe(route, method, 500 if failed else 200, slow)
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


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _probes() -> list[Probe]:
    return [
        Probe("database", _well(0.004)),
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


def take(browser: Browser, url: str, shape: str, folder: Path) -> Path:
    """Take one picture, and return its file."""
    context = browser.new_context(**SHAPES[shape], locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    page.goto(url)
    page.fill("#token", "let-me-in")
    page.keyboard.press("Enter")
    page.wait_for_selector("#chart-database .plot svg")
    file = folder / f"dashboard-{shape}.png"
    page.screenshot(path=file)
    context.close()
    return file


def main() -> None:
    """Take all pictures."""
    folder, shop = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS, Shop()
    asyncio.run(shop.live())
    with served(shop) as url, chromium() as browser:
        for shape in SHAPES:
            sys.stdout.write(f"{take(browser, url, shape, folder)}\n")


if __name__ == "__main__":
    main()
