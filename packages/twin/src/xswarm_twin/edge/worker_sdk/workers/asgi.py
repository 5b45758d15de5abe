"""The adapter between a Worker and an ASGI application, as the SDK's.

Each request runs one lifespan of the application; the request's body is whole before the
application begins; ``scope["env"]`` has the bindings.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from .entrypoints import WorkerEntrypoint
from .request import Request
from .response import NULL_BODY_STATUSES, FetchResponse, Response
from .types import Context
from .utils import runtime

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Application = Callable[
    [Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

ASGI = {"spec_version": "2.0", "version": "3.0"}
logger = logging.getLogger("asgi")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options for the ASGI adapter.

    Args:
        encode_body: ``manual`` when bodies are already encoded as their Content-Encoding says.
    """

    encode_body: Literal["automatic", "manual"] = "automatic"

    def __post_init__(self) -> None:
        if self.encode_body not in ("automatic", "manual"):
            raise ValueError("encode_body must be one of ('automatic', 'manual')")


DEFAULT_OPTIONS = Options()


async def fetch(
    app: Any,
    req: Request,
    env: Any,
    ctx: Context | None = None,  # noqa: ARG001 (the SDK takes it and does not use it either)
    *,
    options: Options | None = None,
) -> Response:
    """Let an application answer a request.

    Args:
        app: the ASGI application.
        req: the request.
        env: the bindings, for ``scope["env"]``.
        ctx: not used; kept for the SDK's callers.
        options: how bodies are encoded.

    Raises:
        Exception: what the application raised before its response began.
    """
    lifespan = Lifespan(app)
    state = await lifespan.start()
    exchange = Exchange(app, request_to_scope(req, env, state=state), await req.bytes())
    try:
        response = await exchange.response((options or DEFAULT_OPTIONS).encode_body)
    except Exception:
        logger.exception("ASGI request failed")
        await lifespan.stop()
        raise
    runtime.wait_until(_finish(exchange, lifespan))
    return response


def entrypoint(app: Any, *, options: Options | None = None) -> type[WorkerEntrypoint]:
    """Create the default Worker entrypoint for an ASGI application."""

    class Default(WorkerEntrypoint):
        async def fetch(self, request: Request) -> Response:
            return await fetch(app, request, self.env, self.ctx, options=options)

    return Default


def request_to_scope(
    req: Request, env: Any, ws: bool = False, state: dict[str, Any] | None = None
) -> Scope:
    """Return the scope of a request."""
    parts = urlsplit(req.url)
    scope: Scope = {
        "asgi": ASGI,
        "headers": [(name.lower().encode(), text.encode()) for name, text in req.headers.items()],
        "http_version": "1.1",
        "method": req.method,
        "scheme": parts.scheme,
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "type": "websocket" if ws else "http",
        "env": env,
    }
    if state is not None:
        scope["state"] = dict(state)
    return scope


class Lifespan:
    """One startup and shutdown of an application that supports them."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._started: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._state: dict[str, Any] = {}

    async def start(self) -> dict[str, Any]:
        """Start the application up and give its state; raises RuntimeError when it fails."""
        self._events.put_nowait({"type": "lifespan.startup"})
        runtime.wait_until(self._run())
        await self._started
        return self._state

    async def stop(self) -> None:
        """Shut the application down, where it was started up."""
        if not self._started.result():
            return
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await self._stopped

    async def _run(self) -> None:
        scope = {"asgi": ASGI, "state": self._state, "type": "lifespan"}
        try:
            await self._app(scope, self._events.get, self._send)
        except Exception as error:
            if self._started.done():
                logger.exception("Exception in ASGI lifespan application", exc_info=error)
        _settle(self._started, False)  # an application without lifespan is served all the same
        _settle(self._stopped, None)

    async def _send(self, message: Message) -> None:
        text = message.get("message")
        match message["type"]:
            case "lifespan.startup.complete":
                _settle(self._started, True)
            case "lifespan.startup.failed":
                _fail(self._started, text or "ASGI lifespan startup failed")
            case "lifespan.shutdown.complete":
                _settle(self._stopped, None)
            case "lifespan.shutdown.failed":
                _fail(self._stopped, text or "ASGI lifespan shutdown failed")
            case other:
                raise RuntimeError(f"Unexpected lifespan event {other}")


class Exchange:
    """One request in an application, and the response that comes of it."""

    def __init__(self, app: Application, scope: Scope, body: bytes) -> None:
        self._app, self._scope = app, scope
        self._body: bytes | None = body
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        self._begun: asyncio.Future[bytes | AsyncIterator[bytes]]
        self._begun = asyncio.get_running_loop().create_future()
        self._finished = asyncio.Event()
        self._abandoned = asyncio.Event()
        self._streaming = False
        self._status = 200
        self._headers: list[tuple[str, str]] = []
        self._task = asyncio.ensure_future(self._run())

    async def response(self, encode_body: str) -> Response:
        """Return the response as soon as its body begins; raises what the application raised."""
        content = await self._begun
        if not self._streaming:
            await self._task
        found = FetchResponse(content, self._status, "", self._headers)
        found._encode_body = encode_body
        return Response(found)

    async def end(self) -> None:
        """Wait until the application is done."""
        await self._task

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
            _fail(self._begun, "The application did not generate a response")
        except Exception as error:
            if self._begun.done():
                logger.exception("Exception in ASGI application after response started")
            else:
                self._begun.set_exception(error)
        finally:
            self._finished.set()
            if self._streaming and not self._abandoned.is_set():
                await self._put(None)

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._finished.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(k.decode(), v.decode()) for k, v in message.get("headers", [])]
        elif message["type"] == "http.response.body":
            await self._send_body(bytes(message.get("body", b"")), message.get("more_body", False))

    async def _send_body(self, body: bytes, more: bool) -> None:
        if not self._streaming and not more:
            _settle(self._begun, b"" if self._status in NULL_BODY_STATUSES else body)
            self._finished.set()
            return
        if not self._streaming:
            self._streaming = True
            _settle(self._begun, self._stream())
        if body:
            await self._put(body)
        if not more:
            self._finished.set()

    async def _put(self, chunk: bytes | None) -> None:
        """Hand a chunk on; raises OSError when nobody takes it any more."""
        handing = asyncio.ensure_future(self._chunks.put(chunk))
        leaving = asyncio.ensure_future(self._abandoned.wait())
        await asyncio.wait((handing, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not handing.done():
            handing.cancel()
            if chunk is not None:
                raise OSError("the caller went away")

    async def _stream(self) -> AsyncIterator[bytes]:
        try:
            while (chunk := await self._chunks.get()) is not None:
                yield chunk
        finally:
            self._abandoned.set()
            self._finished.set()


async def _finish(exchange: Exchange, lifespan: Lifespan) -> None:
    try:
        await exchange.end()
    finally:
        await lifespan.stop()


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], message: str) -> None:
    if not future.done():
        future.set_exception(RuntimeError(message))


def __getattr__(name: str) -> Any:
    if name == "env":
        fastapi = importlib.import_module("fastapi")

        async def env(request: Any) -> Any:
            return request.scope["env"]

        env.__annotations__ = {"request": fastapi.Request}
        return fastapi.Depends(env)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
