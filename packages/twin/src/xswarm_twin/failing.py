"""How a request meets a fault that every stand-in knows: late, or without an answer."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from xswarm_twin.faults import Fault

_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: closing sends RST


async def meet(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request late, or break its connection, as a fault says."""
    await asyncio.sleep(fault.amount if fault.name == "slow" else 0)
    response = web.Response() if fault.name == "reset" else await handler(request)
    if fault.name != "slow":
        _break(request)
    return response


def _break(request: web.Request) -> None:
    """Break the connection as a failing network does: nobody receives the answer."""
    if request.transport is None:
        return
    connection = request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    request.transport.abort()
