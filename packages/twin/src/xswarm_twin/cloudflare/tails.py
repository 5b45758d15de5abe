"""Tails of a Worker: begun by a call, read over a WebSocket, ended by a call."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from aiohttp import WSMsgType, web

from xswarm_twin.cloudflare import bodies, refusals, versions
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.twin import twin_of
from xswarm_twin.edge.tails import Tail, require_filter

PROTOCOL = "trace-v1"
PATH = "/__sandbox/tails/{tail}"
"""Where the events are read; on Cloudflare a host of its own. Its address is the permission."""

routes = web.RouteTableDef()
reading = web.RouteTableDef()
_ALL = "/accounts/{account}/workers/scripts/{worker}/tails"


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List a Worker's tails."""
    worker = versions.find_worker(request)
    return success([_told(request, tail) for tail in twin_of(request).tails.of(worker.name)])


@routes.post(_ALL)
async def create(request: web.Request) -> web.Response:
    """Begin a tail with its filters, and tell where its events are read."""
    worker, body = versions.find_worker(request), await bodies.json_object(request)
    filters = [bodies.checked(one, dict, "a filter") for one in body.get("filters") or []]
    try:
        for one in filters:
            require_filter(one)
    except ValueError as error:
        raise refusals.body_invalid(str(error)) from None
    tail = Tail(worker.name, filters)
    twin_of(request).tails.add(tail)
    return success(_told(request, tail))


@routes.delete(_ALL + "/{tail}")
async def delete(request: web.Request) -> web.Response:
    """End a tail."""
    versions.find_worker(request)
    twin_of(request).tails.remove(request.match_info["tail"])
    return success(None)


@reading.get(PATH)
async def read(request: web.Request) -> web.StreamResponse:
    """Send a tail's events, as they come, until the listener goes."""
    tail = twin_of(request).tails.find(request.match_info["tail"])
    if tail is None or PROTOCOL not in request.headers.get("Sec-WebSocket-Protocol", ""):
        raise web.HTTPNotFound
    socket = web.WebSocketResponse(protocols=[PROTOCOL], heartbeat=10.0)
    await socket.prepare(request)
    tail.connected = True
    sending = asyncio.create_task(_send(socket, tail))
    try:
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
    finally:
        tail.connected = False
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return socket


async def _send(socket: web.WebSocketResponse, tail: Tail) -> None:
    while True:
        await socket.send_str(await tail.events.get())


def _told(request: web.Request, tail: Tail) -> dict[str, Any]:
    path = PATH.format(tail=tail.id)
    ends = datetime.fromtimestamp(tail.expires, UTC).isoformat(timespec="seconds")
    return {"id": tail.id, "url": f"ws://{request.host}{path}", "expires_at": ends}
