"""Users while something is deployed, and what came of their requests.

Each asks again 50 ms after its answer: that is hundreds of requests a release. Without a pause they
would take the processor from what is deployed, and meet no more of it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import requests

PAUSE: Final = 0.05
"""Seconds between an answer and the same user's next request."""
_PACED: Final = Path(__file__).with_name("paced.lua")


@dataclass
class Load:
    """Count answers by status and version."""

    seen: Counter[tuple[int, str]] = field(default_factory=Counter)

    @property
    def failed(self) -> dict[tuple[int, str], int]:
        return {key: count for key, count in self.seen.items() if key[0] != 200}

    @property
    def versions(self) -> set[str]:
        return {version for _, version in self.seen}

    @property
    def total(self) -> int:
        return sum(self.seen.values())


@contextmanager
def load(url: str, users: int = 4) -> Iterator[Load]:
    """Let users ask ``url`` until the block ends.

    Args:
        url: what is asked; its JSON names the version.
        users: how many ask at the same time.
    """
    found, ended = Load(), threading.Event()
    threads = [threading.Thread(target=_user, args=(url, found, ended)) for _ in range(users)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@dataclass
class Wrk:
    """What wrk says that it met."""

    said: str = ""

    @property
    def requests(self) -> int:
        found = re.search(r"(\d+) requests in", self.said)
        assert found, self.said
        return int(found[1])

    @property
    def failed(self) -> str:
        """Return its lines of failures: it prints them only where there are any."""
        lines = [line.strip() for line in self.said.splitlines()]
        return "; ".join(line for line in lines if line.startswith(("Non-2xx", "Socket errors")))


@contextmanager
def wrk(url: str) -> Iterator[Wrk]:
    """Let wrk ask over 4 connections until the block ends, or over LOAD_CONNECTIONS unpaced."""
    connections = os.environ.get("LOAD_CONNECTIONS", "")
    pace = [] if connections else ["-s", str(_PACED)]
    command = ["wrk", "-t", "1", "-c", connections or "4", "-d", "1h", "--timeout", "15s"]
    running = subprocess.Popen([*command, *pace, url], text=True, stdout=subprocess.PIPE)
    found = Wrk()
    try:
        yield found
    finally:
        running.send_signal(signal.SIGINT)  # it prints its summary then
        found.said, _ = running.communicate(timeout=60)


def _user(url: str, found: Load, ended: threading.Event) -> None:
    with requests.Session() as session:
        session.headers["User-Agent"] = "somebody/1.0"
        while not ended.wait(PAUSE):
            try:
                reply = session.get(url, timeout=15)
                version = str(reply.json().get("version", "")) if reply.ok else reply.text[:80]
                found.seen[reply.status_code, version] += 1
            except requests.RequestException as error:
                found.seen[0, repr(error)[:120]] += 1
