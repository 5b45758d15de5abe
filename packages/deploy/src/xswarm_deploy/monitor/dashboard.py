"""Serve the dashboard on this machine: its page, and the Worker's figures behind the token."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from xswarm_deploy.console import Console
from xswarm_deploy.errors import DeployError, Unavailable
from xswarm_deploy.secret import redact
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.monitor import Monitor
from xswarm_monitoring.dashboard import HEADERS, PAGE

if TYPE_CHECKING:
    from xswarm_deploy.model.record import Record
    from xswarm_deploy.site import Site

HOST: Final = "127.0.0.1"
PASSED_ON: Final = (
    "/api/metrics",
    "/api/metrics/route",
    "/api/slo",
    "/api/alerts",
    "/health/detailed",
)
SUCCEEDED: Final = "succeeded"
_MARKED: Final = 100  # releases that are looked at; the charts show the last hours

Markers = Callable[[], Sequence[Mapping[str, str]]]


def server(site: Site, port: int) -> ThreadingHTTPServer:
    """Make the server; it listens, and serves once it is told to.

    Args:
        site: the environment whose figures are shown.
        port: where to listen on this machine; 0: a free one.

    Raises:
        Unavailable: the port is taken.
    """
    monitor = Monitor.of(site.settings)
    try:
        made = _Server((HOST, port), handler(monitor.http, lambda: markers(site)))
    except OSError as error:
        why = f"port {port}: {error.strerror}"
        raise Unavailable(
            "the dashboard cannot listen", why, "inv monitor.dashboard --port 0"
        ) from None
    made.daemon_threads = True
    return made


class _Server(ThreadingHTTPServer):
    """Serve, and say in a line what went wrong with one request."""

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as it is called
        """Write what was raised; that a browser left, since its tab was closed, is nothing."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            said = redact(f"{type(error).__name__}: {error}")
            Console(sys.stderr).warn(f"a request of {client_address[0]} failed: {said}")


def markers(site: Site) -> list[dict[str, str]]:
    """Return those of the newest releases that put a version live, for the charts."""
    newest = islice(site.history(), _MARKED)
    return [_marker(each) for each in newest if each.status == SUCCEEDED and each.version]


def handler(http: Http, marked: Markers) -> type[BaseHTTPRequestHandler]:
    """Make the handler of requests.

    Args:
        http: reaches the Worker, with the admin token.
        marked: gives the releases.
    """

    class Handler(BaseHTTPRequestHandler):
        """Answer one request; only this machine's own browser is let in."""

        def do_GET(self) -> None:
            """Answer with the page, or with what the Worker answers."""
            asked = urlsplit("/" + self.path.lstrip("/"))
            if not self._is_ours():
                self._answer(403, "text/plain", b"ask for 127.0.0.1\n")
            elif asked.path == "/":
                self._answer(200, "text/html; charset=utf-8", PAGE.encode(), page=True)
            elif asked.path in PASSED_ON:
                status, body = passed_on(http, marked, asked.path, asked.query)
                self._answer(status, "application/json", json.dumps(body).encode())
            else:
                self._answer(404, "text/plain", b"there is nothing here\n")

        def _is_ours(self) -> bool:
            """Refuse names that another's DNS let point here: the answers need no token."""
            host = self.headers.get("Host", "").partition(":")[0]
            return host in (HOST, "localhost")

        def _answer(self, status: int, kind: str, body: bytes, *, page: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            for name, value in HEADERS if page else ():
                self.send_header(name.decode(), value.decode())
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing: the page asks every few seconds."""

    return Handler


def passed_on(http: Http, marked: Markers, path: str, query: str) -> tuple[int, dict[str, Any]]:
    """Ask the Worker, and return its status and its JSON.

    Args:
        http: reaches the Worker, with the admin token.
        marked: gives the releases.
        path: one of :data:`PASSED_ON`.
        query: as the page asked it.
    """
    try:
        reply = http.get(f"{path}?{query}" if query else path, expect=range(300, 600))
        body: dict[str, Any] = reply.json()
    except DeployError as error:
        return 502, {"error": redact(str(error))}
    if isinstance(body, dict) and body.get("timeline"):
        body["releases"] = _within(body, marked)
    return reply.status, body


def _within(body: Mapping[str, Any], marked: Markers) -> Sequence[Mapping[str, str]]:
    """Return the ledger's releases in the window; the Worker's own where there is no ledger."""
    try:
        known = marked()
    except DeployError:
        return list(body["releases"])
    began = datetime.fromisoformat(body["timeline"][0]["time"])
    return [each for each in known if datetime.fromisoformat(each["time"]) >= began]


def _marker(record: Record) -> dict[str, str]:
    return {"version": record.version, "time": record.finished or record.created}
