"""What a real server does to an exchange: clients that leave it, in their own ways."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.instruments import REQUESTS

HEAD = b" HTTP/1.1\r\nHost: shop.test\r\n"


def counted(watched: Monitor) -> dict[tuple[str, ...], int]:
    series = watched.metrics.total().sketches.get(REQUESTS.name, {})
    return {labels: sketch.count for labels, sketch in series.items()}


async def leave(port: int, request: bytes) -> None:
    """Ask over a real socket, and close it before there is an answer, or all of one."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()


def served(watched: Monitor, requests: Sequence[bytes]) -> dict[tuple[str, ...], int]:
    """Return what is counted once each of some clients has asked uvicorn, and left."""

    async def story() -> None:
        config = uvicorn.Config(watched, port=0, lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        for request in requests:
            await leave(port, request)
        while sum(counted(watched).values()) < len(requests):
            await asyncio.sleep(0.01)
        server.should_exit = True
        await serving

    asyncio.run(asyncio.wait_for(story(), 60))
    return counted(watched)


async def upload(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def endless(_request: Request) -> Response:
    async def ticks() -> Any:
        while True:
            yield "data: 1\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(ticks(), media_type="text/event-stream")


def test_who_leaves_uvicorn_is_no_error_of_ours() -> None:
    """It raises nothing where a client is gone: it says so to whoever receives."""
    routes = [Route("/upload", upload, methods=["POST"]), Route("/endless", endless)]
    watched = Monitor(Starlette(routes=routes), service="shop")
    half = b"POST /upload" + HEAD + b"Content-Length: 1000\r\n\r\nhalf"
    assert served(watched, [half, b"GET /endless" + HEAD + b"\r\n"]) == {
        ("/upload", "POST", "499"): 1,
        ("/endless", "GET", "499"): 1,
    }
