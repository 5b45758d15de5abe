"""SendGrid's event webhooks: made, listed, changed, signed, tried out, deleted.

Source: SendGrid's OpenAPI document tsg_webhooks_v3.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from xswarm_twin.providers import answers, signatures
from xswarm_twin.providers.received import Received
from xswarm_twin.providers.records import Records

_PATH: Final = "/v3/user/webhooks/event"
_MOST: Final = 5
_EVENTS: Final = (
    "group_resubscribe",
    "delivered",
    "group_unsubscribe",
    "spam_report",
    "bounce",
    "deferred",
    "unsubscribe",
    "processed",
    "open",
    "click",
    "dropped",
)
_FLAGS: Final = ("enabled", "account_status_change", *_EVENTS)
_TEXTS: Final = ("url", "friendly_name", "oauth_client_id", "oauth_token_url")
_BAD_ID: Final = "Invalid id provided."
_DELIVERY_LIMIT: Final = ClientTimeout(total=10)


class EventWebhooks:
    """Keep the event webhooks of one account.

    Args:
        records: where they and their signing keys are kept.
        received: where the answers to trial events are kept.
    """

    def __init__(self, records: Records, received: Received) -> None:
        self._records, self._received = records, received
        self._webhooks = records.table("event_webhooks")
        self._signing = records.table("signing_keys")

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; without an id the oldest webhook is meant."""
        settings = f"{_PATH}/settings"
        return [
            web.get(f"{settings}/all", self._list),
            web.get(f"{settings}/signed", self._get_signing),
            web.get(f"{settings}/signed/{{id}}", self._get_signing),
            web.patch(f"{settings}/signed", self._toggle_signing),
            web.patch(f"{settings}/signed/{{id}}", self._toggle_signing),
            web.post(f"{_PATH}/test", self._test),
            web.post(settings, self._create),
            web.get(settings, self._get),
            web.get(f"{settings}/{{id}}", self._get),
            web.patch(settings, self._update),
            web.patch(f"{settings}/{{id}}", self._update),
            web.delete(f"{settings}/{{id}}", self._delete),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        hooks = list(self._webhooks.values())
        return web.json_response({"max_allowed": _MOST, "webhooks": hooks})

    async def _create(self, request: web.Request) -> web.Response:
        wanted = await answers.body(request)
        problem = _event_problem(wanted) or self._url_problem(wanted.get("url"), "")
        if problem:
            return problem
        if len(self._webhooks) >= _MOST:
            return answers.error(
                400,
                "You have reached the maximum number of webhooks per your current billing plan.",
            )
        moment = _now()
        hook = dict.fromkeys(_FLAGS, False) | {"friendly_name": "", "public_key": ""} | wanted
        hook |= {"id": str(uuid.uuid4()), "created_date": moment, "updated_date": moment}
        hook.pop("oauth_client_secret", None)
        self._webhooks[hook["id"]] = hook
        self._records.save()
        return web.json_response(_unsigned(hook), status=201)

    async def _get(self, request: web.Request) -> web.Response:
        hook = self._named_or_oldest(request)
        return web.json_response(hook) if hook else answers.error(404, _BAD_ID)

    async def _update(self, request: web.Request) -> web.Response:
        hook, wanted = self._named_or_oldest(request), await answers.body(request)
        if not hook:
            return answers.error(404, _BAD_ID)
        problem = _event_problem(wanted)
        if not problem and "url" in wanted:
            problem = self._url_problem(wanted["url"], hook["id"])
        if problem:
            return problem
        wanted.pop("oauth_client_secret", None)
        hook.update(wanted, updated_date=_now())
        self._records.save()
        return web.json_response(_unsigned(hook))

    async def _delete(self, request: web.Request) -> web.Response:
        identity = request.match_info["id"]
        if identity not in self._webhooks:
            return answers.error(404, _BAD_ID)
        del self._webhooks[identity]
        self._signing.pop(identity, None)
        self._records.save()
        return web.Response(status=204)

    async def _get_signing(self, request: web.Request) -> web.Response:
        hook = self._named_or_oldest(request)
        if not hook:
            return answers.error(404, _BAD_ID)
        return web.json_response({"id": hook["id"], "public_key": hook["public_key"]})

    async def _toggle_signing(self, request: web.Request) -> web.Response:
        """Switch signatures on, with new keys, or off; what is on already keeps its keys."""
        hook, wanted = self._named_or_oldest(request), await answers.body(request)
        if not hook:
            return answers.error(404, _BAD_ID)
        if not isinstance(wanted.get("enabled"), bool):
            return answers.error(400, "enabled must be a boolean", "enabled")
        if wanted["enabled"] and not hook["public_key"]:
            self._signing[hook["id"]], hook["public_key"] = signatures.make()
        elif not wanted["enabled"]:
            self._signing.pop(hook["id"], None)
            hook["public_key"] = ""
        self._records.save()
        return web.json_response({"id": hook["id"], "public_key": hook["public_key"]})

    async def _test(self, request: web.Request) -> web.Response:
        """Deliver one event of each kind, as the service does when it is asked to."""
        wanted = await answers.body(request)
        if not answers.is_url(wanted.get("url")):
            return answers.error(400, f"'{wanted.get('url')}' is not a valid url")
        identity = str(wanted.get("id", ""))
        payload = json.dumps([_event(name) for name in _EVENTS]).encode()
        headers = {"Content-Type": "application/json"}
        if identity in self._signing:
            headers |= signatures.headers(self._signing[identity], payload)
        try:
            async with (
                ClientSession(timeout=_DELIVERY_LIMIT) as session,
                session.post(wanted["url"], data=payload, headers=headers) as answer,
            ):
                self._received.add("sendgrid", {"test_event_answer": answer.status})
        except (ClientError, TimeoutError) as error:
            self._received.add("sendgrid", {"test_event_answer": type(error).__name__})
        return web.Response(status=204)

    def _named_or_oldest(self, request: web.Request) -> dict[str, Any] | None:
        """Find a webhook by its id; without one the oldest is meant."""
        identity = request.match_info.get("id")
        if identity:
            found: dict[str, Any] | None = self._webhooks.get(identity)
            return found
        return next(iter(self._webhooks.values()), None)

    def _url_problem(self, url: Any, itself: str) -> web.Response | None:
        if not answers.is_url(url):
            return answers.error(400, f"'{url}' is not a valid url")
        for identity, hook in self._webhooks.items():
            if hook["url"] == url and identity != itself:
                message = f"Webhook at '{url}' already exists. Please provide a unique URL."
                entry = {"id": identity, "message": message, "url": url}
                return web.json_response({"errors": [entry]}, status=400)
        return None


def _event_problem(wanted: dict[str, Any]) -> web.Response | None:
    """Refuse what the document does not know, and values of another type."""
    for name, value in wanted.items():
        kind = bool if name in _FLAGS else str
        if name not in (*_FLAGS, *_TEXTS, "oauth_client_secret"):
            return answers.error(400, f"unknown field {name}", name)
        if not isinstance(value, kind):
            return answers.error(400, f"{name} must be a {kind.__name__}", name)
    return None


def _unsigned(hook: dict[str, Any]) -> dict[str, Any]:
    """Leave the public key out, as answers to a creation and an update do."""
    return {name: value for name, value in hook.items() if name != "public_key"}


def _event(name: str) -> dict[str, Any]:
    return {
        "email": "example@test.com",
        "timestamp": int(time.time()),
        "event": name,
        "sg_event_id": secrets.token_urlsafe(12),
        "sg_message_id": f"{secrets.token_hex(6)}.filter0001",
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
