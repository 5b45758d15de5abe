"""Providers and channels as the Worker meets them: what they were asked and told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from xswarm_deploy.database.client import Database

PROVIDERS = {
    "/v1/models?limit=1": "anthropic",
    "/v1/models": "openai",
    "/v1/balance": "stripe",
    "/v3/scopes": "sendgrid",
    "/2010-04-01/Accounts/AC1.json": "twilio",
}
_SILENCE = 30.0  # seconds; who waited for a silent one would be found out
CHANNELS = {
    "/slack-hook": "slack",
    "/v3/mail/send": "email",
    "/2010-04-01/Accounts/AC1/Messages.json": "sms",
    "/heartbeat": "heartbeat",
}


class World:
    """Providers and channels: what they were asked and told, and how they answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.told: list[tuple[str, str]] = []
        self.status: dict[str, int] = {}
        self.slow: dict[str, float] = {}
        self.silent: set[str] = set()
        self._left = threading.Event()
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = PROVIDERS[self.path]
                world.asked.append((name, {k.lower(): v for k, v in self.headers.items()}))
                self.answer(name)

            def do_POST(self) -> None:
                name = CHANNELS[self.path]
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if world.status.get(name, 200) < 300:
                    world.told.append((name, body))
                self.answer(name)

            def answer(self, name: str) -> None:
                time.sleep(world.slow.get(name, 0))
                if name in world.silent:
                    world._left.wait(_SILENCE)
                self.send_response(world.status.get(name, 200))
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def left(self) -> None:
        """Let go of those who wait for a silent one: nobody reads its answer any more."""
        self._left.set()
        self._left = threading.Event()

    @property
    def variables(self) -> dict[str, str]:
        """The Worker's variables that lead here."""
        models = ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL")
        bases = (*models, "STRIPE_API_BASE", "SENDGRID_API_BASE", "TWILIO_API_BASE")
        return {
            **dict.fromkeys(bases, self.url),
            "ANTHROPIC_API_KEY": "sk-ant-canary",
            "OPENAI_API_KEY": "sk-canary",
            "STRIPE_SECRET_KEY": "sk_test_canary",
            "SENDGRID_API_KEY": "SG.canary",
            "SENDGRID_FROM_EMAIL": "boss@example.org",
            "TWILIO_ACCOUNT_SID": "AC1",
            "TWILIO_PHONE_NUMBER": "+15005550006",
            "SLACK_WEBHOOK_URL": f"{self.url}/slack-hook",
            "ADMIN_EMAIL": "admin@example.org",
            "ADMIN_PHONE": "+15551234567",
        }

    def heard(self, *words: str) -> list[str]:
        """Return the channels that told something of these words."""
        return sorted(
            name for name, body in self.told if all(word in _plain(body) for word in words)
        )


def _plain(body: str) -> str:
    return " ".join([body, *parse_qs(body).get("Body", [])])


@contextmanager
def opened() -> Iterator[World]:
    """Open a world, and close it afterwards."""
    made = World()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join(5)


def forget_measures(database: Database) -> None:
    """Take away what was measured and told before."""
    found = database.query(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'monitoring%'"
    )
    for row in found:
        database.execute(f"DELETE FROM {row.text('name')}")
