"""How SendGrid reads requests, and how it and Twilio answer with errors.

Source: SendGrid's OpenAPI documents, the schema ErrorResponse; Twilio, "Error and warning
dictionary".
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web


async def body(request: web.Request) -> dict[str, Any]:
    """Read a JSON object; an empty body is an empty one.

    Raises:
        json.JSONDecodeError: it is something else.
    """
    data = json.loads(await request.text() or "{}")
    if not isinstance(data, dict):
        raise json.JSONDecodeError("an object is wanted", "", 0)
    return data


def limit(request: web.Request) -> int | None:
    """Return how many entries of a list are asked for; None: all."""
    text = request.query.get("limit", "")
    return int(text) if text.isdecimal() else None


def is_url(value: Any) -> bool:
    """Return whether a value is a URL that can be delivered to."""
    if not isinstance(value, str):
        return False
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def error(status: int, message: str, field: str | None = None) -> web.Response:
    """Answer with one error."""
    return web.json_response({"errors": [{"field": field, "message": message}]}, status=status)


def twilio_error(status: int, message: str, code: int) -> web.Response:
    """Answer as Twilio does, with one error."""
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return web.json_response(body, status=status)
