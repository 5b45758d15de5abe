"""SendGrid's v3 API, as far as a deployment and its alerts use it; strict.

Source: SendGrid's OpenAPI documents tsg_scopes_v3 and tsg_mail_v3.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xswarm_twin.control import token_of
from xswarm_twin.providers import allowance, answers, keys, mail
from xswarm_twin.providers.event_webhooks import EventWebhooks
from xswarm_twin.providers.inbound_parse import InboundParse
from xswarm_twin.providers.received import Received
from xswarm_twin.providers.records import Records
from xswarm_twin.providers.senders import Senders

SCOPES: Final = (
    "mail.send",
    "user.webhooks.event.settings.create",
    "user.webhooks.event.settings.delete",
    "user.webhooks.event.settings.read",
    "user.webhooks.event.settings.update",
    "user.webhooks.event.test.create",
    "user.webhooks.parse.settings.create",
    "user.webhooks.parse.settings.delete",
    "user.webhooks.parse.settings.read",
    "user.webhooks.parse.settings.update",
    "whitelabel.read",
)
_SEND: Final = "/v3/mail/send"
_LARGEST: Final = 30 * 2**20  # bytes of one message, attachments included


class SendGrid:
    """Answer as SendGrid does.

    Args:
        key: the one that is good; it has the scopes above.
        records: where webhooks, parse settings and senders are kept.
        received: where accepted mail is kept.
    """

    name = "sendgrid"

    def __init__(self, key: str, records: Records, received: Received) -> None:
        self._key, self._received = key, received
        self._allowance = allowance.from_environment()
        self._senders = Senders(records)
        self._webhooks = EventWebhooks(records, received)
        self._parse = InboundParse(records)

    def application(self, faulty: Middleware) -> web.Application:
        """Make the application; faults come before all else."""
        application = web.Application(
            middlewares=[faulty, self._guarded()], client_max_size=_LARGEST
        )
        for part in (self._webhooks, self._parse, self._senders):
            application.add_routes(part.routes())
        application.router.add_get("/v3/scopes", _scopes)
        application.router.add_post(_SEND, self._send)
        return application

    def failure(self, status: int) -> web.Response:
        """Return the documented error of a status."""
        if status == 429:
            response = answers.error(429, "too many requests")
            ends = str(int(time.time()) + 1)
            response.headers.update({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": ends})
            return response
        return answers.error(
            status, "internal server error" if status >= 500 else "access forbidden"
        )

    def revoked(self) -> web.Response:
        """Return what a key that is not good gets."""
        return answers.error(
            401, "The provided authorization grant is invalid, expired, or revoked"
        )

    def _guarded(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            given = token_of(request.headers)
            if not given:
                return answers.error(401, "authorization required")
            if not keys.same(given, self._key):
                return self.revoked()
            if request.path == _SEND:
                return await answered(request, handler)
            taken, headers = self._allowance.take(f"{request.method} {request.path}")
            limited = answers.error(429, "too many requests")
            response = await answered(request, handler) if taken else limited
            response.headers.update(headers)
            return response

        async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                return await handler(request)
            except web.HTTPNotFound:
                return answers.error(404, "not found")
            except web.HTTPMethodNotAllowed:
                return answers.error(405, "method not allowed")
            except json.JSONDecodeError:
                return answers.error(400, "Bad Request")

        return guard

    async def _send(self, request: web.Request) -> web.Response:
        """Take mail, or say what is wrong with it; accepted mail can be looked at."""
        if request.content_type != "application/json":
            return answers.error(415, "Content-Type should be application/json.", "Content-Type")
        message = await answers.body(request)
        problems = mail.problems(message)
        if problems:
            return web.json_response(
                {"errors": [problem.describe() for problem in problems]}, status=400
            )
        if not self._senders.may_send(message["from"]["email"]):
            return answers.error(403, mail.UNVERIFIED, "from")
        if mail.sandboxed(message):
            return web.Response(status=200)
        identity = secrets.token_urlsafe(16)
        self._received.add(self.name, message)
        return web.Response(status=202, headers={"X-Message-Id": identity})


async def _scopes(_request: web.Request) -> web.Response:
    return web.json_response({"scopes": list(SCOPES)})
