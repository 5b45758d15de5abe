"""A front before emulate: passes requests on, so that faults and strict keys come first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from multidict import CIMultiDict

_LIMIT: Final = ClientTimeout(total=30)
_HOP: Final = ("connection", "content-length", "host", "keep-alive", "transfer-encoding", "te")


async def passed_on(
    request: web.Request, target: str, unavailable: web.Response, body: bytes = b"", path: str = ""
) -> web.Response:
    """Send a request on, and return the answer.

    Args:
        request: as it came.
        target: the base URL behind.
        unavailable: the answer when nobody is there.
        body: what is sent of the request's body.
        path: what is read in its place, by its headers.
    """
    headers = _kept(request.headers.items())
    async with ClientSession(timeout=_LIMIT, auto_decompress=False) as session:
        try:
            async with session.request(
                "GET" if path else request.method,
                f"{target}{path or request.rel_url}",
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as answer:
                return web.Response(
                    body=await answer.read(),
                    status=answer.status,
                    headers=_kept(answer.headers.items()),
                )
        except (ClientError, TimeoutError):
            return unavailable


def _kept(headers: Iterable[tuple[str, str]]) -> CIMultiDict[str]:
    """Leave out the headers that concern one connection only, and those of emulate's own limit."""
    return CIMultiDict(
        (name, value)
        for name, value in headers
        if name.lower() not in _HOP and not name.lower().startswith("x-ratelimit-")
    )
