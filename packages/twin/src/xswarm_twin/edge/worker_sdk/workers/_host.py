"""A Worker's entrypoint as an ASGI application, for the server of the local host."""

from __future__ import annotations

import json
import traceback
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from . import _logs
from .bindings import Fetcher, R2Bucket, Service
from .objects import Env, to_python
from .request import Request
from .response import Response
from .utils import Runtime, runtime

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _Context:
    """What a request may do with its own life."""

    def waitUntil(self, other: Awaitable[Any]) -> None:  # noqa: N802 (the SDK's name)
        """Let something go on after the response."""
        runtime.wait_until(other)


def bind(told: Mapping[str, Any]) -> Runtime:
    """Make the bindings of what the host was told: texts, values, buckets, static files."""
    bindings: dict[str, Any] = dict(told["texts"])
    bindings.update({name: to_python(value) for name, value in told["values"].items()})
    for name, headers in told["buckets"].items():
        bindings[name] = R2Bucket(_service(told, headers))
    for name, headers in told["assets"].items():
        bindings[name] = Fetcher(_service(told, headers))
    runtime.env = Env(bindings)
    _logs.listen(_service(told, told["tail"]))
    return runtime


def application(main: ModuleType) -> Callable[[Any, Receive, Send], Awaitable[None]]:
    """Serve a Worker's main module; raises LookupError when it has no handler of requests."""
    entrypoint: Any = getattr(main, "Default", None)
    if getattr(entrypoint, "fetch", None) is None:
        raise LookupError("the main module exports no class Default with a method fetch")

    async def serve(scope: Any, receive: Receive, send: Send) -> None:
        async with _logs.kept(scope["headers"]) as trace:
            try:
                request = await _request(scope, receive)
                response = await entrypoint(_Context(), runtime.env).fetch(request)
                if not isinstance(response, Response):
                    raise TypeError(f"fetch() gave {type(response).__name__}, not a Response")  # noqa: TRY301
            except Exception as error:
                traceback.print_exc()
                trace.raised(error)
                response = Response("error code: 1101\n", 500)
            await _respond(response, send)

    return serve


def events(main: ModuleType, token: str) -> Callable[[Any, Receive, Send], Awaitable[None]]:
    """Take what the edge tells, by its token, that is no request: that a cron trigger fires."""

    async def take(scope: Any, _receive: Receive, send: Send) -> None:
        if (b"x-twin-token", token.encode()) not in scope["headers"]:
            await _respond(Response("not allowed\n", 403), send)
            return
        told = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        controller = SimpleNamespace(cron=told["cron"], scheduledTime=int(told["time"]))
        outcome, context = "ok", _Context()
        try:
            entrypoint: Any = main.Default
            await entrypoint(context, runtime.env).scheduled(controller, runtime.env, context)
        except Exception:
            traceback.print_exc()
            outcome = "exception"
        await _respond(Response(json.dumps({"outcome": outcome, "noRetry": False})), send)

    return take


async def _request(scope: Any, receive: Receive) -> Request:
    headers = [(name.decode("latin-1"), text.decode("latin-1")) for name, text in scope["headers"]]
    host = next((text for name, text in headers if name == "host"), "localhost")
    proto = next((text for name, text in headers if name == "x-forwarded-proto"), "http")
    query = scope["query_string"].decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    options: Any = {"method": scope["method"], "headers": headers, "body": body}
    return Request(f"{proto}://{host}{target}", **options)


async def _respond(response: Response, send: Send) -> None:
    headers = [(name.lower(), text) for name, text in response._pairs]
    encoding = next((text for name, text in headers if name == "content-encoding"), "")
    content = response._content
    if response._encode_body == "automatic" and encoding.lower() == "gzip":
        content = _zipped(content)
        headers = [pair for pair in headers if pair[0] != "content-length"]
    raw = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers]
    if isinstance(content, bytes):
        if "content-length" not in dict(headers) and response.status not in (101, 204, 304):
            raw.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": raw})
        await send({"type": "http.response.body", "body": content})
        return
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    try:
        async for chunk in content:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        await _close(content)
    await send({"type": "http.response.body", "body": b""})


async def _zipped(content: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Compress a body as its Content-Encoding says: the runtime does it for the Worker."""
    packer = zlib.compressobj(wbits=31)
    if isinstance(content, bytes):
        yield packer.compress(content) + packer.flush()
        return
    async for chunk in content:
        yield packer.compress(chunk) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


async def _close(content: AsyncIterator[bytes]) -> None:
    closing = getattr(content, "aclose", None)
    if closing is not None:
        await closing()


def _service(told: Mapping[str, Any], headers: Mapping[str, str]) -> Service:
    return Service(told["address"], tuple(headers.items()))
