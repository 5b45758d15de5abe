"""Anthropic's Models API: what proves a key, and costs nothing.

Source: Anthropic API reference, "List Models", "Get a Model", "Errors", "Versions".
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xswarm_twin.control import token_of
from xswarm_twin.providers import keys

_VERSIONS: Final = ("2023-01-01", "2023-06-01", "2026-10-21")
_MODELS: Final = (
    ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", "2025-10-15T00:00:00Z"),
    ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", "2025-09-29T00:00:00Z"),
    ("claude-opus-4-1-20250805", "Claude Opus 4.1", "2025-08-05T00:00:00Z"),
)
_KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MESSAGES: Final = {
    429: "This request would exceed your account's rate limit. Please try again later.",
    529: "Overloaded",
}


class Anthropic:
    """Answer as Anthropic does.

    Args:
        key: the one that is good.
    """

    name = "anthropic"

    def __init__(self, key: str) -> None:
        self._key = key

    def application(self, faulty: Middleware) -> web.Application:
        """Make the application; faults come before all else."""
        application = web.Application(middlewares=[faulty, self._guarded()])
        application.router.add_get("/v1/models", _list)
        application.router.add_get("/v1/models/{id}", _get)
        return application

    def failure(self, status: int) -> web.Response:
        """Return the documented error of a status."""
        response = _error(status, _MESSAGES.get(status, "Internal server error"))
        if status == 429:
            response.headers["retry-after"] = "1"
        return response

    def revoked(self) -> web.Response:
        """Return what a key that is not good gets."""
        return _error(401, "invalid x-api-key")

    def _guarded(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            refused = self._refuse(request)
            if refused:
                return refused
            try:
                response = await handler(request)
            except web.HTTPNotFound:
                return _error(404, "Not found")
            except web.HTTPMethodNotAllowed:
                return _error(405, "Method Not Allowed")
            response.headers["request-id"] = _request_id()
            return response

        return guard

    def _refuse(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("x-api-key", "") or token_of(request.headers)
        if not given:
            return _error(401, "x-api-key header is required")
        if not keys.same(given, self._key):
            return self.revoked()
        version = request.headers.get("anthropic-version", "")
        if not version:
            return _error(400, "anthropic-version: header is required")
        if version not in _VERSIONS:
            return _error(400, f'anthropic-version: "{version}" is not a valid version')
        return None


async def _list(request: web.Request) -> web.Response:
    limit = request.query.get("limit", "20")
    if not limit.isdigit() or not 1 <= int(limit) <= 1000:
        return _error(400, "limit: Input should be from 1 to 1000")
    models = [_model(*entry) for entry in _MODELS]
    after = request.query.get("after_id")
    if after:
        ids = [model["id"] for model in models]
        if after not in ids:
            return _error(400, "after_id: no such model")
        models = models[ids.index(after) + 1 :]
    page = models[: int(limit)]
    return web.json_response(
        {
            "data": page,
            "has_more": len(models) > len(page),
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
    )


async def _get(request: web.Request) -> web.Response:
    wanted = request.match_info["id"]
    for entry in _MODELS:
        if entry[0] == wanted:
            return web.json_response(_model(*entry))
    return _error(404, f"model: {wanted}")


def _model(identity: str, title: str, created: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": identity,
        "display_name": title,
        "created_at": created,
        "lifecycle": "active",
    }


def _error(status: int, message: str) -> web.Response:
    identity = _request_id()
    kind = _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    body = {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": identity,
    }
    return web.json_response(body, status=status, headers={"request-id": identity})


def _request_id() -> str:
    return f"req_{secrets.token_hex(12)}"
