"""Stripe's idempotency keys: the same key gives the same answer, also of a 500.

Source: Stripe API reference, "Idempotent requests".
"""

from __future__ import annotations

import hashlib
import time
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from xswarm_twin.providers.records import Records

_HEADER: Final = "Idempotency-Key"
_KEPT: Final = 24 * 3600.0  # seconds
_LONGEST: Final = 255  # characters


class Idempotency:
    """Keep answers by key.

    Args:
        records: where they are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._answers = records.table("idempotency")
        self._under_way: set[str] = set()

    def middleware(self) -> Middleware:
        """Make the middleware; whatever comes behind it runs once a key."""

        @web.middleware
        async def once(request: web.Request, handler: Handler) -> web.StreamResponse:
            key = request.headers.get(_HEADER, "")
            if request.method != "POST" or not key:
                return await handler(request)
            if len(key) > _LONGEST:
                return _refused(400, f"Idempotency keys are at most {_LONGEST} characters long.")
            return await self._once(key, request, handler)

        return once

    async def _once(self, key: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        fingerprint = _fingerprint(request, await request.read())
        kept = self._kept(key)
        if kept:
            return _replayed(key, kept, fingerprint)
        if key in self._under_way:
            message = (
                "There is currently another in-progress request using this Idempotent Key "
                "(that probably means you submitted twice, and the other request is still going "
                f"through): {key}. Please try again later."
            )
            return _refused(409, message, "idempotency_key_in_use")
        self._under_way.add(key)
        try:
            response = await handler(request)
            self._keep(key, fingerprint, response)
            return response
        finally:
            self._under_way.discard(key)

    def _kept(self, key: str) -> dict[str, Any] | None:
        kept: dict[str, Any] | None = self._answers.get(key)
        return kept if kept and kept["time"] > time.time() - _KEPT else None

    def _keep(self, key: str, fingerprint: str, response: web.StreamResponse) -> None:
        """Keep an answer whose work was begun; refusals of bad requests are not kept."""
        if not isinstance(response, web.Response) or 300 <= response.status < 500:
            return
        self._answers[key] = {
            "time": time.time(),
            "fingerprint": fingerprint,
            "status": response.status,
            "text": response.text or "",
        }
        self._records.save()


def _fingerprint(request: web.Request, body: bytes) -> str:
    return hashlib.sha256(f"{request.method} {request.path}\n".encode() + body).hexdigest()


def _replayed(key: str, kept: dict[str, Any], fingerprint: str) -> web.Response:
    if kept["fingerprint"] != fingerprint:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. Try using a key other than '{key}' if you meant to execute a "
            "different request."
        )
        return _refused(400, message)
    return web.Response(
        text=kept["text"],
        status=kept["status"],
        content_type="application/json",
        headers={"Idempotent-Replayed": "true"},
    )


def _refused(status: int, message: str, code: str = "") -> web.Response:
    error = {"type": "idempotency_error", "message": message}
    return web.json_response({"error": error | ({"code": code} if code else {})}, status=status)
