"""What the monitor answers: health, metrics and the dashboard's page."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from xswarm_monitoring import exposition, health, lengths, outcomes, report, system, tail
from xswarm_monitoring.aggregator import Aggregator, Gathered
from xswarm_monitoring.answer import Answer, Endpoint, Request
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.correlation import as_monitor
from xswarm_monitoring.exposition import Gauge, Values
from xswarm_monitoring.health import Check, Probe, Prober
from xswarm_monitoring.instruments import Family, by_name
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.plain import described
from xswarm_monitoring.route_report import Named, route_report
from xswarm_monitoring.router import Listed
from xswarm_monitoring.selection import SUMMARY, WHOLE, Selection, of_route
from xswarm_monitoring.slo import Slo
from xswarm_monitoring.status_endpoints import Published, StatusEndpoints
from xswarm_monitoring.window import Window

JSON = "application/json"
HTML = "text/html; charset=utf-8"

_DEFAULT_WINDOW = "1h"
_LONGEST_WINDOW = 90 * 86400
_MOST_POINTS = 500
_MOST_ROUTES = 1000
_SCRAPE_PATIENCE = 3.0  # seconds that a scrape waits for a probe; it has 10 s itself


class BadRequest(Exception):
    """A parameter cannot be understood; the message says which and why."""


@dataclass(frozen=True)
class Endpoints:
    """Answer what the monitor is asked; see :class:`xswarm_monitoring.asgi.Monitor`."""

    service: str
    version: Callable[[Any], str]
    probes: Callable[[Any], Iterable[Probe]]
    admin_token: Callable[[Any], str | None]
    metrics: Metrics
    keeper: Aggregator
    prober: Prober
    clock: Clock
    routes: Callable[[], Iterable[Listed]] = tuple
    slo: Callable[[Any], Slo] = lambda _env: Slo()
    published: Published | None = None
    log_raised: Callable[[Exception, str], None] = lambda _error, _message: None

    @cached_property
    def paths(self) -> Mapping[str, Endpoint]:
        """What answers each path of ours; all others are the app's."""
        return {
            "/health": self.healthy,
            "/health/live": self.live,
            "/health/ready": self.ready,
            "/health/detailed": self.detailed,
            "/api/metrics": self.measured,
            "/api/metrics/route": self.one_route,
            "/api/metrics/routes": self.routed,
            "/api/slo": self.budget,
            "/api/alerts": self.alerts,
            "/status": self.page,
            **(StatusEndpoints(self.published, self).paths if self.published else {}),
        }

    @cached_property
    def posts(self) -> Mapping[str, Endpoint]:
        """What takes a POST at each path of ours."""
        return {"/api/metrics/tail": self.tail}

    async def healthy(self, request: Request) -> Answer:
        """Answer that the Worker runs."""
        return self._report(request, ())

    async def live(self, request: Request) -> Answer:
        """Answer whether this process works, by a computation, without any dependency."""
        alive = health.alive()
        body = self._head(request, health.PASS if alive["alive"] else health.FAIL) | alive
        return _health(body)

    async def ready(self, request: Request) -> Answer:
        """Answer whether all that requests need works: here each of them is critical."""
        checks = await self.checks(request.env, only_ready=True)
        return self._report(request, [replace(each, critical=True) for each in checks])

    async def detailed(self, request: Request) -> Answer:
        """Answer whether all that the service uses works."""
        checks = await self.checks(request.env)
        if not self.is_administrator(request):
            return self._report(request, checks)
        facts = {"system": system.facts(self.metrics.born, self.clock.wall())}
        return self._report(request, checks, facts)

    async def checks(
        self,
        env: Any,
        *,
        only_ready: bool = False,
        patient: bool = False,
        longest: float | None = None,
    ) -> list[Check]:
        """Ask the probes.

        Args:
            env: the Worker's.
            only_ready: leave out those that ``/health/ready`` does not ask.
            patient: whether nobody waits for the answer.
            longest: seconds that any of them may take; None: as long as each says.
        """
        try:
            probes = list(self.probes(env))
        except Exception as error:  # a missing binding, say: it must show, not end the report
            output = described(error)
            return [Check("probes", health.FAIL, True, 0.0, self.clock.wall(), output)]
        asked = [
            each if longest is None else replace(each, timeout=min(each.timeout, longest))
            for each in probes
            if each.ready or not only_ready
        ]
        with as_monitor():
            return await self.prober.ask(asked, patient=patient)

    def _report(
        self, request: Request, checks: Iterable[Check], facts: dict[str, Any] | None = None
    ) -> Answer:
        found = list(checks)
        body = self._head(request, health.verdict(found))
        if found and self.is_administrator(request):
            body["checks"] = health.checks_as_json(found)
        return _health(body | (facts or {}))

    def _head(self, request: Request, status: str) -> dict[str, Any]:
        version = self.version_of(request.env)
        return health.head(status, self.service, version, self.clock.wall())

    async def measured(self, request: Request) -> Answer:
        """Answer what was measured, to administrators: JSON, or text for Prometheus."""
        if not self.is_administrator(request):
            return _refused()
        try:
            asked = _Asked.read(request)
        except BadRequest as error:
            return _json(400, {"error": str(error)})
        return await (self._as_json if asked.format == "json" else self._as_text)(request, asked)

    async def _as_text(self, request: Request, asked: _Asked) -> Answer:
        """Answer with counts that only grow: of all isolates, or else none at all."""
        try:
            total = await self.keeper.total(request.env, self.version_of(request.env))
        except Exception as error:
            return _json(503, {"error": described(error)})
        openmetrics = asked.format == "openmetrics"
        gauges, (whole, families) = await self.gauges(request.env), self.exposed(total)
        text = exposition.write(whole, families, gauges, openmetrics=openmetrics)
        media_type = exposition.OPENMETRICS if openmetrics else exposition.TEXT
        return Answer(200, media_type, text.encode())

    def exposed(self, total: Window) -> tuple[Window, Mapping[str, Family]]:
        """Return what is exposed of a total, with its families: outcomes, and zeros."""
        families = self.metrics.families
        whole = outcomes.complete(total, families.values(), self.metrics.declared)
        return whole, {**families, **by_name(outcomes.FAMILIES)}

    async def one_route(self, request: Request) -> Answer:
        """Answer what was measured of one route, to administrators."""
        if not self.is_administrator(request):
            return _refused()
        try:
            asked, named = _Asked.read(request), _named(request)
        except BadRequest as error:
            return _json(400, {"error": str(error)})
        now = self.clock.wall()
        selection = of_route(named.route, named.method)
        gathered = await self._gathered(request.env, asked, now, selection, chart=True)
        start = self._start(gathered, asked, now)
        body = route_report(gathered.frames, named, now - start, now, asked.points)
        body |= self._scope(request.env, gathered, asked)
        body["releases"] = [report.release(each) for each in gathered.releases]
        return _json(200, body)

    async def _gathered(
        self, env: Any, asked: _Asked, now: float, selection: Selection, *, chart: bool
    ) -> Gathered:
        return await self.keeper.gather(
            env,
            self.version_of(env),
            now - asked.window,
            asked.version,
            asked.window / asked.points if chart and asked.points else None,
            selection,
        )

    def _start(self, gathered: Gathered, asked: _Asked, now: float) -> float:
        """Return where a chart begins: where rows do, or where the window does."""
        return gathered.since if gathered.scope == "all" else now - asked.window

    def _scope(self, env: Any, gathered: Gathered, asked: _Asked) -> dict[str, Any]:
        return {
            "asked_seconds": asked.window,
            "service": self.service,
            "version": self.version_of(env),
            "scope": gathered.scope,
            "incomplete": gathered.incomplete,
        }

    async def _as_json(self, request: Request, asked: _Asked) -> Answer:
        now = self.clock.wall()
        gathered = await self._gathered(request.env, asked, now, WHOLE, chart=False)
        body = report.report(gathered.frames, now - gathered.since, now, asked.routes)
        body |= self._scope(request.env, gathered, asked)
        if asked.points:
            chart = await self._gathered(request.env, asked, now, SUMMARY, chart=True)
            start = self._start(chart, asked, now)
            body["timeline"] = report.timeline(chart.frames, start, now, asked.points)
            body["releases"] = [report.release(each) for each in gathered.releases]
        return _json(200, body)

    async def routed(self, request: Request) -> Answer:
        """Answer which routes there are, to administrators: ours, and those of the app's router."""
        if not self.is_administrator(request):
            return _refused()
        ours = [("GET", path) for path in self.paths] + [("POST", path) for path in self.posts]
        told = {
            "monitor": [{"method": method, "path": path} for method, path in ours],
            "routes": [{"method": method, "path": path} for method, path in self.routes()],
        }
        return _json(200, told)

    async def budget(self, request: Request) -> Answer:
        """Answer how much of each objective's error budget is left, to administrators."""
        if not self.is_administrator(request):
            return _refused()
        slo, now = self.slo(request.env), self.clock.wall()
        if not slo.objectives:
            return _json(200, {"objectives": [], "incomplete": ""})
        gathered = await self.keeper.gather(
            request.env, self.version_of(request.env), now - slo.window, selection=SUMMARY
        )
        listed = [each.as_json() for each in slo.budgets(gathered.frames, now)]
        return _json(200, {"objectives": listed, "incomplete": gathered.incomplete})

    async def alerts(self, request: Request) -> Answer:
        """Answer which alerts are on, what is kept quiet, and what people were told."""
        if not self.is_administrator(request):
            return _refused()
        from xswarm_monitoring import alert_state  # asked for by the dashboard alone
        from xswarm_monitoring.evaluation import DatabaseAlertStore

        execute, state, incomplete = self.keeper.execute(request.env), alert_state.AlertState(), ""
        try:
            _, text = await DatabaseAlertStore(execute).load() if execute else (0, "")
            state = alert_state.load(text) if text else state
        except Exception as error:
            incomplete = described(error)
        return _json(200, alert_state.summary(state) | {"incomplete": incomplete})

    async def tail(self, request: Request) -> Answer:
        """Measure another Worker by its tail events, sent by whoever has the admin token."""
        if not self.is_administrator(request):
            return _refused()
        body = await request.body(tail.LARGEST) if request.body else b""
        if body is None:
            return _json(413, {"error": f"send up to {tail.LARGEST} bytes at once"})
        try:
            counted, passed_over = tail.measure(
                body, self.metrics, self.admin_token(request.env) or ""
            )
        except ValueError as error:
            return _json(400, {"error": f"not tail events: {error}"[:200]})
        return _json(200, {"counted": counted, "passed_over": passed_over})

    async def gauges(self, env: Any) -> list[Gauge]:
        """Return what is not counted but read, asked just now."""
        return self._gauges(env, await self.checks(env, longest=_SCRAPE_PATIENCE))

    def _gauges(self, env: Any, checks: Iterable[Check]) -> list[Gauge]:
        version = self.version_of(env)
        found = list(checks)
        info: Values = [({"service": self.service, "version": version}, 1.0)]
        up: Values = [({"component": c.name}, float(c.status != health.FAIL)) for c in found]
        needed: Values = [({"component": c.name}, float(c.critical)) for c in found]
        beyond: Values = [
            ({"family": name}, float(n)) for name, n in self.metrics.overflowed().items()
        ]
        given = (
            Gauge("service_info", "The service and the version that answered", info),
            Gauge("health_check_up", "Whether a component works, as it was asked just now", up),
            Gauge("health_check_critical", "Whether the service is down without it", needed),
            Gauge("metrics_overflow", "Observations beyond a family's label sets", beyond),
        )
        return [gauge for gauge in given if gauge.values]

    async def page(self, _request: Request) -> Answer:
        """Answer with the dashboard's page, which holds no data and asks for the token."""
        from xswarm_monitoring import dashboard  # large, and asked for by few

        return Answer(200, HTML, dashboard.PAGE.encode(), dashboard.HEADERS)

    def version_of(self, env: Any) -> str:
        """Return the version running."""
        return self.version(env) or "unknown"

    def is_administrator(self, request: Request) -> bool:
        """Return whether a request carries the admin token."""
        token = self.admin_token(request.env)
        sent = request.headers.get(b"authorization", b"")
        return bool(token) and hmac.compare_digest(sent, f"Bearer {token}".encode())

    def is_forged(self, request: Request) -> bool:
        """Return whether a request carries a token that is not the admin's."""
        return b"authorization" in request.headers and not self.is_administrator(request)


@dataclass(frozen=True)
class _Asked:
    """What was asked of /api/metrics."""

    window: float
    points: int
    version: str | None
    format: str
    routes: int

    @classmethod
    def read(cls, request: Request) -> _Asked:
        """Read the query and the ``Accept`` header.

        Raises:
            BadRequest: a parameter cannot be understood.
        """
        query = dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))
        return cls(
            window=seconds(query.get("window", _DEFAULT_WINDOW)),
            points=_number("points", query.get("points", "0"), _MOST_POINTS),
            routes=_number("routes", query.get("routes", str(report.LISTED)), _MOST_ROUTES),
            version=query.get("version"),
            format=_format(
                query.get("format"), request.headers.get(b"accept", b"").decode("latin-1")
            ),
        )


def seconds(text: str) -> float:
    """Read a length of time: ``90``, ``90s``, ``5m``, ``1h`` or ``7d``.

    Raises:
        BadRequest: it is none, or not between a second and 90 days.
    """
    try:
        given = lengths.seconds(text)
    except ValueError as error:
        raise BadRequest(f"window: {error}") from None
    if not 1 <= given <= _LONGEST_WINDOW:
        raise BadRequest("window lies between 1s and 90d")
    return given


def _number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) > most:
        raise BadRequest(f"{name} is a number up to {most}, not {text[:20]!r}")
    return int(text)


def _named(request: Request) -> Named:
    """Read which route is meant.

    Raises:
        BadRequest: it is not said.
    """
    query = dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))
    if not query.get("route") or not query.get("method"):
        raise BadRequest("say route (its template) and method")
    return Named(query["route"], query["method"])


def _format(asked: str | None, accept: str) -> str:
    if asked is None:
        if "application/openmetrics-text" in accept:
            return "openmetrics"
        return "prometheus" if accept.startswith("text/plain") else "json"
    if asked not in ("json", "prometheus", "openmetrics"):
        raise BadRequest(f"format is json, prometheus or openmetrics, not {asked[:20]!r}")
    return asked


def _health(body: Mapping[str, Any]) -> Answer:
    return Answer(health.http_status(body["status"]), health.MEDIA_TYPE, _dump(body))


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, JSON, _dump(body))


def _refused() -> Answer:
    body = _dump({"error": "the admin token is needed, as Authorization: Bearer"})
    return Answer(401, JSON, body, ((b"www-authenticate", b'Bearer realm="monitoring"'),))


def _dump(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
