"""A host with sshd on loopback: its address, its keys, and what it has run."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from xswarm_deploy.observability.stack import (
    ADMIN_TOKEN,
    HEARTBEAT_URL,
    SLACK_URL,
    SMS_TOKEN,
    SMTP_PASSWORD,
    TWILIO_TOKEN,
)

SECRETS = {
    ADMIN_TOKEN: "canary-admin-token-7f3a",
    SLACK_URL: "http://127.0.0.1:1/canary-slack-hook-91bc",
    SMTP_PASSWORD: "SG.canary-mail-key-55aa",
    SMS_TOKEN: "canary-sms-token-c0de",
    TWILIO_TOKEN: "canary-twilio-token-d1ce",
    HEARTBEAT_URL: "http://127.0.0.1:1/canary-switch-5eaf",
}


@dataclass(frozen=True)
class Server:
    """A running sshd: where it is, what opens it, and what it has run."""

    host: str
    port: int
    key: Path
    known_hosts: Path
    programs: Path
    log: Path

    @property
    def arguments(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@contextmanager
def ended_at_last(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)


def wait_for(ready: Callable[[], object], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def listens(port: int) -> bool:
    with closing(socket.socket()) as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


# Notes what systemd would be told. FAILS names a command that it refuses.
SYSTEMCTL = """#!/bin/sh
echo "$@" >> {log}
if [ -e {fails} ] && grep -qx -- "$1" {fails}; then echo "$1 was refused" >&2; exit 1; fi
"""
