"""The stand-ins of a running twin, and a server that keeps what they deliver."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from xswarm_twin.control import bearer


@dataclass(frozen=True)
class Twin:
    """A running twin: where its stand-ins answer, and with which keys."""

    root: Path
    endpoints: dict[str, str]
    keys: dict[str, str]
    ports: dict[str, int]

    def url(self, provider: str) -> str:
        """Return a stand-in's address."""
        return f"http://127.0.0.1:{self.ports[provider]}"

    @property
    def control(self) -> dict[str, str]:
        """Return the headers that open the twin's own routes."""
        return bearer(self.keys["CLOUDFLARE_API_TOKEN"])

    def fault(self, provider: str, kind: str, times: int = 1) -> None:
        """Switch a fault on."""
        answer = requests.put(
            self.url(provider) + "/__sandbox/faults",
            json={"kind": kind, "times": times},
            headers=self.control,
            timeout=60,
        )
        assert answer.status_code == 200, answer.text

    def received(self, provider: str) -> list[Any]:
        """Return what a stand-in received."""
        url = self.url(provider) + "/__sandbox/received"
        answer = requests.get(url, headers=self.control, timeout=60)
        return [entry["content"] for entry in answer.json()["received"]]


@dataclass
class Receiver:
    """A server that keeps what is delivered to it."""

    url: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> tuple[str, dict[str, str], bytes]:
        """Return the first delivery: path, headers, body."""
        assert self.arrived.wait(60), "nothing was delivered"
        return self.requests[0]
