"""Run a twin's own stand-ins and the fronts: ``python -m xswarm_twin.providers FOLDER``.

Ports are those of the twin's state, keys those of its credentials.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiohttp import web

from xswarm_twin import credentials, state
from xswarm_twin.address import HOST, address
from xswarm_twin.credentials import Credentials
from xswarm_twin.folder import Folder
from xswarm_twin.providers import host
from xswarm_twin.providers.anthropic import Anthropic
from xswarm_twin.providers.host import Provider, Shared
from xswarm_twin.providers.openai import OpenAI
from xswarm_twin.providers.received import Received
from xswarm_twin.providers.records import Records
from xswarm_twin.providers.sendgrid import SendGrid
from xswarm_twin.providers.slack import Slack
from xswarm_twin.providers.stripe import Keys, Stripe
from xswarm_twin.providers.twilio import Twilio

_SHUTDOWN: Final = 1.0  # seconds that requests under way have


def main(path: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    asyncio.run(_serve(Folder(Path(path))))


async def _serve(folder: Folder) -> None:
    ports, keys = state.read(folder).ports, credentials.load(folder)
    received = Received(folder.providers / "received.jsonl")
    served = _providers(folder.providers, ports, keys, received)
    names = tuple(provider.name for provider in served)
    shared = Shared(received, names, keys["CLOUDFLARE_API_TOKEN"])
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    runners = [await _listen(host.dress(one, shared), ports[one.name]) for one in served]
    await ending.wait()
    shared.expired.close()
    await asyncio.gather(*(runner.cleanup() for runner in runners))


def _providers(
    folder: Path, ports: Mapping[str, int], keys: Credentials, received: Received
) -> list[Provider]:
    """Make the stand-ins."""
    test, live = keys["STRIPE_SECRET_KEY_TEST"], keys["STRIPE_SECRET_KEY_LIVE"]
    stripe_keys = Keys(test, live, keys["STRIPE_RESTRICTED_KEY_TEST"])
    token, hook = keys["TWILIO_AUTH_TOKEN_TEST"], keys["SLACK_WEBHOOK_TOKEN"]
    return [
        Stripe(stripe_keys, keys["STRIPE_ACCOUNT_ID"], folder),
        SendGrid(keys["SENDGRID_API_KEY_TEST"], Records(folder / "sendgrid.json"), received),
        Anthropic(keys["ANTHROPIC_API_KEY"]),
        OpenAI(keys["OPENAI_API_KEY"]),
        Twilio(address(ports["twilio-inner"]), folder, received, token),
        Slack(hook, address(ports["slack-inner"]), received),
    ]


async def _listen(application: web.Application, port: int) -> web.AppRunner:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    return runner


if __name__ == "__main__":
    main(sys.argv[1])
