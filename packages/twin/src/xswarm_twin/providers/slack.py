"""Slack's incoming webhooks: emulate's, behind a check of the URL's secret part.

Source: Slack, "Sending messages using incoming webhooks", handling errors.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qs

from aiohttp import web
from aiohttp.typedefs import Middleware

from xswarm_twin.endpoints import SLACK_BOT, SLACK_TEAM
from xswarm_twin.providers import front, keys
from xswarm_twin.providers.received import Received


class Slack:
    """Answer as Slack's webhooks do.

    Args:
        token: the last part of the webhook's URL.
        target: emulate's base URL.
        received: where delivered messages are kept.
    """

    name = "slack"

    def __init__(self, token: str, target: str, received: Received) -> None:
        self._token, self._target, self._received = token, target, received

    def application(self, faulty: Middleware) -> web.Application:
        """Make the application; faults come before all else."""
        application = web.Application(middlewares=[faulty])
        application.router.add_post("/services/{team}/{bot}/{token}", self._post)
        return application

    def failure(self, status: int) -> web.Response:
        """Return the answer of a status."""
        if status == 429:
            return web.Response(text="rate_limited", status=429, headers={"Retry-After": "1"})
        return web.Response(
            text="rollup_error" if status >= 500 else "action_prohibited", status=status
        )

    def revoked(self) -> web.Response:
        """Return what a webhook that was removed gets."""
        return web.Response(text="no_service", status=404)

    async def _post(self, request: web.Request) -> web.Response:
        wanted = request.match_info
        if wanted["team"] != SLACK_TEAM:
            return web.Response(text="no_team", status=404)
        if wanted["bot"] != SLACK_BOT:
            return self.revoked()
        if not keys.same(wanted["token"], self._token):
            return web.Response(text="invalid_token", status=403)
        body = await request.read()
        response = await front.passed_on(request, self._target, self.failure(503), body)
        if response.status == 200:
            self._received.add(self.name, _message(await request.text()))
        return response


def _message(text: str) -> object:
    """Read a message that Slack has taken: JSON, or JSON in a form."""
    form = parse_qs(text).get("payload")
    return json.loads(form[0] if form else text)
