"""Run the Cloudflare stand-in: ``python -m xswarm_twin.cloudflare``.

The account comes by the environment (CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID), and so do
the keys of the buckets' S3 face (S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aiohttp import web

from xswarm_twin.cloudflare.app import make_app, serve_stored
from xswarm_twin.cloudflare.telemetry import Kept
from xswarm_twin.cloudflare.twin import Account, Addresses, Twin, open_twin
from xswarm_twin.edge.edge import Edge
from xswarm_twin.objects.s3 import S3
from xswarm_twin.objects.signature import Keys
from xswarm_twin.objects.store import Objects

_HOST = "127.0.0.1"
_log = logging.getLogger("xswarm_twin.cloudflare")


@dataclass(frozen=True)
class Listener:
    """A name of a Worker or project, and the port whose "/" it is."""

    name: str
    port: int


def main() -> None:
    """Read the arguments, and serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(_serve(_arguments().parse_args(), _account()))
    except OSError as error:  # a port is taken, or the folder cannot be written
        sys.exit(f"the Cloudflare stand-in cannot serve: {error}")


def _account() -> Account:
    return Account(os.environ["CLOUDFLARE_ACCOUNT_ID"], os.environ["CLOUDFLARE_API_TOKEN"])


def _keys() -> Keys:
    return Keys(os.environ["S3_ACCESS_KEY_ID"], os.environ["S3_SECRET_ACCESS_KEY"])


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m xswarm_twin.cloudflare")
    parser.add_argument("--state", type=_path, required=True, help="the twin's folder")
    parser.add_argument("--api-port", type=int, required=True)
    parser.add_argument("--objects-port", type=int, help="of the S3 face; without it there is none")
    parser.add_argument("--workerd", type=_path, help="default: of the node_modules beside --state")
    parser.add_argument(
        "--worker", type=_listener, action="append", default=[], metavar="NAME:PORT"
    )
    parser.add_argument("--pages", type=_listener, action="append", default=[], metavar="NAME:PORT")
    return parser


def _path(text: str) -> Path:
    return Path(text).resolve()


def _listener(text: str) -> Listener:
    name, _, port = text.rpartition(":")
    if not name or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:PORT")
    return Listener(name, int(port))


async def _serve(arguments: argparse.Namespace, account: Account) -> None:
    stopped = _stopped_by_signal()
    async with AsyncExitStack() as stack:
        await _start(stack, arguments, account)
        _log.info("the API listens on %s port %s", _HOST, arguments.api_port)
        await stopped.wait()


def _stopped_by_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _start(stack: AsyncExitStack, arguments: argparse.Namespace, account: Account) -> None:
    """Start all parts; the API is last, so that whoever reaches it finds the edge serving."""
    state: Path = arguments.state
    state.mkdir(parents=True, exist_ok=True)
    objects = Objects(state / "objects")
    stack.callback(objects.close)
    if arguments.objects_port is not None:
        await _start_s3(stack, objects, arguments.objects_port)
    tails = Kept()
    edge = Edge(state, objects, workerd=arguments.workerd, tails=tails, token=account.token)
    stack.push_async_callback(edge.close)
    workers = await _listen(edge, "worker", arguments.worker)
    pages = await _listen(edge, "pages", arguments.pages)
    twin = open_twin(account, state, edge, objects, Addresses(workers, pages), tails)
    await _start_api(stack, twin, arguments.api_port)


async def _start_s3(stack: AsyncExitStack, objects: Objects, port: int) -> None:
    s3 = S3(objects, _keys())
    stack.push_async_callback(s3.close)
    await s3.listen(port)


async def _start_api(stack: AsyncExitStack, twin: Twin, port: int) -> None:
    runner = web.AppRunner(make_app(twin), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await serve_stored(twin)
    await web.TCPSite(runner, _HOST, port).start()


async def _listen(
    edge: Edge, kind: Literal["worker", "pages"], listeners: list[Listener]
) -> dict[str, int]:
    return {
        listener.name: await edge.listen(kind, listener.name, listener.port)
        for listener in listeners
    }


if __name__ == "__main__":
    main()
