"""Stripe: localstripe, and what it lacks: the account, webhook endpoints, strict keys.

localstripe keeps customers, charges, subscriptions and delivers their events. Here come
before it: keys as the service checks them, restricted keys, idempotency, and the routes a
deployment needs. Its events are delivered to the endpoints made here, signed.

Source: Stripe API reference, "Webhook Endpoints", "Retrieve account", "Errors",
"Authentication", "Idempotent requests", "Pagination".
"""

from __future__ import annotations

import json
import pickle
import secrets
import time
from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xswarm_twin.control import token_of
from xswarm_twin.providers import keys
from xswarm_twin.providers.idempotency import Idempotency
from xswarm_twin.providers.records import Records
from xswarm_twin.providers.stripe_parameters import Invalid, checked, nothing_to_expand
from xswarm_twin.providers.webhook_endpoints import Endpoints, is_version

_VERSION: Final = "2025-09-30.clover"
_LIVE: Final = "X-Twin-Live-Mode"  # said by the middleware to the routes behind it
_RESTRICTED: Final = (("GET", "/v1/balance"), ("GET", "/v1/account"))  # all an rk_ key may
_PUBLIC: Final = ("/js.stripe.com/",)
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_NO_FORM: Final = (
    "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If"
    " you have any questions, we can help at https://support.stripe.com/."
)
_NO_KEY: Final = (
    "You did not provide an API key. You need to provide your API key in the Authorization "
    "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
    "https://stripe.com/docs/api#authentication for details, or we can help at "
    "https://support.stripe.com/."
)


@dataclass(frozen=True)
class Keys:
    """The keys that are good.

    Args:
        test: the secret key of test mode.
        live: the secret key of live mode, so that production can be rehearsed; its answers
            say ``livemode``, and it reaches the same objects.
        restricted: a restricted test key that may read the balance and the account only.
    """

    test: str
    live: str
    restricted: str


class Stripe:
    """Answer as Stripe does.

    Args:
        given: the keys that are good.
        account: the account's id.
        folder: where the state is kept.
    """

    name = "stripe"

    def __init__(self, given: Keys, account: str, folder: Path) -> None:
        self._key, self._live, self._restricted = given.test, given.live, given.restricted
        self._account = account
        self._store = folder / "localstripe.pickle"
        records = Records(folder / "stripe.json")
        self._endpoints = Endpoints(records)
        self._idempotency = Idempotency(records)

    def application(self, faulty: Middleware) -> web.Application:
        """Make the application: localstripe's own, with this before it.

        Faults are met behind the idempotency, which keeps a 500 as the service does.
        """
        from localstripe import server

        _keep_at(server.store, self._store)
        self._endpoints.connect()
        application: web.Application = server.app
        application.router.add_get("/v1/account", self._get_account)
        application.router.add_get("/v1/webhook_endpoints", self._list)
        application.router.add_post("/v1/webhook_endpoints", self._create)
        application.router.add_get("/v1/webhook_endpoints/{id}", self._get)
        application.router.add_post("/v1/webhook_endpoints/{id}", self._update)
        application.router.add_delete("/v1/webhook_endpoints/{id}", self._delete)
        before = [_errors, self._authenticated(), _well_formed]
        before += [self._idempotency.middleware(), faulty]
        application.middlewares[:0] = before
        return application

    def failure(self, status: int) -> web.Response:
        """Return the documented error of a status."""
        if status == 429:
            message = "Request rate limit exceeded. Learn more: https://stripe.com/docs/rate-limits"
            response = _error(429, message, code="rate_limit")
            response.headers["Retry-After"] = "1"
            response.headers["Stripe-Rate-Limited-Reason"] = "global-rate"
            return response
        return _error(status, "An unknown error occurred", kind="api_error")

    def revoked(self) -> web.Response:
        """Return what a key that was revoked gets."""
        return _error(
            401, f"Expired API Key provided: {_masked(self._key)}", code="api_key_expired"
        )

    def _authenticated(self) -> Middleware:
        @web.middleware
        async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(_PUBLIC):
                return await handler(request)
            given = _key_of(request)
            if not given:
                return _error(401, _NO_KEY)
            if keys.same(given, self._restricted):
                return await self._permitted(request, handler)
            if keys.same(given, self._live):
                return _in_live_mode(await handler(self._as_secret(request, live=True)))
            if not keys.same(given, self._key):
                return _error(401, f"Invalid API Key provided: {_masked(given)}")
            return await handler(request)

        return authenticate

    async def _permitted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a restricted key do what it may; localstripe itself knows secret keys only."""
        if (request.method, request.path) not in _RESTRICTED:
            return _error(
                403,
                f"The provided key '{_masked(self._restricted)}' does not have the required "
                f"permissions for this endpoint on account '{self._account}'.",
                code="more_permissions_required_for_application",
            )
        return await handler(self._as_secret(request))

    def _as_secret(self, request: web.Request, *, live: bool = False) -> web.Request:
        """Return the request as if it had the secret test key, the one that localstripe takes."""
        headers = request.headers.copy()
        headers["Authorization"] = f"Bearer {self._key}"
        headers.popall(_LIVE, None)
        if live:
            headers[_LIVE] = "true"
        return request.clone(headers=headers)

    async def _get_account(self, request: web.Request) -> web.Response:
        checked(_asked(request), {"expand": nothing_to_expand})
        return _answer(
            {
                "id": self._account,
                "object": "account",
                "business_profile": {"name": "xSwarm", "url": None},
                "charges_enabled": True,
                "country": "US",
                "default_currency": "usd",
                "details_submitted": True,
                "email": "boss@xswarm.ai",
                "payouts_enabled": True,
                "settings": {"dashboard": {"display_name": "xSwarm"}},
                "type": "standard",
            }
        )

    async def _list(self, request: web.Request) -> web.Response:
        return _answer(self._endpoints.page(_asked(request)))

    async def _create(self, request: web.Request) -> web.Response:
        form, live = await _form(request), _LIVE in request.headers
        return _answer(self._endpoints.create(form, live=live))

    async def _get(self, request: web.Request) -> web.Response:
        checked(_asked(request), {"expand": nothing_to_expand})
        return _answer(self._endpoints.get(request.match_info["id"]))

    async def _update(self, request: web.Request) -> web.Response:
        form, live = await _form(request), _LIVE in request.headers
        return _answer(self._endpoints.update(request.match_info["id"], form, live=live))

    async def _delete(self, request: web.Request) -> web.Response:
        return _answer(self._endpoints.delete(request.match_info["id"]))


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what is wrong with a request into the service's errors; name the request."""
    identity = f"req_{secrets.token_hex(7)}"
    try:
        response = await handler(request)
    except Invalid as error:
        response = _error(error.status, error.message, code=error.code, param=error.param)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        message = f"Unrecognized request URL ({request.method}: {request.path})."
        response = _error(404, message)
    if response.status >= 400 and isinstance(response, web.Response):
        _explain(response, identity)
    response.headers["Request-Id"] = identity
    response.headers["Stripe-Version"] = request.headers.get("Stripe-Version", _VERSION)
    return response


def _explain(response: web.Response, identity: str) -> None:
    """Write into an error where more of it is to be read."""
    try:
        body = json.loads(response.text or "")
    except ValueError:  # a fault: an answer that is cut off
        return
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return
    if code := str(error.get("code") or ""):
        error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
    if response.status != 401:  # the log is the account's, and whose is unknown
        log = f"https://dashboard.stripe.com/test/logs/{identity}"
        error["request_log_url"] = f"{log}?t={int(time.time())}"
    response.text = json.dumps(body, indent=2)


@web.middleware
async def _well_formed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse another form of body than a form, and another version than there is."""
    version = request.headers.get("Stripe-Version", "")
    if version and not is_version(version):
        raise Invalid(f"Invalid Stripe API version: {version}")
    if request.body_exists and request.content_type not in _FORMS and not _is_own(request.path):
        raise Invalid(_NO_FORM)
    return await handler(request)


def _is_own(path: str) -> bool:
    """Return whether a path is localstripe's own, which Stripe does not have."""
    return not path.startswith("/v1/")


def _asked(request: web.Request) -> dict[str, Any]:
    """Return the parameters of a query."""
    from localstripe.server import unflatten_data

    return dict(unflatten_data(request.query) or {})


async def _form(request: web.Request) -> dict[str, Any]:
    from localstripe.server import get_post_data

    return dict(await get_post_data(request) or {})


def _key_of(request: web.Request) -> str:
    """Return the key: as a bearer token, or as the user name of basic authentication."""
    token = token_of(request.headers)
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if token or scheme.lower() != "basic":
        return token
    try:
        return b64decode(encoded).decode().partition(":")[0]
    except (NotBase64, UnicodeDecodeError):
        return ""


def _keep_at(store: Any, path: Path) -> None:
    """Let localstripe keep its objects in our folder; its own file is the same for all."""
    if path.exists():
        with path.open("rb") as stream:
            store.update(pickle.load(stream))  # noqa: S301 - written below, in our own folder
    store.dump_to_disk = partial(_dump, store, path)


def _dump(store: Any, path: Path) -> None:
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_bytes(pickle.dumps(dict(store)))
    temporary.replace(path)


def _masked(key: str) -> str:
    kind = "_".join(key.split("_")[:2]) + "_" if key.count("_") >= 2 else ""
    return kind + keys.masked(key.removeprefix(kind))


def _in_live_mode(response: web.StreamResponse) -> web.StreamResponse:
    """Return an answer as live mode gives it."""
    if not isinstance(response, web.Response) or not response.text:
        return response
    try:
        body = json.loads(response.text)
    except ValueError:
        return response
    response.text = json.dumps(_live(body), indent=2)
    return response


def _live(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: True if k == "livemode" else _live(item) for k, item in value.items()}
    return [_live(item) for item in value] if isinstance(value, list) else value


def _answer(body: dict[str, Any]) -> web.Response:
    return web.json_response(body, dumps=partial(json.dumps, indent=2))


def _error(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    code: str = "",
    param: str = "",
) -> web.Response:
    error = {"message": message, "type": kind}
    error |= {name: value for name, value in (("code", code), ("param", param)) if value}
    headers = {"WWW-Authenticate": 'Basic realm="Stripe"'} if status == 401 else {}
    return web.json_response({"error": error}, status=status, headers=headers)
