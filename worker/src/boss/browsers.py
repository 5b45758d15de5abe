"""What browsers must be told: which origins may call (CORS), and what to refuse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from boss.configuration import Configuration

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Pairs = list[tuple[bytes, bytes]]

_SECURITY: Pairs = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_METHODS = b"GET, HEAD, POST, PUT, DELETE, OPTIONS"
_READABLE = b"ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, x-request-id"


class Browsers:
    """Answer preflight requests, and put the headers browsers heed on every answer.

    Args:
        app: the application behind.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = dict(scope["headers"])
        extra = _headers(scope, sent.get(b"origin", b""))
        if scope["method"] == "OPTIONS":
            await _answer_preflight(extra, send)
            return
        await self._app(scope, receive, _adding(extra, send))


def _headers(scope: Mapping[str, Any], origin: bytes) -> Pairs:
    secure = [_HTTPS_ONLY] if scope.get("scheme") == "https" else []
    return [*_SECURITY, *secure, *_cors(origin.decode("latin-1"), Configuration(scope["env"]))]


def _cors(origin: str, configuration: Configuration) -> Pairs:
    allowed = configuration.allowed_origins
    vary = (b"vary", b"Origin")
    if not origin or not allowed:
        return [vary]
    if origin in allowed:
        return [
            vary,
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _READABLE),
        ]
    return [(b"access-control-allow-origin", b"*")] if "*" in allowed else [vary]


async def _answer_preflight(extra: Pairs, send: Send) -> None:
    headers = [*extra, (b"allow", _METHODS)]
    if any(name == b"access-control-allow-origin" for name, _ in extra):
        headers += [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", b"authorization, content-type, x-request-id"),
            (b"access-control-max-age", b"7200"),
        ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _adding(extra: Pairs, send: Send) -> Send:
    async def send_with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message["headers"]}
            missing = [(name, value) for name, value in extra if name not in own]
            message = {**message, "headers": [*message["headers"], *missing]}
        await send(message)

    return send_with_headers
