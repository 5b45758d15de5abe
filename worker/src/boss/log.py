"""The service's log: JSON lines, set up by the Worker's variables, without anybody's data."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Protocol

from boss.configuration import Configuration
from boss.status import SERVICE
from xswarm_monitoring.correlation import current
from xswarm_monitoring.logs import Level, Log

if TYPE_CHECKING:
    from boss.browsers import Receive, Scope, Send
    from xswarm_monitoring.asgi import Monitor


class Service(Protocol):
    """What writes a line for each failure."""

    log: Log


class Logged:
    """Configure the log of monitor and service once the first request brings the variables.

    Args:
        monitor: writes a line for each request.
        service: gets its log, too.
    """

    def __init__(self, monitor: Monitor, service: Service) -> None:
        self._monitor = monitor
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            self.open(scope["env"])
        await self._monitor(scope, receive, send)

    def open(self, environment: Any) -> None:
        """Open the log, unless it is open.

        Args:
            environment: the Worker's.
        """
        if self._monitor.log is None:
            self._monitor.log = self._service.log = make_log(Configuration(environment))


def make_log(configuration: Configuration) -> Log:
    """Make the log that LOG_LEVEL and STRUCTURED_LOGGING ask for; an unknown level is info.

    Args:
        configuration: the Worker's variables.
    """
    asked = configuration.text("LOG_LEVEL", "info").upper()
    level = {"WARN": "WARNING"}.get(asked, asked)
    known = level if level in Level.__members__ else "INFO"
    return Log(SERVICE, level=known, structured=configuration.flag("STRUCTURED_LOGGING", True))


def log_failure(log: Log, error: BaseException) -> None:
    """Write that a request failed, and where.

    An error's own words may quote a password or a row, so only its kind and its place in the
    code are written; errors made here (``DatabaseError``) carry nothing else and are quoted.

    Args:
        log: takes the line.
        error: what was raised.
    """
    own = type(error).__module__.startswith("boss.")
    log.error(
        "request failed",
        error=type(error).__name__,
        detail=str(error) if own else "",
        at=[_place(frame) for frame in traceback.extract_tb(error.__traceback__, limit=-5)],
    )


def request_id() -> str:
    """Return the id of the request being answered, which the monitor gave it."""
    correlation = current()
    return correlation.request_id if correlation else ""


def _place(frame: Any) -> str:
    return f"{frame.filename}:{frame.lineno} {frame.name}"
