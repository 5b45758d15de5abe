"""Write what was measured when a server stops, whether the app knows lifespans or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_ENDS = ("lifespan.shutdown.complete", "lifespan.shutdown.failed")


async def serve(
    app: Callable[[Any, _Receive, _Send], Awaitable[None]],
    scope: MutableMapping[str, Any],
    receive: _Receive,
    send: _Send,
    flush: Callable[[], Awaitable[None]],
) -> None:
    """Serve a lifespan: flush before the server is told that the app has shut down.

    An app that raises at the lifespan, returns without an answer, or answers it as a request,
    knows none; it is answered for. An app that said how its start went is believed.

    Args:
        app: the app.
        scope: the lifespan's.
        receive: as ASGI has it.
        send: likewise.
        flush: writes what was measured; it raises nothing.
    """
    started, received = False, False

    async def receive_noting() -> _Message:
        nonlocal received
        received = True
        return await receive()

    async def send_flushed(message: _Message) -> None:
        nonlocal started
        if not message["type"].startswith("lifespan."):
            return
        started = True
        if message["type"] in _ENDS:
            await flush()
        await send(message)

    try:
        await app(scope, receive_noting, send_flushed)
    except Exception:
        if started:
            raise
    if started:
        return
    if not received:
        await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await flush()
    await send({"type": "lifespan.shutdown.complete"})
