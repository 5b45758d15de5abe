"""Around every stand-in: the sandbox's own routes, a log without secrets, the faults."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xswarm_twin import control as twin_control
from xswarm_twin import failing
from xswarm_twin.faults import COMMON, Fault, Faults
from xswarm_twin.providers.expired import Expired
from xswarm_twin.providers.received import Received

_CONTROL: Final = "/__sandbox/"
KINDS: Final = (*COMMON, "status:4NN", "status:5NN", "revoked")
_SEGMENTS: Final = 3  # of a path in the log: what follows may be a key, as in Slack's


class Provider(Protocol):
    """One stand-in: its name, its application, and the errors that its service documents."""

    name: str

    def failure(self, status: int) -> web.Response:
        """Return the documented answer of a status."""

    def revoked(self) -> web.Response:
        """Return the documented answer to a key that was revoked."""

    def application(self, faulty: Middleware) -> web.Application:
        """Make the application; faults are met where it puts that middleware."""


@dataclass(frozen=True)
class Shared:
    """What all stand-ins of a process share; the faults are by their names."""

    received: Received
    names: tuple[str, ...]
    token: str = field(repr=False)
    faults: dict[str, Faults] = field(default_factory=lambda: defaultdict(Faults))
    expired: Expired = field(default_factory=Expired)


def dress(provider: Provider, shared: Shared) -> web.Application:
    """Put the sandbox's routes, the log and the faults around a stand-in."""
    application = provider.application(_faulty(provider, shared))
    application.middlewares.insert(0, _control(provider.name, shared))
    application.middlewares.insert(1, _log(provider.name))
    return application


def _faulty(provider: Provider, shared: Shared) -> Middleware:
    @web.middleware
    async def faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request meet the fault that is on."""
        fault = shared.faults[provider.name].take(request.method, request.path)
        if fault is None:
            return await handler(request)
        match fault.name:
            case "status":
                return provider.failure(int(fault.amount))
            case "revoked":
                return provider.revoked()
            case "bad_json":
                return web.Response(text='{"data": [{"id": "', content_type="application/json")
        return await failing.meet(fault, request, handler)

    return faulty


def _log(name: str) -> Middleware:
    @web.middleware
    async def log(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Write one line a request."""
        status = 500
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            path = "/".join(request.path.split("/")[:_SEGMENTS])
            moment = time.strftime("%Y-%m-%dT%H:%M:%S")
            sys.stderr.write(f"{moment} {name} {request.method} {path} {status}\n")
        return response

    return log


def _control(name: str, shared: Shared) -> Middleware:
    @web.middleware
    async def control(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer what is asked of the sandbox and not of the service."""
        if not request.path.startswith(_CONTROL):
            return await handler(request)
        if not twin_control.allows(request.headers, shared.token):
            return web.json_response({"error": "this needs the twin's token"}, status=401)
        match request.method, request.path.removeprefix(_CONTROL):
            case "GET", "received":
                return web.json_response({"received": shared.received.of(name)})
            case "GET", "faults":
                return _described(shared)
            case "PUT", "faults":
                return _put(name, shared, await request.text())
            case "POST", "expired":
                return web.json_response({"url": await shared.expired.url()})
            case "DELETE", "faults":
                shared.faults.pop(request.query.get("provider", name), None)
                return _described(shared)
        return web.json_response({"error": "there are received, faults and expired"}, status=404)

    return control


def _put(name: str, shared: Shared, text: str) -> web.Response:
    try:
        provider, fault = _wanted(name, shared, text)
    except (ValueError, TypeError, AttributeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    shared.faults[provider] = Faults([fault])  # in place of the one before
    return _described(shared)


def _wanted(name: str, shared: Shared, text: str) -> tuple[str, Fault]:
    """Read which fault is wanted, and at which stand-in: the one asked, if none is named."""
    wanted = json.loads(text)
    provider = str(wanted.get("provider", name))
    if provider not in shared.names:
        raise ValueError(f"unknown: {provider!r}; there are {', '.join(shared.names)}")
    fault = Fault(str(wanted.get("kind", "")), int(wanted.get("times", 1)))
    fault.require_sound(KINDS)
    return provider, fault


def _described(shared: Shared) -> web.Response:
    on = {
        name: {"kind": fault.kind, "times": fault.times}
        for name, kept in shared.faults.items()
        for fault in kept.table
        if fault.times
    }
    return web.json_response({"faults": on})
