"""Requests on their way through the edge: to a version's process and back, streamed both ways."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from xswarm_twin.edge.configuration import CF_HEADER, CONTROL
from xswarm_twin.edge.runtime import Resting, Serving
from xswarm_twin.edge.services import RESOURCE_HEADER, TOKEN_HEADER
from xswarm_twin.model import ScriptInvalid

_CHUNK = 1 << 16
_EVENT = aiohttp.ClientTimeout(total=900)  # what Cloudflare gives a cron trigger
_KEPT_IDLE = 2.0  # workerd closes an idle connection after five seconds; never be the later one
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OURS = frozenset({"cf-ray", "cf-connecting-ip", "cf-visitor", "x-real-ip", CF_HEADER.lower()})
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
_COLO = "LCL"
_UNTYPED = web.ResponseKey("untyped", bool)
RAY = web.RequestKey("ray", str)
"""Where a request keeps its identifier."""
TAILED = web.RequestKey("tailed", bool)
"""Whether somebody listens to the Worker, so that its process tells what it logs."""


class CallFailed(Exception):
    """What was called threw; the text is what it said."""


class _Again(Exception):
    """A request got no answer, and may be sent once more."""


class Proxy:
    """Send requests on to processes of versions."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make ready the connections to the processes."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_IDLE),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=10),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def forward(self, request: web.Request, serving: Serving) -> web.StreamResponse:
        """Let a version answer; 502 when its process does not run and cannot be started.

        A request that reached nobody is sent once more to the process started anew; so is one
        that a process left without an answer, where sending it twice changes nothing.
        """
        async with serving.runtime.borrowed():
            try:
                return await self._attempt(request, serving)
            except _Again:
                pass
            except (ScriptInvalid, Resting, aiohttp.ClientConnectionError) as failure:
                return _unavailable(failure)
            try:
                return await self._attempt(request, serving)
            except (ScriptInvalid, Resting, aiohttp.ClientConnectionError, _Again) as failure:
                return _unavailable(failure)

    async def fire(self, serving: Serving, cron: str, time: int) -> str:
        """Fire a version's cron trigger, and return the outcome: ``ok`` or why not."""
        told = {"service": serving.service, "cron": cron, "time": time}
        query = {"cron": cron, "time": str(time)}  # for a Python Worker's host
        try:
            return str((await self._control(serving, told, query, []))["outcome"])
        except TimeoutError:
            return "exceededWallTime"
        except (ScriptInvalid, Resting, aiohttp.ClientError, ValueError) as failure:
            return f"exception: {failure}"

    async def call(self, serving: Serving, target: Mapping[str, Any], given: Sequence[Any]) -> Any:
        """Call a method of a service in a process.

        Args:
            serving: the process.
            target: service, entrypoint, props and method, as control.js reads them.
            given: the arguments.

        Raises:
            CallFailed: it threw; the text is the message.
        """
        told = await self._control(serving, target, {}, given)
        if "error" in told:
            raise CallFailed(told["error"])
        return told["result"]

    async def _control(
        self,
        serving: Serving,
        target: Mapping[str, Any],
        query: Mapping[str, str],
        given: Sequence[Any],
    ) -> dict[str, Any]:
        """Ask a process by the socket that no client reaches."""
        headers = {TOKEN_HEADER: serving.token, RESOURCE_HEADER: json.dumps(target)}
        async with serving.runtime.borrowed():
            port = await serving.runtime.ready(CONTROL)
            url = URL.build(scheme="http", host="127.0.0.1", port=port, path="/", query=query)
            async with self._sender().post(
                url, timeout=_EVENT, headers=headers, json=given
            ) as reply:
                return dict(await reply.json(content_type=None))

    async def _attempt(self, request: web.Request, serving: Serving) -> web.StreamResponse:
        """Send a request on, once; raises _Again where it may be sent once more."""
        runtime = serving.runtime
        port = await runtime.ready(serving.socket)
        headers = request_headers(request)
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                with runtime.socket_open():
                    return await self._websocket(request, port, headers)
            upstream = await self._sender().request(
                request.method,
                _url("http", port, request),
                headers=headers,
                data=request.content if request.body_exists else None,
                allow_redirects=False,
            )
        except aiohttp.ClientConnectorError as error:
            await runtime.suspect(port)
            raise _Again(str(error)) from None
        except aiohttp.ClientConnectionError as error:
            if _repeatable(request):
                raise _Again(str(error)) from None
            raise
        async with upstream:
            return await _send_back(request, upstream)

    def _sender(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the proxy is not open")
        return self._session

    async def _websocket(
        self, request: web.Request, port: int, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [name.strip() for name in offered.split(",") if name.strip()]
        for name in [name for name in headers if name.lower().startswith("sec-websocket-")]:
            headers.popall(name, None)
        try:
            upstream = await self._sender().ws_connect(
                _url("ws", port, request), headers=headers, protocols=protocols, autoping=False
            )
        except aiohttp.WSServerHandshakeError as refusal:
            return web.Response(status=refusal.status if refusal.status >= 400 else 501)
        chosen = [upstream.protocol] if upstream.protocol else []
        ours = web.WebSocketResponse(protocols=chosen, autoping=False)
        await ours.prepare(request)
        await _bridge(ours, upstream)
        return ours


def new_ray() -> str:
    """Return a new identifier of a request."""
    return f"{secrets.token_hex(8)}-{_COLO}"


def request_headers(request: web.Request) -> CIMultiDict[str]:
    """Return a request's headers as the real edge passes them on."""
    caller = request.remote or "127.0.0.1"
    passed = end_to_end(request.headers.items(), request.headers.get("Connection", ""))
    headers = CIMultiDict((name, text) for name, text in passed if name.lower() not in _OURS)
    before = headers.get("X-Forwarded-For")
    headers["X-Forwarded-For"] = f"{before}, {caller}" if before else caller
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Real-IP"] = headers["CF-Connecting-IP"] = caller
    headers["CF-Visitor"] = json.dumps({"scheme": request.scheme}, separators=(",", ":"))
    headers["CF-Ray"] = request[RAY]
    tailed = {"tailed": True} if request.get(TAILED) else {}
    headers[CF_HEADER] = json.dumps({"colo": _COLO, "httpProtocol": "HTTP/1.1"} | tailed)
    return headers


def end_to_end(headers: Iterable[tuple[str, str]], connection: str) -> list[tuple[str, str]]:
    """Leave out the headers that are for one connection only (RFC 9110, 7.6.1)."""
    named = {name.strip().lower() for name in connection.split(",")}
    return [pair for pair in headers if pair[0].lower() not in _HOP_BY_HOP | named]


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    """Make a response the edge's own, just before it is sent.

    Where a Worker gave no Content-Type, the one that aiohttp adds is taken away.
    """
    response.headers["Server"] = "cloudflare"
    response.headers["CF-Ray"] = request.get(RAY, "")
    if response.get(_UNTYPED):
        response.headers.pop("Content-Type", None)


async def _send_back(request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    passed = end_to_end(upstream.headers.items(), upstream.headers.get("Connection", ""))
    response = web.StreamResponse(
        status=upstream.status, reason=upstream.reason, headers=CIMultiDict(passed)
    )
    response[_UNTYPED] = "Content-Type" not in upstream.headers
    await response.prepare(request)
    try:
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except (aiohttp.ClientPayloadError, ConnectionResetError):
        _cut(request)
    return response


def _cut(request: web.Request) -> None:
    """End the caller's connection at once, so that half a response is not taken for a whole."""
    if request.transport is not None:
        request.transport.abort()


async def _bridge(ours: web.WebSocketResponse, theirs: aiohttp.ClientWebSocketResponse) -> None:
    """Pass messages both ways until one side closes."""
    both = {asyncio.ensure_future(_pump(ours, theirs)), asyncio.ensure_future(_pump(theirs, ours))}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in both:
            pump.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        await theirs.close(code=ours.close_code or 1000)
        await ours.close(code=theirs.close_code or 1000)


async def _pump(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
) -> None:
    while True:
        message = await source.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.PING:
            await target.ping(message.data)
        elif message.type is aiohttp.WSMsgType.PONG:
            await target.pong(message.data)
        else:
            if message.type is aiohttp.WSMsgType.CLOSE:
                await target.close(code=message.data or 1000, message=str(message.extra).encode())
            return


def _url(scheme: str, port: int, request: web.Request) -> URL:
    path = request.raw_path
    if not path.startswith("/"):  # a request to a proxy names the whole URL
        path = URL(path, encoded=True).raw_path_qs
    return URL(f"{scheme}://127.0.0.1:{port}{path}", encoded=True)


def _repeatable(request: web.Request) -> bool:
    return request.method in _REPEATABLE and not request.body_exists


def _unavailable(reason: Exception) -> web.Response:
    return web.Response(status=502, text=f"error code: 502\n{reason}\n")
