"""Stripe, SendGrid and Twilio in this process, one of each for all cases; Twilio on emulate."""

from __future__ import annotations

import asyncio
import json
import threading
import warnings
from base64 import b64encode
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.project import LOCAL_VALUES
from xswarm_twin import files, folder, supervisor
from xswarm_twin.address import address
from xswarm_twin.credentials import TWILIO_ACCOUNT, TWILIO_NUMBER
from xswarm_twin.providers.host import Provider
from xswarm_twin.providers.received import Received
from xswarm_twin.providers.records import Records
from xswarm_twin.providers.sendgrid import SendGrid
from xswarm_twin.providers.stripe import Keys, Stripe
from xswarm_twin.providers.twilio import Twilio

_STRIPE_KEY: Final = LOCAL_VALUES["STRIPE_SECRET_KEY_TEST"]
_SENDGRID_KEY: Final = LOCAL_VALUES["SENDGRID_API_KEY_TEST"]
_NUMBER: Final = {  # Twilio's names in answers → in requests, of what a number is set to
    "sms_url": "SmsUrl",
    "sms_method": "SmsMethod",
    "voice_url": "VoiceUrl",
    "voice_method": "VoiceMethod",
    "status_callback": "StatusCallback",
    "status_callback_method": "StatusCallbackMethod",
}


class Providers:
    """Serve on loopback until :meth:`stop`; what is kept there can be taken back.

    Args:
        home: where their state is.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # localstripe's, of aiohttp
            import_module("localstripe.server")
        self._home, received = home, Received(home / "received.jsonl")
        emulate = supervisor.up(home, [], [], only=("emulate",))
        self._twilio_token = files.read_object(folder.of(home).credentials)[
            "TWILIO_AUTH_TOKEN_TEST"
        ]
        self._stripe = Stripe(
            Keys(_STRIPE_KEY, "sk_live_nobody", "rk_test_nobody"), "acct_faults", home
        )
        self._mail = Records(home / "sendgrid.json")
        served: tuple[Provider, ...] = (
            self._stripe,
            SendGrid(_SENDGRID_KEY, self._mail, received),
            Twilio(address(emulate.ports["twilio-inner"]), home, received, self._twilio_token),
        )
        self._loop, self._runners = asyncio.new_event_loop(), list[web.AppRunner]()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._urls = {one.name: address(self._do(self._listen(one))) for one in served}

    @property
    def values(self) -> Mapping[str, str]:
        """Return what an environment says of them: addresses, and what opens them."""
        return {
            "STRIPE_API_BASE": self._urls["stripe"],
            "SENDGRID_API_BASE": self._urls["sendgrid"],
            "TWILIO_API_BASE": self._urls["twilio"],
            "TWILIO_ACCOUNT_SID": TWILIO_ACCOUNT,
            "TWILIO_AUTH_TOKEN_TEST": self._twilio_token,
            "TWILIO_PHONE_NUMBER": TWILIO_NUMBER,
        }

    def delivering(self) -> tuple[str, ...]:
        """Return what each delivers, and where to, in words: read by plain HTTP."""
        stripe = self._ask("stripe", "/v1/webhook_endpoints?limit=100")["data"]
        mail = self._ask("sendgrid", "/v3/user/webhooks/event/settings/all")["webhooks"]
        handed = self._ask("sendgrid", "/v3/user/webhooks/parse/settings")["result"]
        policies = self._ask("sendgrid", "/v3/user/webhooks/security/policies")["policies"]
        number = self._number()
        return (
            *sorted(f"{one['url']} {one['enabled_events']} {one['status']}" for one in stripe),
            *sorted(_of_mail(one) for one in mail),
            *sorted(f"{one['hostname']} {one['url']}" for one in handed),
            f"{len(policies)} security policies",
            " ".join(str(number[name]) for name in _NUMBER),
        )

    def kept(self) -> str:
        """Return all that is kept there."""
        return json.dumps([self._tables, self._number()])

    def restore(self, kept: str) -> None:
        """Let there be again what was kept at an earlier time."""
        tables, number = json.loads(kept)
        for name, table in self._tables.items():
            table.clear()
            table.update(tables.get(name, {}))
        if number != self._number():
            wanted = {asked: number[name] or "" for name, asked in _NUMBER.items()}
            self._ask("twilio", f"{_NUMBERS}/{number['sid']}.json", wanted)

    def stop(self) -> None:
        """End the servers, their thread, and emulate."""
        for runner in self._runners:
            self._do(runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        supervisor.down(self._home)

    @property
    def _tables(self) -> dict[str, dict[str, Any]]:
        return {**self._stripe._endpoints._records._tables, **self._mail._tables}

    def _number(self) -> dict[str, Any]:
        found = self._ask("twilio", f"{_NUMBERS}.json")["incoming_phone_numbers"]
        return next(one for one in found if one["phone_number"] == TWILIO_NUMBER)

    def _ask(self, name: str, path: str, form: Mapping[str, str] | None = None) -> Any:
        basic = b64encode(f"{TWILIO_ACCOUNT}:{self._twilio_token}".encode()).decode()
        opens = {
            "stripe": f"Bearer {_STRIPE_KEY}",
            "sendgrid": f"Bearer {_SENDGRID_KEY}",
            "twilio": f"Basic {basic}",
        }
        data = urlencode(form).encode() if form else None
        request = Request(self._urls[name] + path, data, {"Authorization": opens[name]})
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    async def _listen(self, provider: Provider) -> int:
        runner = web.AppRunner(provider.application(_healthy), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runners.append(runner)
        return int(runner.addresses[0][1])

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


_NUMBERS: Final = f"/2010-04-01/Accounts/{TWILIO_ACCOUNT}/IncomingPhoneNumbers"


def _of_mail(webhook: Mapping[str, Any]) -> str:
    on = sorted(name for name, value in webhook.items() if value is True)
    return f"{webhook['url']} {on}"


@web.middleware
async def _healthy(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)
