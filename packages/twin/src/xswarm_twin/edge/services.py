"""What the edge offers to the processes of versions by HTTP: R2 buckets, static files, and more.

One loopback port for all. A process proves by its own token what it may reach, and names it in
a header, because a binding's requests carry addresses of the Worker's choice.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from xswarm_twin.edge.assets import Site
from xswarm_twin.edge.files import send_answer
from xswarm_twin.edge.r2 import serve_bucket
from xswarm_twin.edge.traces import Traces
from xswarm_twin.objects.store import Objects

TOKEN_HEADER = "X-Twin-Token"  # noqa: S105 (the header's name)
RESOURCE_HEADER = "X-Twin-Resource"
TAIL = "/tail"
"""Where a process tells what its invocations logged."""
CACHE = "/cache"
"""Where workerd sends what a Worker asks of ``caches``."""
_COMMON = frozenset({"/workers", "/mail", "/events", "/messages", TAIL, CACHE})
_UNCACHED = {"GET": 504, "PUT": 204, "PURGE": 404}
"""What workerd takes for: not there, taken, and nothing to delete."""


@dataclass(frozen=True)
class Access:
    """How one process reaches what it may: address, token, and the limits of it.

    Args:
        address: host and port.
        token: proves who asks; the edge proves itself by it, too.
        buckets: the buckets it is bound to.
        sites: the static files of its versions, by the versions' ids.
    """

    address: str
    token: str = field(repr=False)
    buckets: frozenset[str] = frozenset()
    sites: Mapping[str, Site] = field(default_factory=dict)

    def headers(self, resource: str) -> dict[str, str]:
        """Return the headers by which a request reaches a resource, as ``/r2/<bucket>``."""
        return {TOKEN_HEADER: self.token, RESOURCE_HEADER: resource}

    def allows(self, resource: str) -> bool:
        """Return whether a resource is among what the process is bound to."""
        if resource.startswith("/assets/"):
            return resource.removeprefix("/assets/") in self.sites
        return resource in _COMMON or resource.removeprefix("/r2/") in self.buckets


class Neighbours(Protocol):
    """What the edge knows of Workers, and does for them."""

    async def locate(self, worker: str) -> Mapping[str, str] | None:
        """Return where a Worker answers now, as remote.js reads it."""

    def take_mail(self, message: str) -> None:
        """Keep an e-mail that a Worker sends, JSON."""

    def take_messages(self, queue: str, messages: Sequence[Mapping[str, Any]]) -> None:
        """Take messages of a queue that is pulled over HTTP."""


class Services:
    """Serve what processes may reach.

    Args:
        objects: the store behind R2 bindings.
        neighbours: who knows of the other Workers.
    """

    def __init__(self, objects: Objects, neighbours: Neighbours) -> None:
        self.traces = Traces()
        self._objects = objects
        self._neighbours = neighbours
        self._granted: dict[str, Access] = {}
        self._runner: web.AppRunner | None = None
        self._address = ""

    async def open(self) -> None:
        """Begin to listen on a free port."""
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            application, access_log=None, auto_decompress=False, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._address = f"{host}:{port}"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def grant(
        self, buckets: frozenset[str] = frozenset(), sites: Mapping[str, Site] | None = None
    ) -> Access:
        """Let a process reach some buckets and files."""
        access = Access(self._address, secrets.token_urlsafe(32), buckets, sites or {})
        self._granted[access.token] = access
        return access

    def revoke(self, access: Access) -> None:
        """Let a process that ended reach nothing any more."""
        self._granted.pop(access.token, None)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        access = self._granted.get(request.headers.get(TOKEN_HEADER, ""))
        resource = request.headers.get(RESOURCE_HEADER, "")
        if access is None or not access.allows(resource):
            return web.Response(status=403, text="not bound\n")
        answers: Mapping[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            "/workers": self._locate,
            "/mail": self._mail,
            "/events": self._events,
            "/messages": self._messages,
            TAIL: self._logged,
            CACHE: _cache,
        }
        if resource in answers:
            return await answers[resource](request)
        site = access.sites.get(resource.removeprefix("/assets/"))
        if site is not None:
            return await send_answer(request, site)
        return await serve_bucket(request, self._objects, resource.removeprefix("/r2/"))

    async def _locate(self, request: web.Request) -> web.Response:
        worker = request.match_info["path"]
        found = await self._neighbours.locate(worker)
        if found is None:
            return web.Response(status=404, text=f"Worker {worker!r} is not deployed")
        return web.json_response(found)

    async def _mail(self, request: web.Request) -> web.Response:
        self._neighbours.take_mail(await _text(request))
        return web.Response()

    async def _messages(self, request: web.Request) -> web.Response:
        told = json.loads(await _text(request))
        self._neighbours.take_messages(told["queue"], told["messages"])
        return web.Response()

    async def _events(self, request: web.Request) -> web.Response:
        """Take data points for Analytics Engine, which nobody can ask for here."""
        await _text(request)
        return web.Response()

    async def _logged(self, request: web.Request) -> web.Response:
        """Take what invocations logged."""
        for told in await request.json():
            self.traces.take(told)
        return web.Response(status=204)


async def _cache(request: web.Request) -> web.Response:
    """Answer as a cache that keeps nothing: so ``caches`` acts at workers.dev.

    Source: Cloudflare, Workers, Cache: "any *.workers.dev deployments will have no impact"; what
    workerd asks and takes is in its src/workerd/api/cache.c++.
    """
    async for _ in request.content.iter_chunked(1 << 16):
        pass
    status = _UNCACHED.get(request.method, 405)
    return web.Response(status=status, headers={"CF-Cache-Status": "MISS"})


async def _text(request: web.Request) -> str:
    return (await request.content.read()).decode("utf-8", "replace")
