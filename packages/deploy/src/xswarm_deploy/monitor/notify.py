"""Return people: the channels of an environment, and what their messages are sent by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.http import Http
from xswarm_deploy.settings.variables import BY_NAME
from xswarm_monitoring import alert
from xswarm_monitoring.alert import Severity
from xswarm_monitoring.alert_state import AlertState
from xswarm_monitoring.channels import Channel, configured
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.notifier import Notifier

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings

MISSING: Final = "not set up"
"""How the notifier says that there is no such channel."""


def notifier(settings: Settings) -> Notifier:
    """Return what brings notices to people, by the channels that are set up."""
    return Notifier(channels(settings), send, sleep=asyncio.sleep)


def channels(settings: Settings) -> list[Channel]:
    """Return the channels whose variables the environment has."""
    service = f"{settings.project.worker.name} ({settings.environment})"
    return configured(lambda name: _value(settings, name), service)


def _value(settings: Settings, name: str) -> str:
    return settings.secret(name).reveal() if BY_NAME[name].secret else settings.text(name)


async def send(request: Outgoing) -> Response:
    """Send one request, once, beside others; the notifier knows when to send it again.

    Raises:
        ServiceUnavailable: there was no answer; nothing secret is in it.
    """
    parts = urlsplit(request.url)
    Secret(parts.path, "the channel's address")  # an error names the path; Slack's is secret
    http = Http(
        parts.hostname or "", f"{parts.scheme}://{parts.netloc}", retries=0, timeout=(5.0, 10.0)
    )
    reply = await asyncio.to_thread(
        http.call,
        request.method,
        parts.path,
        headers=request.headers,
        body=request.body,
        safe=False,
        budget=15.0,
        expect=range(300, 600),
    )
    return Response(reply.status, {name.lower(): text for name, text in reply.headers.items()})


def severity(name: str) -> Severity:
    """Read a severity.

    Raises:
        Refused: there is no such one.
    """
    if name.upper() not in Severity.__members__:
        known = ", ".join(each.name.lower() for each in Severity)
        raise Refused(f"unknown severity {name!r}", f"there are {known}")
    return Severity[name.upper()]


def test(settings: Settings, level: Severity, now: float) -> dict[str, str]:
    """Send a test alert by every channel its severity is for; returns how each went.

    It has a state of its own, so that a second test within minutes is not taken for the
    first one again.

    Args:
        settings: the environment's.
        level: the severity.
        now: seconds since 1970.
    """
    state = AlertState()
    notices = state.happened(alert.test_alert(level), now)
    asyncio.run(notifier(settings).deliver(state, notices))
    went: dict[str, str] = state.history[-1]["channels"]
    return went
