"""Run our own stand-ins and the fronts, one port each, until a signal says to end."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path
from typing import Final

from aiohttp import web

from xswarm_twin.address import HOST, address
from xswarm_twin.providers import host
from xswarm_twin.providers.anthropic import Anthropic
from xswarm_twin.providers.faults import Faults
from xswarm_twin.providers.host import Provider, Shared
from xswarm_twin.providers.openai import OpenAI
from xswarm_twin.providers.received import Received
from xswarm_twin.providers.records import Records
from xswarm_twin.providers.sendgrid import SendGrid
from xswarm_twin.providers.slack import Slack
from xswarm_twin.providers.stripe import Keys, Stripe
from xswarm_twin.providers.twilio import Twilio

_SHUTDOWN: Final = 1.0  # seconds that requests under way have


def main() -> None:
    """Read the command line, and serve. Keys come by the environment."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--state", type=Path, required=True)
    for name in ("stripe", "sendgrid", "anthropic", "openai"):
        reader.add_argument(f"--{name}", type=int, required=True, metavar="PORT")
    for name in ("twilio", "slack"):
        reader.add_argument(f"--{name}", required=True, metavar="PORT:INNER")
    asyncio.run(_serve(reader.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    received = Received(options.state / "received.jsonl")
    served = _providers(options, received)
    names = tuple(provider.name for provider, _ in served)
    shared = Shared(Faults(), received, names, os.environ["CLOUDFLARE_API_TOKEN"])
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    runners = [await _listen(host.dress(provider, shared), port) for provider, port in served]
    await ending.wait()
    shared.expired.close()
    await asyncio.gather(*(runner.cleanup() for runner in runners))


def _providers(options: argparse.Namespace, received: Received) -> list[tuple[Provider, int]]:
    """Make the stand-ins, each with its port."""
    keys, folder = os.environ, options.state
    twilio, twilio_inner = map(int, options.twilio.split(":"))
    slack, slack_inner = map(int, options.slack.split(":"))
    stripe = Stripe(
        Keys(
            keys["STRIPE_SECRET_KEY_TEST"],
            keys["STRIPE_SECRET_KEY_LIVE"],
            keys["STRIPE_RESTRICTED_KEY_TEST"],
        ),
        keys["STRIPE_ACCOUNT_ID"],
        folder,
    )
    token = keys["TWILIO_AUTH_TOKEN_TEST"]
    twilio_front = Twilio(address(twilio_inner), folder, received, token)
    sendgrid = SendGrid(keys["SENDGRID_API_KEY_TEST"], Records(folder / "sendgrid.json"), received)
    return [
        (stripe, options.stripe),
        (sendgrid, options.sendgrid),
        (Anthropic(keys["ANTHROPIC_API_KEY"]), options.anthropic),
        (OpenAI(keys["OPENAI_API_KEY"]), options.openai),
        (twilio_front, twilio),
        (Slack(keys["SLACK_WEBHOOK_TOKEN"], address(slack_inner), received), slack),
    ]


async def _listen(application: web.Application, port: int) -> web.AppRunner:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    return runner


if __name__ == "__main__":
    main()
