"""Whether a part answers: one plain HTTP request, without any client library."""

from __future__ import annotations

import asyncio
from typing import Final

from xswarm_twin.address import HOST
from xswarm_twin.components import Part, Probe

_PAUSE: Final = 0.05  # seconds between two attempts
_PATIENCE: Final = 5.0  # seconds for one answer


async def until_ready(part: Part) -> None:
    """Return when every probe of a part got its answer."""
    await asyncio.gather(*(_until_answered(probe) for probe in part.probes))


async def _until_answered(probe: Probe) -> None:
    while not await answered(probe):
        await asyncio.sleep(_PAUSE)


async def answered(probe: Probe) -> bool:
    """Ask once; return whether the answer is one that means ready."""
    try:
        status = await asyncio.wait_for(_ask(probe), _PATIENCE)
    except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
        return False
    return status in probe.statuses if probe.statuses else status > 0


async def _ask(probe: Probe) -> int:
    reader, writer = await asyncio.open_connection(HOST, probe.port)
    try:
        writer.write(_request(probe))
        await writer.drain()
        protocol, status, *_ = (await reader.readline()).decode("ascii").split(maxsplit=2)
        return int(status) if protocol.startswith("HTTP/1.") else 0
    finally:
        writer.close()


def _request(probe: Probe) -> bytes:
    headers = {"Host": f"{HOST}:{probe.port}", "Connection": "close", **probe.headers}
    if probe.body:
        headers |= {
            "Content-Type": "application/json",
            "Content-Length": str(len(probe.body.encode())),
        }
    lines = [f"{'POST' if probe.body else 'GET'} {probe.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + probe.body).encode()
