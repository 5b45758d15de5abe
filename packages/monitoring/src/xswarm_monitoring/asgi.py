"""The ASGI middleware that gives an app its health endpoints, metrics and request ids."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xswarm_monitoring import lifespan
from xswarm_monitoring.aggregator import Aggregator
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.answer import Answer, Endpoint, Request
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.correlation import Correlation, correlate, reset_current, set_current
from xswarm_monitoring.endpoints import Endpoints
from xswarm_monitoring.health import Probe, Prober
from xswarm_monitoring.instruments import NO_ROUTE
from xswarm_monitoring.logs import Level, Log
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.probe_header import VERSION, ProbedRequest, recognise
from xswarm_monitoring.push import Push
from xswarm_monitoring.redaction import mask_path
from xswarm_monitoring.router import Listed, listed
from xswarm_monitoring.slo import Slo
from xswarm_monitoring.status_endpoints import Published
from xswarm_monitoring.storage import Execute
from xswarm_monitoring.window import Window

if TYPE_CHECKING:
    from xswarm_monitoring.pusher import Pusher

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Defer = Callable[[Coroutine[Any, Any, None]], None]
"""Lets a coroutine run on after the answer: a Worker's ``wait_until``."""

UNMATCHED = NO_ROUTE
"""The label of requests that no route took.

Where an app has no routes that it tells of, and answered all the same, the label is made of the
path (:mod:`xswarm_monitoring.paths`). What it did not find, or refused, is a scanner's as often as
not: it has no label of its own.
"""
CLIENT_LEFT = 499
_BODIES = frozenset(("http.response.body", "http.response.pathsend", "http.response.zerocopysend"))
_REQUEST_ID, _CONTENT_TYPE = b"x-request-id", b"content-type"
_EVENTS = b"text/event-stream"
_EVENTS_LENGTH = len(_EVENTS)  # what follows in the header are parameters
_VERSION = VERSION.lower().encode()
_LENGTH = len(_REQUEST_ID)  # and of the other name


@dataclass
class Untold:
    """Hold the events of this process that are not in the state of the alerts yet.

    Args:
        events: those.
        told_until: until when somebody is at telling them, by the clock's timer.
        store: keeps the state in this process, while the one of all cannot be had.
        copy: what this process knows of the state in the fallback; see
            :mod:`xswarm_monitoring.fallback_store`.
    """

    events: list[Alert] = field(default_factory=list)
    told_until: float = float("-inf")
    store: Any = None
    copy: Any = None


class Monitor:
    """Serve an app's health and metrics, and measure every other request it answers.

    Args:
        app: the ASGI app to wrap.
        service: the service's name.
        version: gives the version running, from the Worker's ``env`` (``scope["env"]``;
            None outside of a Worker).
        probes: gives the probes of what the service depends on, from ``env``.
        routes: gives the method and template of each route, which administrators may read;
            None: those of ``app``, where it is Starlette's or FastAPI's.
        admin_token: gives the token that administrators send as ``Authorization: Bearer``,
            from ``env``; empty or None: nobody is one.
        execute: gives what runs a statement in the database where the metrics of all
            isolates meet, from ``env``; None: this process is all there is.
        defer: lets a flush run on after the answer; a task of the event loop by default.
        metrics: measures; share it with the app, which measures its database and business.
        log: writes a line for each request; None: none is written.
        flush_every: seconds between two flushes; what an evicted isolate can lose.
        slo: gives the service's objectives, from ``env``.
        push: gives who receives what is measured, from ``env``; it is asked once. None: nobody.
        published: the public status page; None: there is none.
        prober: asks the probes.
        clock: the clock to read.
    """

    def __init__(
        self,
        app: App,
        *,
        service: str,
        version: Callable[[Any], str] = lambda _env: "",
        probes: Callable[[Any], Iterable[Probe]] = lambda _env: (),
        admin_token: Callable[[Any], str | None] = lambda _env: None,
        routes: Callable[[], Iterable[Listed]] | None = None,
        execute: Callable[[Any], Execute | None] | None = None,
        defer: Defer | None = None,
        metrics: Metrics | None = None,
        log: Log | None = None,
        flush_every: float = 30.0,
        slo: Callable[[Any], Slo] = lambda _env: Slo(),
        push: Callable[[Any], Push | None] | None = None,
        published: Published | None = None,
        prober: Prober | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or Clock()
        self.app, self.log = app, log
        self.metrics = metrics or Metrics(clock=clock)
        self.keeper = Aggregator(self.metrics, execute or (lambda _env: None), every=flush_every)
        self.endpoints = Endpoints(
            service=service,
            version=version,
            probes=probes,
            admin_token=admin_token,
            routes=routes or (lambda: listed(app)),
            metrics=self.metrics,
            keeper=self.keeper,
            prober=prober or Prober(clock=clock),
            clock=clock,
            slo=slo,
            published=published,
            log_raised=self.log_raised,
        )
        self._paths = {**self.endpoints.paths, **self.endpoints.posts}
        self._flushes = self.metrics.awaited = execute is not None
        self._push, self._pushes = push, push is not None
        self.pusher: Pusher | None = None
        self.defer = defer or _Tasks()
        self.untold = Untold()
        self.stretches: dict[float, tuple[float, Window]] = {}
        self._timer, self._observe = clock.timer, self.metrics.requests.observe
        self._observe_probe = self.metrics.probes.observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request where the path is one of ours, else measure the app's answer.

        It is one function, since each further one costs every request a coroutine.
        """
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        root, path = scope.get("root_path", ""), scope["path"]
        if root:
            path = below(path, root)
        endpoint = self._paths.get(path)
        if endpoint is not None:
            await self._answer(endpoint, scope, receive, send)
            return
        timer = self._timer
        started = timer()
        correlation = correlate(scope["headers"])
        if correlation.claim is not None:
            correlation.probe = self._recognised(scope, correlation.claim)
        if self._pushes:
            self._begin_trace(scope, correlation)
        status, heard, answered = 500, 0.0, 0.0
        last = left = False

        async def receive_noting() -> Message:
            nonlocal left
            message = await receive()
            # Servers say the same once an answer is over, whoever stays or leaves.
            if message["type"] == "http.disconnect" and not last:
                left = True
            return message

        async def send_with_id(message: Message) -> None:
            nonlocal status, heard, answered, last, left
            kind = message["type"]
            if kind == "http.response.start":
                status, identified = message["status"], False
                headers = list(message.get("headers", ()))
                for name, value in headers:  # a generator would cost a microsecond
                    if len(name) == _LENGTH:
                        known = name.lower()
                        if known == _REQUEST_ID:
                            identified = True
                        elif known == _CONTENT_TYPE and value[:_EVENTS_LENGTH].lower() == _EVENTS:
                            heard = timer()  # how long its client listens is no slowness
                if not identified:
                    headers.append((_REQUEST_ID, correlation.request_id.encode()))
                if correlation.probe:
                    headers += self._version(scope)
                message["headers"] = headers
            elif kind in _BODIES:
                last = not message.get("more_body")
            try:
                await send(message)
            except OSError:  # as a server says that its connection is closed
                left = True
                raise
            if last:
                answered = timer()  # what the app still does is no part of its answer

        token = set_current(correlation)
        try:
            await self.app(scope, receive_noting, send_with_id)
        except Exception as error:
            status = 500
            if not left:
                self.log_raised(error)
            raise
        except BaseException:  # cancelled: the client left
            left = True
            raise
        finally:
            if left:  # whatever the app made of it: nobody was there to see
                status = CLIENT_LEFT
            ended = answered or timer()
            self._measure(scope, root, status, (heard or ended) - started, ended, correlation)
            reset_current(token)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a lifespan, or a WebSocket."""
        if scope["type"] == "lifespan" and not in_a_worker():
            await lifespan.serve(self.app, scope, receive, send, lambda: self._flush(None))
            return
        await self.app(scope, receive, send)

    def _recognised(self, scope: Scope, claim: bytes) -> str:
        """Return the kind of a deployment's own request; empty: its header is not genuine."""
        environment, endpoints = scope.get("env"), self.endpoints
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        request = ProbedRequest(host, scope["method"], scope["path"])
        token = endpoints.admin_token(environment) or ""
        version = endpoints.version(environment) or ""
        version = "" if version == "unknown" else version
        return recognise(claim.decode("latin-1"), token, request, endpoints.clock.wall(), version)

    def _version(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Return the header by which an answer to a deployment's own request names its version."""
        named = self.endpoints.version(scope.get("env"))
        plain = named.isascii() and named.isprintable() and named != "unknown"
        return [(_VERSION, named.encode())] if named and plain else []

    def _begin_trace(self, scope: Scope, correlation: Correlation) -> None:
        self._open_push(scope.get("env"))
        if self.metrics.tracer is not None:
            self.metrics.tracer.begin(correlation)

    def _measure(
        self,
        scope: Scope,
        root: str,
        status: int,
        seconds: float,
        ended: float,
        correlation: Correlation,
    ) -> None:
        metrics = self.metrics
        if ended >= metrics.over:
            metrics.seal()
        observe = self._observe_probe if correlation.probe else self._observe
        template = route(scope, root)
        if template is UNMATCHED:
            answered = status < 400 or status >= 500
            path = below(scope["path"], root)
            template = metrics.paths.label(path, answered=answered) or UNMATCHED
        observe(template, scope["method"], status, seconds)
        if correlation.sampled and metrics.tracer is not None:
            metrics.tracer.request(correlation, template, scope["method"], status, seconds, scope)
        if self.log is not None and self.log.writes(Level.INFO):
            self._log_answered(self.log, scope, status, seconds)
        if self._flushes and self.keeper.claim(ended):
            self.defer(self._flush(scope.get("env")))

    async def maintain(self, env: Any = None) -> None:
        """Flush, merge old rows, and push: call it from a cron trigger, every minute or so."""
        self._open_push(env)
        await self.keeper.maintain(env, self.endpoints.version_of(env))
        if self.pusher is not None:
            self.defer(self._pushed(env))

    async def _flush(self, env: Any) -> None:
        try:
            await self.keeper.flush(env, self.endpoints.version_of(env))
        except Exception as error:  # the database's fault must not become the request's
            self.log_raised(error, "metrics were not flushed; the next flush repeats it")
        await self._pushed(env)

    def _open_push(self, env: Any) -> None:
        """Read who receives what is measured, once: what a Worker is given stays as it is."""
        wanted, self._push = self._push(env) if self._push else None, None
        if wanted is None or not wanted.targets:
            return
        from xswarm_monitoring.pusher import Pusher  # large, and asked for by few

        self.pusher = Pusher(
            wanted,
            service=self.endpoints.service,
            metrics=self.metrics,
            instance=self.keeper.instance,
            exposed=self.endpoints.exposed,
        )
        self._flushes = True
        if self.log is not None:
            self.log.kept = self.pusher.keep

    async def _pushed(self, env: Any) -> None:
        """Push what is due; it raises nothing, and the log says what failed."""
        if self.pusher is None:
            return
        for failed in await self.pusher.after_flush(self.endpoints, env):
            if self.log is not None:
                self.log.warning("measures were not pushed; the next push repeats it", why=failed)

    def log_raised(self, error: Exception, message: str = "request failed") -> None:
        """Write what was raised, where there is a log."""
        if self.log is not None:
            self.log.error(message, error)

    def _log_answered(self, log: Log, scope: Scope, status: int, seconds: float) -> None:
        log.info(
            "request",
            method=scope["method"],
            path=mask_path(scope["path"]),
            status=status,
            milliseconds=round(seconds * 1000, 3),
        )

    async def _answer(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        verbs, verb = self._verbs(scope), scope["method"]
        answer = _not_allowed(verbs)
        if verb in verbs:
            headers, query = dict(scope["headers"]), scope.get("query_string", b"")
            body = _Body(receive).read
            request = Request(scope.get("env"), headers, query, body)
            if self.endpoints.is_forged(request):
                self.metrics.abuse.forged_token()
            answer = await endpoint(request)
        await _send(send, answer, head=verb == "HEAD")

    def _verbs(self, scope: Scope) -> tuple[str, ...]:
        path = below(scope["path"], scope.get("root_path", ""))
        return ("POST",) if path in self.endpoints.posts else ("GET", "HEAD")


def in_a_worker() -> bool:
    """Return whether each request has a lifespan of its own, whose end is no time to flush.

    The Workers SDK begins one with each request: in Pyodide, and wherever else it serves.
    """
    sdk = sys.modules.get("workers")
    return sys.platform == "emscripten" or hasattr(sdk, "WorkerEntrypoint")


class _Body:
    """Read a request's body, as it comes in pieces."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def read(self, limit: int) -> bytes | None:
        """Return the body; None where it has more bytes than a limit."""
        body, more = bytearray(), True
        while more and len(body) <= limit:
            message = await self._receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body) if len(body) <= limit else None


def below(path: str, root: str) -> str:
    """Return a path without the prefix under which a proxy, or another app, serves this one.

    Args:
        path: the request's, with the prefix (ASGI 3) or without it, as some servers have it.
        root: ``root_path`` of the scope.
    """
    root = root.rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _not_allowed(verbs: tuple[str, ...]) -> Answer:
    allow = (b"allow", ", ".join(verbs).encode())
    return Answer(405, "application/json", b'{"error":"method not allowed"}', (allow,))


def route(scope: Scope, root: str) -> str:
    """Return the template of the route that answered, as its router left it in the scope.

    Args:
        scope: the request's; ``route`` is a text or has a ``path``, as Starlette's have;
            Litestar's is ``path_template``.
        root: the ``root_path`` before the request was routed.
    """
    found = scope.get("route")
    if found is None:
        return scope.get("path_template") or UNMATCHED
    template: str = found if isinstance(found, str) else getattr(found, "path", UNMATCHED)
    mounted: str = scope.get("root_path", "")
    if mounted == root:
        return template
    prefix = mask_path(mounted[len(root) :])
    return prefix if hasattr(found, "routes") else prefix + template


class _Tasks:
    """Run coroutines as tasks of the event loop, and hold them until they are done."""

    def __init__(self) -> None:
        self._tasks: set[Any] = set()

    def __call__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        from asyncio import ensure_future

        task = ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _send(send: Send, answer: Answer, *, head: bool) -> None:
    headers = [
        (b"content-type", answer.media_type.encode()),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    if not any(name == b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})
