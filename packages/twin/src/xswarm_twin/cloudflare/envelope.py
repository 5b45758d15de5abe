"""The envelope that every reply of the API comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web


class Refusal(Exception):
    """A call that the API refuses: the HTTP status, Cloudflare's error code, and why.

    Args:
        status: the HTTP status, 4xx or 5xx.
        code: the error code of Cloudflare's documents.
        message: a sentence that names no secret.
        headers: further headers of the reply.
    """

    def __init__(
        self, status: int, code: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})
        self.causes: list[dict[str, object]] = []
        """What lies behind it, each with a code and a message of its own."""


def success(
    result: Any = None,
    information: Mapping[str, Any] | None = None,
    status: int = 200,
    messages: Sequence[Mapping[str, Any]] = (),
) -> web.Response:
    """Return a result, with ``result_info`` when it is a page of a list."""
    told = list(messages)
    body: dict[str, Any] = {"success": True, "errors": [], "messages": told, "result": result}
    if information is not None:
        body["result_info"] = dict(information)
    return web.json_response(body, status=status)


def paged(
    request: web.Request, items: Sequence[Any], default: int = 20, largest: int = 1000
) -> web.Response:
    """Return the page of a list that is asked for by ``page`` and ``per_page``.

    What is no number is taken as the first page and the default size, as Cloudflare does.

    Args:
        request: asks for it.
        items: the whole list.
        default: how many are on a page where nothing is said.
        largest: how many may be asked for.
    """
    page = max(1, _number(request, "page", 1))
    size = min(max(1, _number(request, "per_page", default)), largest)
    shown = list(items[(page - 1) * size : page * size])
    return success(shown, page_of(page, size, len(shown), len(items)))


def failure(refusal: Refusal) -> web.Response:
    """Return a refusal."""
    chain = {"error_chain": refusal.causes} if refusal.causes else {}
    errors = [{"code": refusal.code, "message": refusal.message, **chain}]
    body = {"success": False, "errors": errors, "messages": [], "result": None}
    return web.json_response(body, status=refusal.status, headers=refusal.headers)


def page_of(page: int, size: int, count: int, total: int) -> dict[str, int]:
    """Return the ``result_info`` of a page."""
    pages = -(-total // size)
    return {
        "page": page,
        "per_page": size,
        "count": count,
        "total_count": total,
        "total_pages": pages,
    }


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text[:9]) if text.isascii() and text.isdecimal() else default
