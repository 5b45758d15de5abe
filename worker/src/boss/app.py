"""The application: routes, what stands around them, and the monitor in front."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from boss import accounts, buzz, mail, payments, phone, providers, status, suggestions, teams
from boss.browsers import Browsers
from boss.configuration import Configuration
from boss.context import Context
from boss.database import Database, DatabaseError, Fetch
from boss.limits import Limits
from boss.log import Logged, log_failure, request_id
from boss.outgoing import sending
from boss.problem import Problem
from boss.request import Receive, Request
from boss.response import Response, problem_response
from boss.rounds import alerting_rules, make_published, make_push, make_rounds
from boss.router import Match, Route, Router
from boss.storage import Storage
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.asgi import Defer, Monitor
from xswarm_monitoring.correlation import current, is_probe
from xswarm_monitoring.health import Probe
from xswarm_monitoring.logs import Log
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.probe_header import EXEMPT
from xswarm_monitoring.scheduler import Scheduler

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ROUTES = (
    Route("GET", "/", status.welcome, limited=False),
    Route("GET", "/api/health", status.api_health, limited=False),
    Route("POST", "/api/auth/signup", accounts.sign_up),
    Route("POST", "/api/auth/login", accounts.log_in),
    Route("POST", "/api/auth/logout", accounts.log_out),
    Route("GET", "/api/auth/me", accounts.show),
    Route("DELETE", "/api/auth/me", accounts.delete),
    Route("GET", "/api/buzz", buzz.listings),
    Route("GET", "/api/buzz/categories", buzz.categories),
    Route("GET", "/api/payments/configuration", payments.configuration),
    Route("GET", "/api/teams", teams.listed),
    Route("GET", "/api/suggestions", suggestions.listed),
    Route("POST", "/api/suggestions", suggestions.suggest),
    Route("DELETE", "/api/suggestions/{id}", suggestions.withdraw),
    Route("PUT", "/api/suggestions/{id}/attachment", suggestions.attach),
    Route("GET", "/api/suggestions/{id}/attachment", suggestions.attachment),
    Route("POST", "/stripe/webhook", payments.receive, limited=False),
    Route("POST", "/voice/{user}", phone.voice, limited=False),
    Route("POST", "/voice/{user}/status", phone.status, limited=False),
    Route("POST", "/sms/{user}", phone.sms, limited=False),
    Route("POST", "/email/inbound", mail.receive, limited=False),
)


class Service:
    """Answer one ASGI request by its route; every error leaves in the same shape.

    Args:
        fetch: the host's fetch, by which the database is reached.
        metrics: what the monitor measures with.
    """

    def __init__(self, fetch: Fetch, metrics: Metrics) -> None:
        self._fetch = fetch
        self._metrics = metrics
        self._router = Router(ROUTES)
        self._limits = Limits()
        self._attempts = Limits()
        self.log = Log(status.SERVICE)
        self.tell: Callable[[Any, Alert], None] = lambda _environment, _event: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; a Worker has neither websockets nor a start-up of its own."""
        if scope["type"] != "http":
            return
        template = self._router.template(scope["path"])
        if template:
            scope["route"] = template  # the monitor labels its measures by it
        response = await self._answer(scope, receive)
        await _send(response, scope["method"], send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        configuration = Configuration(scope["env"])
        request = Request(scope, receive, configuration.largest_body)
        try:
            return await self._dispatch(request, configuration)
        except Problem as problem:
            self._count(problem)
            return problem_response(problem, request_id())
        except Exception as error:  # the last line of defence: whatever it is, it is answered
            log_failure(self.log, error)
            return problem_response(_problem(error), request_id())

    def _count(self, problem: Problem) -> None:
        """Count what may be abuse; forged tokens are counted where they are read."""
        if problem.kind == "wrong_credentials":
            self._metrics.abuse.failed_login()
        elif problem.kind in ("unsigned", "invalid_signature"):
            self._metrics.abuse.forged_webhook()

    async def _dispatch(self, request: Request, configuration: Configuration) -> Response:
        match = self._router.match(request.method, request.path)
        now = time.time()
        told = self._limit(match, request, configuration, now)
        context = self._context(match, request, configuration, now)
        response = await match.route.handler(context)
        return response.adding(*told)

    def _limit(
        self, match: Match, request: Request, configuration: Configuration, now: float
    ) -> tuple[tuple[str, str], ...]:
        served = current()
        if served is not None and served.probe == EXEMPT:
            return ()  # a release asks thousands of times, and each is signed
        if not match.route.limited or not configuration.flag("RATE_LIMIT_ENABLED", True):
            return ()
        per_minute = configuration.number("RATE_LIMIT_REQUESTS_PER_MINUTE", 60)
        per_hour = configuration.number("RATE_LIMIT_REQUESTS_PER_HOUR", 1000)
        return self._limits.count(request.client, per_minute, per_hour, now).headers()

    def _context(
        self, match: Match, request: Request, configuration: Configuration, now: float
    ) -> Context:
        database = connect(configuration, self._fetch, self._metrics)
        storage = Storage(configuration.environment)
        return Context(
            request,
            match.parameters,
            configuration,
            database,
            storage,
            self._attempts,
            self._metrics,
            lambda event: None if is_probe() else self.tell(configuration.environment, event),
            now,
        )


def connect(configuration: Configuration, fetch: Fetch, metrics: Metrics) -> Database:
    """Return the database that the Worker's variables name; it is reached when first asked.

    Args:
        configuration: the Worker's variables and secrets.
        fetch: the host's fetch.
        metrics: measures each query.
    """
    return Database(
        configuration.text("TURSO_DATABASE_URL"),
        configuration.text("TURSO_AUTH_TOKEN"),
        fetch,
        configuration.time_limit,
        metrics.database.observe,
    )


def probes(environment: Any, fetch: Fetch, metrics: Metrics) -> list[Probe]:
    """Return what the service needs, for the health routes.

    Args:
        environment: the Worker's environment.
        fetch: the host's fetch.
        metrics: measures each query.
    """
    configuration = Configuration(environment)
    database = connect(configuration, fetch, metrics)
    storage = Storage(environment)
    return [
        Probe("database", database.check, timeout=2.0, ready=True, kind="datastore"),
        Probe("storage", storage.check, critical=False, timeout=2.0, ready=True, kind="datastore"),
        Probe("configuration", lambda: status.check(configuration), ready=True),
        *providers.probes(configuration, sending(fetch, configuration.time_limit)),
    ]


class Application:
    """The service as an ASGI application, and what its cron trigger does.

    Args:
        fetch: the host's fetch (``workers.fetch``).
        defer: lets a coroutine run on after the answer; a task of the event loop by default.
    """

    def __init__(self, fetch: Fetch, defer: Defer | None = None) -> None:
        metrics = Metrics()
        service = Service(fetch, metrics)
        monitor = Monitor(
            service,
            service=status.SERVICE,
            version=status.version,
            probes=lambda environment: probes(environment, fetch, metrics),
            admin_token=lambda environment: Configuration(environment).text("ADMIN_TOKEN"),
            execute=lambda environment: connect(Configuration(environment), fetch, metrics).execute,
            defer=defer,
            metrics=metrics,
            routes=lambda: [(route.method, route.template) for route in ROUTES],
            slo=lambda environment: alerting_rules(monitor, Configuration(environment)).slo,
            push=lambda environment: make_push(monitor, fetch, Configuration(environment)),
            published=make_published(
                lambda environment: alerting_rules(monitor, Configuration(environment))
            ),
        )
        self._rounds: Callable[[Any], Scheduler] = lambda environment: make_rounds(
            monitor, fetch, Configuration(environment)
        )
        service.tell = lambda environment, event: monitor.defer(
            self._rounds(environment).tell(environment, event)
        )
        self._logged = Logged(monitor, service)
        self._browsers = Browsers(self._logged)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await self._browsers(scope, receive, send)

    async def go_round(self, environment: Any, now: float) -> None:
        """Keep what was measured, look whether all is well, and tell people if not.

        Args:
            environment: the Worker's.
            now: when the round was due, seconds since 1970.
        """
        self._logged.open(environment)
        await self._rounds(environment).go(environment, now)


def create_app(fetch: Fetch, defer: Defer | None = None) -> Application:
    """Make the application; see :class:`Application`."""
    return Application(fetch, defer)


async def _send(response: Response, method: str, send: Send) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
    body = b"" if method == "HEAD" else response.body
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _problem(error: Exception) -> Problem:
    """Return what a failure means to the caller, without its details."""
    if not isinstance(error, DatabaseError):
        return Problem(500, "internal", "Something went wrong here; it was logged.")
    if error.kind in ("busy", "unavailable"):
        message = "The database does not answer just now; try again."
        return Problem(503, "database_unavailable", message, headers={"retry-after": "2"})
    return Problem(500, "database_error", "The database refused this; it was logged.")
