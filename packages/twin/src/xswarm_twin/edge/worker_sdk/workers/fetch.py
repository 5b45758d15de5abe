"""Requests that a Worker sends."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPMethod
from typing import Unpack
from urllib.parse import urljoin, urlsplit

from .request import Request
from .response import FetchResponse, Response
from .types import FetchKwargs

_LONGEST_WAIT = 100.0
_MOST_REDIRECTS = 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_threads = ThreadPoolExecutor(max_workers=64, thread_name_prefix="fetch")


@dataclass(frozen=True)
class Call:
    """A request on its way: whole, so that it can be sent from a thread."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    url: str


async def fetch(resource: str | Request, **other_options: Unpack[FetchKwargs]) -> Response:
    """Send a request and give the response.

    Args:
        resource: a URL or a request.
        other_options: method, headers, body, redirect (follow, error or manual).

    Raises:
        OSError: nothing answered.
    """
    request = Request(resource, **other_options)
    call = Call(request._verb, request.url, tuple(request._pairs), await request.bytes())
    reply = await _follow(call) if request.redirect == "follow" else await send(call)
    if request.redirect == "error" and reply.status in _REDIRECTS:
        raise OSError(f"{request.url} redirects")
    return Response(_response(reply, redirected=reply.url != call.url))


async def send(call: Call) -> Reply:
    """Send one request, without following redirects."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _exchange, call)


async def _follow(call: Call) -> Reply:
    for _ in range(_MOST_REDIRECTS):
        reply = await send(call)
        target = dict(_lowered(reply.headers)).get("location")
        if reply.status not in _REDIRECTS or target is None:
            return reply
        call = _redirected(call, reply.status, urljoin(call.url, target))
    raise OSError(f"{call.url} redirects too often")


def _redirected(call: Call, status: int, url: str) -> Call:
    """Return the request that a redirect asks for (Fetch Standard, HTTP-redirect fetch)."""
    if urlsplit(url).netloc != urlsplit(call.url).netloc:
        kept = tuple(pair for pair in call.headers if pair[0].lower() != "authorization")
        call = replace(call, headers=kept)
    becomes_get = status == 303 or (status in (301, 302) and call.method == HTTPMethod.POST)
    if becomes_get and call.method != HTTPMethod.HEAD:
        return replace(call, method="GET", body=b"", url=url)
    return replace(call, url=url)


def _exchange(call: Call) -> Reply:
    parts = urlsplit(call.url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    try:
        connection.putrequest(
            call.method, _target(call.url), skip_accept_encoding=True, skip_host=_has_host(call)
        )
        for name, value in call.headers:
            if name.lower() != "content-length":
                connection.putheader(name, value)
        if call.body or call.method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(call.body)))
        connection.endheaders(call.body or None)
        answered = connection.getresponse()
        headers = tuple(answered.getheaders())
        body = _plain(answered.read(), dict(_lowered(headers)).get("content-encoding", ""))
        return Reply(answered.status, answered.reason, headers, body, call.url)
    except http.client.HTTPException as error:
        raise OSError(f"{parts.netloc} answered what is no HTTP: {error!r}") from error
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=_LONGEST_WAIT, context=context)
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=_LONGEST_WAIT)
    raise TypeError(f"Fetch API cannot load: {scheme}: is no scheme of HTTP")


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _has_host(call: Call) -> bool:
    return any(name.lower() == "host" for name, _ in call.headers)


def _plain(body: bytes, encoding: str) -> bytes:
    return gzip.decompress(body) if encoding.lower() == "gzip" and body else body


def _lowered(headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers]


def _response(reply: Reply, *, redirected: bool) -> FetchResponse:
    return FetchResponse(
        reply.body, reply.status, reply.reason, list(reply.headers), reply.url, redirected
    )
