"""OpenAI's Models API: what proves a key, and costs nothing.

Source: OpenAI API reference, "List models", "Retrieve model"; guide, "Error codes".
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xswarm_twin.control import token_of
from xswarm_twin.providers import keys

_MODELS: Final = (("gpt-4o", 1715367049), ("gpt-4o-mini", 1721172741), ("whisper-1", 1677532384))
_NO_KEY: Final = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)


class OpenAI:
    """Answer as OpenAI does.

    Args:
        key: the one that is good.
    """

    name = "openai"

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
        if status == 429:
            response = _error(
                429, "Rate limit reached for requests", "requests", "rate_limit_exceeded"
            )
            response.headers["retry-after"] = "1"
            return response
        message = "The server had an error while processing your request. Sorry about that!"
        return _error(status, message, "server_error" if status >= 500 else "invalid_request_error")

    def revoked(self) -> web.Response:
        """Return what a key that is not good gets."""
        return _wrong_key(self._key)

    def _guarded(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            given = token_of(request.headers)
            if not given:
                return _error(401, _NO_KEY, "invalid_request_error")
            if not keys.same(given, self._key):
                return _wrong_key(given)
            try:
                response = await handler(request)
            except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
                message = f"Invalid URL ({request.method} {request.path})"
                return _error(error.status, message, "invalid_request_error")
            response.headers["x-request-id"] = f"req_{secrets.token_hex(16)}"
            return response

        return guard


async def _list(_request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [_model(*entry) for entry in _MODELS]})


async def _get(request: web.Request) -> web.Response:
    wanted = request.match_info["id"]
    for entry in _MODELS:
        if entry[0] == wanted:
            return web.json_response(_model(*entry))
    message = f"The model '{wanted}' does not exist"
    return _error(404, message, "invalid_request_error", "model_not_found", "model")


def _model(identity: str, created: int) -> dict[str, Any]:
    return {"id": identity, "object": "model", "created": created, "owned_by": "system"}


def _wrong_key(key: str) -> web.Response:
    message = (
        f"Incorrect API key provided: {keys.masked(key)}. "
        "You can find your API key at https://platform.openai.com/account/api-keys."
    )
    return _error(401, message, "invalid_request_error", "invalid_api_key")


def _error(
    status: int, message: str, kind: str, code: str | None = None, param: str | None = None
) -> web.Response:
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return web.json_response(body, status=status)
