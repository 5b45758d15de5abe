"""What the edge offers to the processes of versions by HTTP: R2 buckets, static files, its tails.

One loopback port for all. A process proves by its own token what it may reach, and names it in
a header, because a binding's requests carry addresses of the Worker's choice.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Access:
    """How one process reaches what it may: address, token, and the limits of it.

    Args:
        address: host and port.
        token: proves who asks.
        buckets: the buckets it is bound to.
        site: the version's static files, if any.
    """

    address: str
    token: str
    buckets: frozenset[str]
    site: Site | None

    def headers(self, resource: str) -> dict[str, str]:
        """Return the headers of a request for ``/r2/<bucket>``, ``/assets`` or :data:`TAIL`."""
        return {TOKEN_HEADER: self.token, RESOURCE_HEADER: resource}

    def allows(self, resource: str) -> bool:
        """Return whether a resource is among what the process is bound to."""
        if resource == TAIL:
            return True
        if resource == "/assets":
            return self.site is not None
        return resource.removeprefix("/r2/") in self.buckets


class Services:
    """Serve buckets and static files to the versions' processes, and hear what they logged."""

    def __init__(self, objects: Objects) -> None:
        self.traces = Traces()
        self._objects = objects
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

    def grant(self, buckets: frozenset[str], site: Site | None) -> Access:
        """Let a process reach some buckets and files."""
        access = Access(self._address, secrets.token_urlsafe(32), buckets, site)
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
        if resource == TAIL:
            for told in await request.json():
                self.traces.take(told)
            return web.Response(status=204)
        if access.site is not None and resource == "/assets":
            return await send_answer(request, access.site)
        return await serve_bucket(request, self._objects, resource.removeprefix("/r2/"))
