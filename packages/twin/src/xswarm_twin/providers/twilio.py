"""Twilio: emulate, behind a front that keeps numbers and adds fields emulate leaves out.

Source: Twilio API reference, "IncomingPhoneNumber resource", "Error and warning dictionary".
"""

from __future__ import annotations

import json
import re
import secrets
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import BasicAuth, web
from aiohttp.typedefs import Middleware

from xswarm_twin.credentials import TWILIO_ACCOUNT
from xswarm_twin.providers import answers, front, keys, numbers
from xswarm_twin.providers.answers import twilio_error
from xswarm_twin.providers.messaging_services import PATH, MessagingServices
from xswarm_twin.providers.received import Received

_LONGEST_URL: Final = 4000  # characters
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_NUMBERS: Final = re.compile(r"/2010-04-01/Accounts/\w+/IncomingPhoneNumbers(/(PN\w+))?\.json")
_MESSAGES: Final = re.compile(r"/2010-04-01/Accounts/\w+/Messages\.json")
# Fields of the resource that emulate does not have: name in answers, name in requests, default.
_ADDED: Final = (
    ("sms_application_sid", "SmsApplicationSid", ""),
    ("voice_application_sid", "VoiceApplicationSid", ""),
    ("trunk_sid", "TrunkSid", None),
    ("status_callback_method", "StatusCallbackMethod", "POST"),
    ("sms_fallback_url", "SmsFallbackUrl", ""),
    ("voice_fallback_url", "VoiceFallbackUrl", ""),
)


class Twilio:
    """Answer as Twilio does.

    Args:
        target: emulate's base URL.
        folder: where the numbers are kept.
        received: where sent messages are kept.
        token: the account's, also the API key's secret.
    """

    name = "twilio"

    def __init__(self, target: str, folder: Path, received: Received, token: str) -> None:
        self._target, self._received, self._token = target, received, token
        self._records = numbers.records(folder)
        self._numbers = self._records.table("numbers")
        self._added = self._records.table("added")
        self._services = MessagingServices(self._records)

    def application(self, faulty: Middleware) -> web.Application:
        """Make the application; faults come before all else."""
        application = web.Application(middlewares=[faulty])
        application.router.add_route("*", "/{path:.*}", self._any)
        application.on_response_prepare.append(_sign)
        return application

    def failure(self, status: int) -> web.Response:
        """Return the documented error of a status."""
        if status == 429:
            return twilio_error(429, "Too Many Requests", 20429)
        return twilio_error(status, "An internal server error has occurred", 20500)

    def revoked(self) -> web.Response:
        """Return what a token that is not good gets."""
        return twilio_error(401, "Authenticate", 20003)

    async def _any(self, request: web.Request) -> web.Response:
        if PATH.fullmatch(request.path) and not self._knows(request):
            return self.revoked()
        served = await self._services.answer(request, partial(self._has, request))
        if served is not None:
            return served
        number = _NUMBERS.fullmatch(request.path)
        wrong = await _wrong(request) if number and request.method == "POST" else None
        if wrong is not None:
            return wrong
        response = await self._passed_on(request)
        if number and response.status < 300:
            return await self._number(request, response, number.group(2))
        if _MESSAGES.fullmatch(request.path) and response.status == 201:
            self._received.add(self.name, _body(response))
        return response

    async def _passed_on(self, request: web.Request) -> web.Response:
        """Let emulate answer; of a body that is no form Twilio reads nothing."""
        body = await request.read() if request.content_type in _FORMS else b""
        return await front.passed_on(request, self._target, self.failure(503), body)

    async def _has(self, request: web.Request, sid: str) -> bool:
        """Return whether the account has a number, by the credentials of a request."""
        path = f"/2010-04-01/Accounts/{TWILIO_ACCOUNT}/IncomingPhoneNumbers/{sid}.json"
        found = await front.passed_on(request, self._target, self.failure(503), path=path)
        return found.status == 200

    def _knows(self, request: web.Request) -> bool:
        """Return whether a request has the credentials of the account, as emulate takes them."""
        try:
            given = BasicAuth.decode(request.headers.get("Authorization", ""))
        except ValueError:
            return False
        known = given.login in (TWILIO_ACCOUNT, numbers.KEY)
        return known and keys.same(given.password, self._token)

    async def _number(
        self, request: web.Request, response: web.Response, sid: str | None
    ) -> web.Response:
        """Keep what was changed at a number, and complete what is told of it."""
        if request.method == "DELETE" and sid:
            self._numbers.pop(sid, None)
            self._added.pop(sid, None)
            self._records.save()
            return response
        body = _body(response)
        if request.method == "POST":
            form = await request.post()
            self._keep(body, {name: str(value) for name, value in form.items()})
        for number in body.get("incoming_phone_numbers", [body]):
            number |= self._complete(number["sid"])
        return web.json_response(body, status=response.status)

    def _keep(self, number: dict[str, Any], form: dict[str, str]) -> None:
        sid = number["sid"]
        given = {name: form[asked] for name, asked, _ in _ADDED if asked in form}
        self._numbers[sid] = number
        self._added[sid] = {**self._added.get(sid, {}), **given}
        self._records.save()

    def _complete(self, sid: str) -> dict[str, Any]:
        known = self._added.get(sid, {})
        return {name: known.get(name) or default for name, _, default in _ADDED}


async def _sign(_request: web.Request, response: web.StreamResponse) -> None:
    """Name the request, and say how many are under way, as every answer does."""
    response.headers.setdefault("Twilio-Request-Id", f"RQ{secrets.token_hex(16)}")
    response.headers.setdefault("Twilio-Concurrent-Requests", "1")


async def _wrong(request: web.Request) -> web.Response | None:
    """Return why the settings of a number are refused, if they are."""
    for name, given in (await request.post()).items():
        value = str(given)
        if name.endswith("Method") and value.upper() not in ("GET", "POST"):
            return twilio_error(400, f"Invalid Method: {name} is GET or POST, not {value}", 21403)
        is_url = value and (name.endswith("Url") or name == "StatusCallback")
        if is_url and (len(value) > _LONGEST_URL or not answers.is_url(value)):
            return twilio_error(400, f"Invalid Url: {name} is not a valid URL", 21402)
    return None


def _body(response: web.Response) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(response.body) if isinstance(response.body, bytes) else {}
    return data
