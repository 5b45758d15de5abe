"""SendGrid's v3 API, as far as a deployment and its alerts use it; strict.

Source: SendGrid's OpenAPI documents tsg_scopes_v3, tsg_webhooks_v3, tsg_verified_senders_v3,
tsg_domain_authentication_v3 and tsg_mail_v3.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from aiohttp.typedefs import Handler, Middleware

from deployment.sandbox.providers import keys, mail, signatures
from deployment.sandbox.providers.received import Received
from deployment.sandbox.providers.records import Records

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
_MOST_WEBHOOKS: Final = 5
_DOMAIN: Final = "xswarm.ai"  # authenticated from the start
_FIRST_SENDER: Final = {
    "id": 1,
    "nickname": "xSwarm Boss",
    "from_email": f"boss@{_DOMAIN}",
    "from_name": "xSwarm Boss",
    "reply_to": f"boss@{_DOMAIN}",
    "verified": True,
    "locked": False,
}
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


class SendGrid:
    """Answer as SendGrid does.

    Args:
        key: the one that is good; it has the scopes above.
        records: where webhooks, parse settings and senders are kept.
        received: where accepted mail is kept.
    """

    name = "sendgrid"

    def __init__(self, key: str, records: Records, received: Received) -> None:
        self._key, self._records, self._received = key, records, received
        self._webhooks = records.table("event_webhooks")
        self._signing = records.table("signing_keys")
        self._parse = records.table("parse_settings")
        self._senders = records.table("verified_senders", {"1": _FIRST_SENDER})

    def application(self, faulty: Middleware) -> web.Application:
        """Make the application; faults come before all else."""
        application = web.Application(
            middlewares=[faulty, self._guarded()], client_max_size=40 * 2**20
        )
        event, parse = "/v3/user/webhooks/event", "/v3/user/webhooks/parse/settings"
        application.add_routes(
            [
                web.get("/v3/scopes", _scopes),
                web.get(f"{event}/settings/all", self._list_webhooks),
                web.get(f"{event}/settings/signed", self._get_signing),
                web.get(f"{event}/settings/signed/{{id}}", self._get_signing),
                web.patch(f"{event}/settings/signed", self._toggle_signing),
                web.patch(f"{event}/settings/signed/{{id}}", self._toggle_signing),
                web.post(f"{event}/test", self._test_webhook),
                web.post(f"{event}/settings", self._create_webhook),
                web.get(f"{event}/settings", self._get_webhook),
                web.get(f"{event}/settings/{{id}}", self._get_webhook),
                web.patch(f"{event}/settings", self._update_webhook),
                web.patch(f"{event}/settings/{{id}}", self._update_webhook),
                web.delete(f"{event}/settings/{{id}}", self._delete_webhook),
                web.get(parse, self._list_parse),
                web.post(parse, self._create_parse),
                web.get(f"{parse}/{{hostname}}", self._get_parse),
                web.patch(f"{parse}/{{hostname}}", self._update_parse),
                web.delete(f"{parse}/{{hostname}}", self._delete_parse),
                web.get("/v3/verified_senders", self._list_senders),
                web.post("/v3/verified_senders", self._create_sender),
                web.delete("/v3/verified_senders/{id}", self._delete_sender),
                web.get("/v3/whitelabel/domains", _domains),
                web.post("/v3/mail/send", self._send),
            ]
        )
        return application

    def failure(self, status: int) -> web.Response:
        """Give the documented error of a status."""
        if status == 429:
            response = _error(429, "too many requests")
            response.headers["X-RateLimit-Remaining"] = "0"
            response.headers["X-RateLimit-Reset"] = str(int(time.time()) + 1)
            return response
        return _error(status, "internal server error" if status >= 500 else "access forbidden")

    def revoked(self) -> web.Response:
        """Give what a key that is not good gets."""
        return _error(401, "The provided authorization grant is invalid, expired, or revoked")

    def _guarded(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            given = keys.bearer(request)
            if not given:
                return _error(401, "authorization required")
            if not keys.same(given, self._key):
                return self.revoked()
            try:
                return await handler(request)
            except web.HTTPNotFound:
                return _error(404, "not found")
            except web.HTTPMethodNotAllowed:
                return _error(405, "method not allowed")
            except json.JSONDecodeError:
                return _error(400, "Bad Request")

        return guard

    # Event webhooks

    async def _list_webhooks(self, _request: web.Request) -> web.Response:
        hooks = list(self._webhooks.values())
        return web.json_response({"max_allowed": _MOST_WEBHOOKS, "webhooks": hooks})

    async def _create_webhook(self, request: web.Request) -> web.Response:
        wanted = await _object(request)
        problem = _event_problem(wanted) or self._url_problem(wanted.get("url"), "")
        if problem:
            return problem
        if len(self._webhooks) >= _MOST_WEBHOOKS:
            return _error(
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

    async def _get_webhook(self, request: web.Request) -> web.Response:
        hook = self._named_or_oldest(request)
        return web.json_response(hook) if hook else _error(404, _BAD_ID)

    async def _update_webhook(self, request: web.Request) -> web.Response:
        hook, wanted = self._named_or_oldest(request), await _object(request)
        if not hook:
            return _error(404, _BAD_ID)
        problem = _event_problem(wanted)
        if not problem and "url" in wanted:
            problem = self._url_problem(wanted["url"], hook["id"])
        if problem:
            return problem
        wanted.pop("oauth_client_secret", None)
        hook.update(wanted, updated_date=_now())
        self._records.save()
        return web.json_response(_unsigned(hook))

    async def _delete_webhook(self, request: web.Request) -> web.Response:
        identity = request.match_info["id"]
        if identity not in self._webhooks:
            return _error(404, _BAD_ID)
        del self._webhooks[identity]
        self._signing.pop(identity, None)
        self._records.save()
        return web.Response(status=204)

    async def _get_signing(self, request: web.Request) -> web.Response:
        hook = self._named_or_oldest(request)
        if not hook:
            return _error(404, _BAD_ID)
        return web.json_response({"id": hook["id"], "public_key": hook["public_key"]})

    async def _toggle_signing(self, request: web.Request) -> web.Response:
        """Switch signatures on, with new keys, or off; what is on already keeps its keys."""
        hook, wanted = self._named_or_oldest(request), await _object(request)
        if not hook:
            return _error(404, _BAD_ID)
        if not isinstance(wanted.get("enabled"), bool):
            return _error(400, "enabled must be a boolean", "enabled")
        if wanted["enabled"] and not hook["public_key"]:
            self._signing[hook["id"]], hook["public_key"] = signatures.make()
        elif not wanted["enabled"]:
            self._signing.pop(hook["id"], None)
            hook["public_key"] = ""
        self._records.save()
        return web.json_response({"id": hook["id"], "public_key": hook["public_key"]})

    async def _test_webhook(self, request: web.Request) -> web.Response:
        """Deliver one event of each kind, as the service does when it is asked to."""
        wanted = await _object(request)
        if not _is_url(wanted.get("url")):
            return _error(400, f"'{wanted.get('url')}' is not a valid url")
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
                self._received.add(self.name, {"test_event_answer": answer.status})
        except (ClientError, TimeoutError) as error:
            self._received.add(self.name, {"test_event_answer": type(error).__name__})
        return web.Response(status=204)

    def _named_or_oldest(self, request: web.Request) -> dict[str, Any] | None:
        """Find a webhook by its id; without one the oldest is meant."""
        identity = request.match_info.get("id")
        if identity:
            found: dict[str, Any] | None = self._webhooks.get(identity)
            return found
        return next(iter(self._webhooks.values()), None)

    def _url_problem(self, url: Any, itself: str) -> web.Response | None:
        if not _is_url(url):
            return _error(400, f"'{url}' is not a valid url")
        for identity, hook in self._webhooks.items():
            if hook["url"] == url and identity != itself:
                message = f"Webhook at '{url}' already exists. Please provide a unique URL."
                entry = {"id": identity, "message": message, "url": url}
                return web.json_response({"errors": [entry]}, status=400)
        return None

    # Inbound parse

    async def _list_parse(self, _request: web.Request) -> web.Response:
        return web.json_response({"result": list(self._parse.values())})

    async def _create_parse(self, request: web.Request) -> web.Response:
        wanted = await _object(request)
        problem = _parse_problem(wanted, required=("url", "hostname"))
        if problem:
            return problem
        hostname = wanted["hostname"]
        if hostname in self._parse:
            return _error(400, "duplicate entry for hostname", "hostname")
        entry = {"url": "", "hostname": "", "spam_check": False, "send_raw": False} | wanted
        self._parse[hostname] = entry
        self._records.save()
        return web.json_response(entry, status=201)

    async def _get_parse(self, request: web.Request) -> web.Response:
        entry = self._parse.get(request.match_info["hostname"])
        return web.json_response(entry) if entry else _error(404, "not found")

    async def _update_parse(self, request: web.Request) -> web.Response:
        entry, wanted = self._parse.get(request.match_info["hostname"]), await _object(request)
        if not entry:
            return _error(404, "not found")
        problem = _parse_problem(wanted, required=())
        if problem:
            return problem
        entry.update({name: value for name, value in wanted.items() if name != "hostname"})
        self._records.save()
        return web.json_response(entry)

    async def _delete_parse(self, request: web.Request) -> web.Response:
        if not self._parse.pop(request.match_info["hostname"], None):
            return _error(404, "not found")
        self._records.save()
        return web.Response(status=204)

    # Senders and mail

    async def _list_senders(self, _request: web.Request) -> web.Response:
        return web.json_response({"results": list(self._senders.values())})

    async def _create_sender(self, request: web.Request) -> web.Response:
        """Take a sender; it is not verified, because nobody opens its mail here."""
        wanted = await _object(request)
        for name in ("nickname", "from_email", "reply_to"):
            if not isinstance(wanted.get(name), str) or not wanted[name]:
                return _sender_error(f"{name} is required", name)
        if any(sender["from_email"] == wanted["from_email"] for sender in self._senders.values()):
            return _sender_error("already exists", "from_email")
        identity = secrets.randbelow(10**7) + 1
        sender = {**wanted, "id": identity, "verified": False, "locked": False}
        self._senders[str(identity)] = sender
        self._records.save()
        return web.json_response(sender, status=201)

    async def _delete_sender(self, request: web.Request) -> web.Response:
        if not self._senders.pop(request.match_info["id"], None):
            return _error(404, "not found")
        self._records.save()
        return web.Response(status=204)

    async def _send(self, request: web.Request) -> web.Response:
        """Take mail, or say what is wrong with it; accepted mail can be looked at."""
        if request.content_type != "application/json":
            return _error(415, "Content-Type should be application/json.", "Content-Type")
        message = await _object(request)
        problems = mail.problems(message)
        if problems:
            return web.json_response(
                {"errors": [problem.describe() for problem in problems]}, status=400
            )
        if not self._may_send(message["from"]["email"]):
            return _error(403, mail.UNVERIFIED, "from")
        if mail.sandboxed(message):
            return web.Response(status=200)
        identity = secrets.token_urlsafe(16)
        self._received.add(self.name, message)
        return web.Response(status=202, headers={"X-Message-Id": identity})

    def _may_send(self, address: str) -> bool:
        domain = address.rpartition("@")[2].lower()
        if domain == _DOMAIN or domain.endswith(f".{_DOMAIN}"):
            return True
        return any(
            sender["verified"] and sender["from_email"] == address
            for sender in self._senders.values()
        )


async def _scopes(_request: web.Request) -> web.Response:
    return web.json_response({"scopes": list(SCOPES)})


async def _domains(_request: web.Request) -> web.Response:
    domain = {"id": 1, "domain": _DOMAIN, "subdomain": "em1", "valid": True, "default": True}
    return web.json_response([domain])


async def _object(request: web.Request) -> dict[str, Any]:
    data = json.loads(await request.text() or "{}")
    if not isinstance(data, dict):
        raise json.JSONDecodeError("an object is wanted", "", 0)
    return data


def _event_problem(wanted: dict[str, Any]) -> web.Response | None:
    """Refuse what the document does not know, and values of another type."""
    for name, value in wanted.items():
        kind = bool if name in _FLAGS else str
        if name not in (*_FLAGS, *_TEXTS, "oauth_client_secret"):
            return _error(400, f"unknown field {name}", name)
        if not isinstance(value, kind):
            return _error(400, f"{name} must be a {kind.__name__}", name)
    return None


def _parse_problem(wanted: dict[str, Any], required: tuple[str, ...]) -> web.Response | None:
    for name in required:
        if not wanted.get(name):
            return _error(400, f"{name} is required", name)
    if "url" in wanted and not _is_url(wanted["url"]):
        return _error(400, f"'{wanted['url']}' is not a valid url", "url")
    for name in ("spam_check", "send_raw"):
        if not isinstance(wanted.get(name, False), bool):
            return _error(400, f"{name} must be a bool", name)
    return None


def _is_url(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


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


def _sender_error(message: str, field: str) -> web.Response:
    entry = {"field": field, "message": message, "error_id": field}
    return web.json_response({"errors": [entry]}, status=400)


def _error(status: int, message: str, field: str | None = None) -> web.Response:
    return web.json_response({"errors": [{"field": field, "message": message}]}, status=status)
