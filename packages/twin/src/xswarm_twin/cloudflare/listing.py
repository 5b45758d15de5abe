"""Lists, page by page; beyond the last page there is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies
from xswarm_twin.cloudflare.envelope import page_of, success


def paged(
    request: web.Request, items: Sequence[Any], size: int = 20, largest: int = 100
) -> web.Response:
    """Return the page of a list that a request asks for.

    Args:
        request: with ``page`` and ``per_page``.
        items: all of the list.
        size: of a page where none is asked for.
        largest: size that may be asked for.
    """
    page = bodies.number(request, "page", 1, 10**6)
    size = bodies.number(request, "per_page", size, largest)
    shown = list(items[(page - 1) * size : page * size])
    return success(shown, page_of(page, size, len(shown), len(items)))
