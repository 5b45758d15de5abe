"""The way from Alertmanager to a telephone: takes its webhook, and sends an SMS through Twilio.

Alertmanager itself can mail and tell Slack, and has no SMS. This program stands beside it, so
that an outage of the Worker is told all the same::

    python3 -m xswarm_monitoring.bridge /etc/boss-ai-monitoring/bridge.json

It needs Python 3.11 and nothing else. It listens on loopback, for whoever has its token.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from xswarm_monitoring.alert import Alert, Severity
from xswarm_monitoring.alert_state import AlertState, Notice, What
from xswarm_monitoring.channels import Sms, listed
from xswarm_monitoring.heartbeat import beat
from xswarm_monitoring.http_request import Outgoing, Response, Send
from xswarm_monitoring.notifier import Notifier, Patience, Route

HEARTBEAT = "/heartbeat"
"""Where what is passed on to a dead-man's switch is sent to."""
LARGEST = 1 << 20
"""Bytes of a webhook."""

_NAMED = ("alertname", "severity")
_ROUTES = dict.fromkeys(Severity, Route(("sms",)))
_PATIENCE = Patience(attempts=3, pause=1.0, longest=10.0)
_SECONDS = 10.0  # that Twilio may take


@dataclass(frozen=True)
class Bridge:
    """Bring what Alertmanager tells to a telephone.

    Args:
        sms: make the messages, one for each telephone.
        token: what Alertmanager sends as ``Authorization: Bearer``.
        send: sends one request.
        wall: seconds since 1970.
        heartbeat: the address of a dead-man's switch, a secret; empty: there is none.
    """

    sms: Sequence[Sms]
    token: str = field(repr=False)
    send: Send
    wall: Callable[[], float] = time.time
    heartbeat: str = field(default="", repr=False)

    async def answer(self, path: str, authorization: str, body: bytes) -> tuple[int, str]:
        """Answer a webhook: pass a heartbeat on, or send messages; see :meth:`take`."""
        if path != HEARTBEAT:
            return await self.take(authorization, body)
        if not self._is_known(authorization):
            return 401, "the token is wrong"
        why = await beat(self.send, self.heartbeat) if self.heartbeat else "there is no switch"
        return (502, why) if why else (200, "heard")

    def _is_known(self, authorization: str) -> bool:
        return hmac.compare_digest(authorization.encode(), f"Bearer {self.token}".encode())

    async def take(self, authorization: str, body: bytes) -> tuple[int, str]:
        """Take a webhook; returns the HTTP status and why.

        A status of 500 or above makes Alertmanager send it again.

        Args:
            authorization: the header.
            body: the webhook's.
        """
        if not self._is_known(authorization):
            return 401, "the token is wrong"
        try:
            told = notices(json.loads(body), self.wall())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return 400, f"this is no webhook of Alertmanager's: {type(error).__name__}"
        if not told:
            return 200, "nothing to tell"
        state = AlertState()
        notifier = Notifier(
            self.sms, self.send, sleep=asyncio.sleep, routes=_ROUTES, patience=_PATIENCE
        )
        delivered = await notifier.deliver(state, told)
        went = str(state.history[-1]["channels"]["sms"])
        return (200, went) if delivered else (502, went)


def notices(webhook: Mapping[str, Any], now: float) -> list[Notice]:
    """Read a webhook of Alertmanager's, version 4.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    told = [_notice(each, now) for each in webhook["alerts"]]
    if more := int(webhook.get("truncatedAlerts") or 0):
        words = f"and {more} more that Alertmanager has"
        told.append(Notice(What.FIRING, Alert("more", Severity.CRITICAL, words), now, now))
    return told


def _notice(told: Mapping[str, Any], now: float) -> Notice:
    labels, notes = dict(told["labels"]), told.get("annotations") or {}
    name = str(labels["alertname"])
    severity = str(labels.get("severity", "")).upper()
    alert = Alert(
        name,
        Severity.__members__.get(severity, Severity.CRITICAL),
        str(notes.get("summary") or name),
        {key: str(value) for key, value in labels.items() if key not in _NAMED},
        remedy=str(notes.get("remedy", "")),
    )
    what = What.RESOLVED if told["status"] == "resolved" else What.FIRING
    since = datetime.fromisoformat(str(told["startsAt"])).timestamp()
    return Notice(what, alert, since, now)


async def send(request: Outgoing) -> Response:
    """Send one request, on this thread: each webhook has one of its own.

    Raises:
        OSError: there was no answer.
    """
    given = urllib.request.Request(  # noqa: S310 - the address is the configuration's
        request.url, request.body, dict(request.headers), method=request.method
    )
    try:
        with urllib.request.urlopen(given, timeout=_SECONDS) as reply:  # noqa: S310
            return Response(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            after = error.headers.get("Retry-After") or ""
            return Response(error.code, {"retry-after": after})


def configured(configuration: Mapping[str, Any]) -> Bridge:
    """Make the bridge that a configuration describes; its secrets are in files.

    Args:
        configuration: ``service``, ``account``, ``sender``, ``recipient`` (several by
            comma), ``base``, and the files ``twilio_token_file``, ``token_file`` and
            ``heartbeat_file``; without a telephone the last two alone.
    """
    token = _kept(configuration, "token_file")
    return Bridge(
        _telephones(configuration), token, send, heartbeat=_kept(configuration, "heartbeat_file")
    )


def _telephones(configuration: Mapping[str, Any]) -> list[Sms]:
    if "recipient" not in configuration:
        return []
    token = _kept(configuration, "twilio_token_file")
    return [
        Sms(
            configuration["account"],
            token,
            configuration["sender"],
            number,
            configuration["service"],
            configuration["base"],
        )
        for number in listed(configuration["recipient"])
    ]


def _kept(configuration: Mapping[str, Any], name: str) -> str:
    """Return the secret whose file is named; empty where none is."""
    return Path(configuration[name]).read_text().strip() if name in configuration else ""


def server(bridge: Bridge, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that listens, and serves once it is told to.

    Args:
        bridge: takes the webhooks.
        host: the address.
        port: 0: a free one.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            """Answer that this runs."""
            self._answer(200, "it runs")

        def do_POST(self) -> None:
            """Take a webhook."""
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > LARGEST:
                self._answer(413, f"send up to {LARGEST} bytes")
                return
            body = self.rfile.read(int(length))
            authorization = self.headers.get("Authorization", "")
            taken = bridge.answer(self.path, authorization, body)
            self._answer(*asyncio.run(taken))

        def _answer(self, status: int, why: str) -> None:
            content = json.dumps({"outcome": why}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    made = ThreadingHTTPServer((host, port), Handler)
    made.daemon_threads = True
    return made


def main() -> None:
    """Serve what a configuration file describes, until SIGTERM."""
    configuration = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    host, _, port = configuration["listen"].rpartition(":")
    server(configured(configuration), host, int(port)).serve_forever()


if __name__ == "__main__":
    main()
