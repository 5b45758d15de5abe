"""Run the Cloudflare stand-in of a twin: ``python -m xswarm_twin.cloudflare FOLDER``.

Names and ports are those of the twin's state, the account's and the buckets' keys its credentials.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

from xswarm_twin import credentials, state
from xswarm_twin.address import HOST
from xswarm_twin.cloudflare.app import make_app, serve_stored
from xswarm_twin.cloudflare.telemetry import Kept
from xswarm_twin.cloudflare.twin import Account, Addresses, Twin, open_twin
from xswarm_twin.edge.edge import Edge
from xswarm_twin.edge.routing import Kind
from xswarm_twin.folder import Folder
from xswarm_twin.objects.s3 import S3
from xswarm_twin.objects.signature import Keys
from xswarm_twin.objects.store import Objects

_log = logging.getLogger("xswarm_twin.cloudflare")


def main(path: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(_serve(Folder(Path(path))))
    except OSError as error:  # a port is taken, or the folder cannot be written
        sys.exit(f"the Cloudflare stand-in cannot serve: {error}")


async def _serve(folder: Folder) -> None:
    stopped = _stopped_by_signal()
    async with AsyncExitStack() as stack:
        await _start(stack, folder)
        await stopped.wait()


def _stopped_by_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _start(stack: AsyncExitStack, folder: Folder) -> None:
    """Start all parts; the API is last, so that whoever reaches it finds the edge serving."""
    planned, keys = state.read(folder), credentials.load(folder)
    account = Account(keys["CLOUDFLARE_ACCOUNT_ID"], keys["CLOUDFLARE_API_TOKEN"])
    objects = Objects(folder.path / "objects")
    stack.callback(objects.close)
    s3 = S3(objects, Keys(keys["S3_ACCESS_KEY_ID"], keys["S3_SECRET_ACCESS_KEY"]))
    stack.push_async_callback(s3.close)
    await s3.listen(planned.ports["objects"])
    tails = Kept()
    edge = Edge(folder.path, objects, tails=tails, token=account.token)
    stack.push_async_callback(edge.close)

    async def listen(kind: Kind, names: tuple[str, ...]) -> dict[str, int]:
        ports = {name: planned.ports[f"{kind}:{name}"] for name in names}
        return {name: await edge.listen(kind, name, port) for name, port in ports.items()}

    hosts = Addresses(await listen("worker", planned.workers), await listen("pages", planned.pages))
    twin = open_twin(account, folder.path, edge, objects, hosts, tails)
    await _start_api(stack, twin, planned.ports["api"])


async def _start_api(stack: AsyncExitStack, twin: Twin, port: int) -> None:
    runner = web.AppRunner(make_app(twin), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await serve_stored(twin)
    await web.TCPSite(runner, HOST, port).start()
    _log.info("the API listens on %s port %s", HOST, port)


if __name__ == "__main__":
    main(sys.argv[1])
