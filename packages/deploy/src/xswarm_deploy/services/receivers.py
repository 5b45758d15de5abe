"""Those who receive what is measured: asked whether they take it, and sent to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xswarm_deploy.services.http import Http
from xswarm_monitoring import datadog, otlp, remote_write
from xswarm_monitoring.delivery import ask
from xswarm_monitoring.http_request import Outgoing, Response
from xswarm_monitoring.otlp import Resource
from xswarm_monitoring.push import DATADOG, OTLP, REMOTE_WRITE, Push, Target
from xswarm_monitoring.window import Window

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings


def push_of(settings: Settings) -> Push:
    """Return what an environment's service pushes, and as whose."""
    return Push(
        settings.push_targets(),
        send,
        lambda name: _secret(settings, name),
        environment=settings.environment,
        address=settings.text("WORKER_URL"),
    )


def check(settings: Settings, target: Target) -> str:
    """Ask a receiver whether it takes anything from us, with nothing to keep.

    Raises:
        Refused: it does not.
    """
    answer = asyncio.run(ask(send, _empty(settings, target)))
    return f"{urlsplit(target.endpoint).hostname} takes what is pushed (HTTP {answer.status})"


def _empty(settings: Settings, target: Target) -> Outgoing:
    """Return a request with nothing in it."""
    if target.kind == DATADOG:
        return datadog.validation(target.endpoint, _secret(settings, target.secret))
    headers = target.authorisation(lambda name: _secret(settings, name))
    if target.kind == OTLP:
        resource = Resource(settings.project.worker.name, "", settings.environment, "")
        signal = target.signals[0]
        return otlp.request(
            signal,
            [],
            resource,
            url=target.endpoint,
            headers=headers,
            encoding=target.encoding,
        )
    version = 1 if target.kind == REMOTE_WRITE else 2
    nothing = Window(0, 0)
    return remote_write.export(
        nothing, {}, url=target.endpoint, headers=headers, labels={}, time=0, version=version
    )


def _secret(settings: Settings, name: str) -> str:
    return settings.secret(name).reveal() if name else ""


async def send(request: Outgoing) -> Response:
    """Send one request, once.

    Raises:
        ServiceUnavailable: there was no answer.
    """
    parts = urlsplit(request.url)
    base = f"{parts.scheme}://{parts.netloc}"
    http = Http(parts.hostname or "", base, retries=0, timeout=(5.0, 10.0))
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    reply = http.call(
        request.method,
        path,
        headers=request.headers,
        body=request.body or None,
        safe=False,
        budget=15.0,
        expect=range(200, 600),
    )
    headers = {name.lower(): text for name, text in reply.headers.items()}
    return Response(reply.status, headers, reply.body.decode("utf-8", "replace"))
