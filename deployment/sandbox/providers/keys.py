"""Keys as they come in requests, compared without telling by time."""

from __future__ import annotations

import hmac

from aiohttp import web


def bearer(request: web.Request) -> str:
    """Give the bearer token of a request, or the empty string."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def same(given: str, wanted: str) -> bool:
    """Tell whether two keys are the same."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def masked(key: str, shown: int = 4) -> str:
    """Give a key as services quote it in their errors: its ends only."""
    if len(key) <= 2 * shown:
        return "*" * len(key)
    return f"{key[:shown]}{'*' * (len(key) - 2 * shown)}{key[-shown:]}"
