"""The ASGI middleware that gives an app its health endpoints, metrics and request ids."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from deployment.monitoring import health
from deployment.monitoring.clock import Clock
from deployment.monitoring.correlation import correlate, reset_current, set_current
from deployment.monitoring.health import Probe, Prober
from deployment.monitoring.masking import mask_path
from deployment.monitoring.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Endpoint = Callable[["Monitor", Scope], Awaitable["Answer"]]
Answer = tuple[int, str, bytes]
"""Status, media type, body."""

JSON = "application/json"
UNMATCHED = "(unmatched)"
"""The label of requests that no route took."""
CLIENT_LEFT = 499


class Monitor:
    """Serve an app's health and metrics, and measure every other request it answers.

    Args:
        app: the ASGI app to wrap.
        service: the service's name.
        version: gives the version running, from the Worker's ``env`` (``scope["env"]``;
            None outside of a Worker).
        probes: gives the probes of what the service depends on, from ``env``.
        admin_token: gives the token that administrators send as ``Authorization: Bearer``,
            from ``env``; empty or None: nobody is one.
        metrics: measures; share it with the app, which measures its database and business.
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
        metrics: Metrics | None = None,
        prober: Prober | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.app, self.service = app, service
        self.version, self.probes, self.admin_token = version, probes, admin_token
        self.clock = clock or Clock()
        self.prober = prober or Prober(clock=self.clock)
        self.metrics = metrics or Metrics(clock=self.clock)
        self._timer, self._observe = self.clock.timer, self.metrics.requests.observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request where the path is one of ours, else measure the app's answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        endpoint = _ENDPOINTS.get(scope["path"])
        if endpoint is None:
            await self._measure(scope, receive, send)
        else:
            await self._answer(endpoint, scope, send)

    async def _measure(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._timer()
        correlation = correlate(scope["headers"])
        header = (b"x-request-id", correlation.request_id.encode())
        root, status = scope.get("root_path", ""), 500

        def send_with_id(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            return send(message)

        token = set_current(correlation)
        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            status = 500
            raise
        except BaseException:  # cancelled: the client left
            status = CLIENT_LEFT
            raise
        finally:
            reset_current(token)
            ended = self._timer()
            self._observe(route(scope, root), scope["method"], status, ended - started)
            self.metrics.tick(ended)

    async def _answer(self, endpoint: Endpoint, scope: Scope, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            status, media_type, body = await endpoint(self, scope)
        else:
            status, media_type, body = 405, JSON, b'{"error":"method not allowed"}'
        await _send(send, status, media_type, body, head=scope["method"] == "HEAD")

    async def _health(self, scope: Scope) -> Answer:
        return self._report(scope, None)

    async def _live(self, scope: Scope) -> Answer:
        alive = health.alive()
        status = health.PASS if alive["alive"] else health.FAIL
        body = health.report(self.service, self._version(scope), self.clock.wall()) | alive
        return health.http_status(status), health.MEDIA_TYPE, _dump(body | {"status": status})

    async def _ready(self, scope: Scope) -> Answer:
        probes = [probe for probe in self.probes(scope.get("env")) if probe.ready]
        return self._report(scope, await self.prober.ask(probes))

    async def _detailed(self, scope: Scope) -> Answer:
        return self._report(scope, await self.prober.ask(self.probes(scope.get("env"))))

    def _report(self, scope: Scope, checks: list[health.Check] | None) -> Answer:
        body = health.report(
            self.service,
            self._version(scope),
            self.clock.wall(),
            checks,
            details=self._is_administrator(scope),
        )
        return health.http_status(body["status"]), health.MEDIA_TYPE, _dump(body)

    async def _metrics(self, scope: Scope) -> Answer:
        if not self._is_administrator(scope):
            return 401, JSON, b'{"error":"the admin token is needed"}'
        return 200, JSON, _dump({"service": self.service, "version": self._version(scope)})

    def _version(self, scope: Scope) -> str:
        return self.version(scope.get("env")) or "unknown"

    def _is_administrator(self, scope: Scope) -> bool:
        token = self.admin_token(scope.get("env"))
        sent = dict(scope["headers"]).get(b"authorization", b"")
        return bool(token) and hmac.compare_digest(sent, f"Bearer {token}".encode())


def route(scope: Scope, root: str) -> str:
    """Give the template of the route that answered, as its router left it in the scope.

    Args:
        scope: the request's; ``route`` is a text or has a ``path``, as Starlette's have.
        root: the ``root_path`` before the request was routed.
    """
    found = scope.get("route")
    if found is None:
        return UNMATCHED
    template: str = found if isinstance(found, str) else getattr(found, "path", UNMATCHED)
    mounted: str = scope.get("root_path", "")
    if mounted == root:
        return template
    prefix = mask_path(mounted[len(root) :])
    return prefix if hasattr(found, "routes") else prefix + template


_ENDPOINTS: dict[str, Endpoint] = {
    "/health": Monitor._health,
    "/health/ready": Monitor._ready,
    "/health/live": Monitor._live,
    "/health/detailed": Monitor._detailed,
    "/api/metrics": Monitor._metrics,
}


def _dump(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


async def _send(send: Send, status: int, media_type: str, body: bytes, *, head: bool) -> None:
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="monitoring"'))
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
