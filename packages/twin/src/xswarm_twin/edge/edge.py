"""The edge of the local twin: what was deployed, served on the real runtimes."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from xswarm_twin import control
from xswarm_twin.edge import python_host, spread
from xswarm_twin.edge.assets import for_routing, goes_to_worker, pages_site
from xswarm_twin.edge.children import Children
from xswarm_twin.edge.configuration import CONTROL
from xswarm_twin.edge.degraded import CHALLENGE, Degraded
from xswarm_twin.edge.files import find_answer, send, send_answer
from xswarm_twin.edge.log import Log
from xswarm_twin.edge.pages import Page, Pages
from xswarm_twin.edge.proxy import RAY, TAILED, CallFailed, Proxy, new_ray, sign
from xswarm_twin.edge.routing import KEY_HEADER, Kind, Route, Target, choose_version, target_of
from xswarm_twin.edge.schedules import Schedules
from xswarm_twin.edge.services import Services
from xswarm_twin.edge.simulators import Answer, Consumer, Question
from xswarm_twin.edge.tails import Invocation, Tails
from xswarm_twin.edge.versions import Versions
from xswarm_twin.model import PagesDeployment, ScriptInvalid, WorkerVersion
from xswarm_twin.objects.store import Objects

SCHEDULED = "/cdn-cgi/local/scheduled"
"""Fires a cron trigger at once, as with ``wrangler dev``; ``?cron=``, ``&time=`` milliseconds.

Only whoever has the twin's token may: ``Authorization: Bearer``, CLOUDFLARE_API_TOKEN.
"""
_CLOSED = "this needs the twin's token: Authorization: Bearer $CLOUDFLARE_API_TOKEN\n"

_SHUTDOWN = 1.0
_TOLD_AT_ONCE = 50  # invocations whose logs are only kept
_NOTHING_HERE = (
    "<!DOCTYPE html><title>Nothing is here yet</title><h1>There is nothing here yet</h1>\n"
    "<p>If something should be, it can take a few minutes until it is.</p>\n"
)


@dataclass(frozen=True)
class _Spreading:
    """A deployment on its way to the edge."""

    route: Route
    task: asyncio.Task[None]


class Edge:
    """Serve Workers and Pages sites on loopback ports, as Cloudflare's edge does.

    Everything runs in the event loop that calls it.

    Args:
        state: the twin's folder (``.sandbox``); logs go to ``logs/``, prepared code to ``edge/``.
        objects: the store behind R2 bindings.
        drain: seconds that requests in flight are given when their version is replaced.
        idle: seconds after which the process of a version that is not deployed, and that nobody
            asks, is stopped.
        tails: told of each invocation.
        token: opens the edge's own routes; without one they are closed.
    """

    def __init__(
        self,
        state: Path,
        objects: Objects,
        *,
        drain: float = 5.0,
        idle: float = 60.0,
        tails: Tails | None = None,
        token: str = "",
    ) -> None:
        self._services = Services(objects, self)
        self._versions = Versions(state, Children(), self._services, drain, idle)
        self._proxy = Proxy()
        self._routes: dict[str, Route] = {}
        self._tails = tails or Tails()
        self._telling: set[asyncio.Task[None]] = set()
        self._token = token
        self._degraded: Degraded | None = None
        self._spreading: dict[str, _Spreading] = {}
        self._pages = Pages()
        self._schedules = Schedules(self.fire)
        self._state = state
        self._listening: list[web.AppRunner] = []
        self._deploying: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._opened = False
        self._opening = asyncio.Lock()
        self.key_of: Callable[[web.Request], str] = lambda _: ""
        """Returns the version key that a rule of a zone gives a request; empty: none does."""
        self.pulled: Callable[[str, Sequence[Mapping[str, Any]]], None] = lambda *_: None
        """Takes the messages of a queue, by its name, that is pulled over HTTP."""

    async def listen(self, kind: Kind, name: str, port: int) -> int:
        """Open a port of 127.0.0.1 whose "/" is a Worker or a Pages project.

        Args:
            kind: what the name names.
            name: the Worker or project; it need not exist yet (404 until it does).
            port: the port, or 0 for a free one.

        Returns:
            the port.

        Raises:
            OSError: the port is taken.
        """
        await self._open()
        runner = _runner(self._handler(Target(kind, name)))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._listening.append(runner)
        return int(runner.addresses[0][1])

    async def validate(self, version: WorkerVersion) -> int:
        """Start a version's runtime and return its start-up time in milliseconds.

        The process is kept for serving. Raises ScriptInvalid when it does not start.
        """
        await self._open()
        begun = time.perf_counter()
        await self._versions.judge(version)
        return round((time.perf_counter() - begun) * 1000)

    async def deploy(
        self,
        worker: str,
        split: Mapping[WorkerVersion, float],
        *,
        enabled: bool,
        previews: bool,
    ) -> None:
        """Serve a Worker by these versions from now on.

        All their processes run before the routes are swapped; requests in flight end on the
        versions that took them. Where :data:`xswarm_twin.edge.spread.SECONDS` is set, the swap is
        that much later, unless another deployment comes before it.

        Args:
            worker: the Worker's name.
            split: the percentage of each version, 0 to 100, together 100.
            enabled: whether the Worker's own host answers (its subdomain is enabled).
            previews: whether the hosts of single versions answer.

        Raises:
            ScriptInvalid: a version does not start; the routes are as before.
        """
        await self._open()
        async with self._deploying[worker]:
            await self._start(worker, split)
            self._end_spreading(worker)
            self._versions.hold(split)
            route = Route(dict(split), enabled, previews)
            if seconds := spread.SECONDS.get():
                task = asyncio.create_task(self._swap_later(worker, route, seconds))
                self._spreading[worker] = _Spreading(route, task)
            else:
                await self._swap(worker, route)

    async def remove(self, worker: str) -> None:
        """Serve a Worker no longer; all its versions are forgotten."""
        async with self._deploying[worker]:
            self._end_spreading(worker)
            self._routes.pop(worker, None)
            self._schedules.forget(worker)
            await self._versions.forget(worker)

    async def schedule(self, worker: str, crons: Sequence[str]) -> None:
        """Schedule a Worker by these cron triggers from now on, and by no others.

        Raises:
            ValueError: one is no cron expression.
        """
        self._schedules.set(worker, crons)

    async def fire(self, worker: str, cron: str, time: int) -> str:
        """Let a cron trigger fire, and return the outcome: ``ok``, or why not.

        Args:
            worker: the Worker's name.
            cron: the trigger's expression.
            time: when it is due, milliseconds since 1970.
        """
        route = self._routes.get(worker)
        chance = random.random()  # noqa: S311
        version = choose_version(route, worker, {}, chance) if route else None
        if version is None or version.main_module is None:
            return "exception: there is nothing deployed"
        await self._versions.settled(worker)
        outcome = await self._proxy.fire(self._versions.serving(version), cron, time)
        if outcome != "ok":
            log = Log(self._state / "logs" / f"worker-{worker}.log", version.id[:8])
            log.line(f"cron trigger {cron}: {outcome}")
        return outcome

    async def locate(self, worker: str) -> Mapping[str, str] | None:
        """Return where a Worker answers now: a debug port, a service of it, its objects' service.

        None where it does not answer, or is hosted elsewhere.
        """
        await self._versions.settled(worker)
        route = self._routes.get(worker)
        chance = random.random()  # noqa: S311
        version = choose_version(route, worker, {}, chance) if route else None
        if version is None or version.main_module is None or python_host.serves(version):
            return None
        serving = self._versions.serving(version)
        async with serving.runtime.borrowed():
            await serving.runtime.ready(CONTROL)
        address = f"unix:{serving.debug}"
        return {"address": address, "service": serving.service, "home": serving.home}

    def take_mail(self, message: str) -> None:
        """Keep an e-mail that a Worker sends, as a line of ``logs/mail.jsonl``."""
        Log(self._state / "logs" / "mail.jsonl").line(message)

    async def consume(self, consumers: Mapping[str, Consumer]) -> None:
        """Let queues be consumed so, and by nobody else.

        Args:
            consumers: who takes a queue's messages, by its name.
        """
        await self._open()
        simulators = self._versions.simulators
        if not simulators.are_consumed_so(consumers):
            await simulators.consume(self._versions.runner(), consumers)

    def take_messages(self, queue: str, messages: Sequence[Mapping[str, Any]]) -> None:
        """Take messages of a queue that is pulled over HTTP."""
        self.pulled(queue, messages)

    async def purge(self, queue: str) -> None:
        """Delete all messages of a queue."""
        await self._open()
        await self._versions.simulators.purge(self._versions.runner(), queue)

    async def ask(self, question: Question) -> Answer:
        """Ask a simulator: of KV, D1 or a queue."""
        await self._open()
        return await self._versions.simulators.ask(self._versions.runner(), question)

    async def call(self, worker: str, target: Mapping[str, Any], given: Sequence[Any]) -> Any:
        """Call a method of a service in a Worker's process.

        Args:
            worker: the Worker's name.
            target: service, entrypoint, props and method.
            given: the arguments, JSON values.

        Raises:
            CallFailed: it threw, or the Worker is not deployed.
        """
        await self._versions.settled(worker)
        route = self._routes.get(worker)
        if route is None:
            raise CallFailed(f"Worker {worker!r} is not deployed")
        return await self._proxy.call(
            self._versions.serving(next(iter(route.split))), target, given
        )

    def degrade(self, degraded: Degraded | None) -> None:
        """Let the edge have a bad day, or let it end."""
        self._degraded = degraded

    def instances(self, worker: str, workflow: str) -> Sequence[str]:
        """Return the ids of a Workflow's instances."""
        return self._versions.instances(worker, workflow)

    async def preview(self, version: WorkerVersion) -> None:
        """Make a version known to its preview host; it is started on the first request."""
        await self._open()
        self._versions.know(version)
        if self._degraded is not None:
            self._degraded.uploaded(version.id)

    async def publish(self, deployment: PagesDeployment, *, production: bool) -> None:
        """Serve a Pages deployment at its own host; in production at the project's too."""
        await self._open()
        self._pages.publish(deployment, production=production)

    async def try_functions(self, deployment: PagesDeployment, *, production: bool) -> None:
        """Start a deployment's Functions, if it has any; raises ScriptInvalid where they do not."""
        await self._open()
        if deployment.functions is not None:
            site = pages_site(deployment, production=production)
            self._versions.know(deployment.functions, site)
            await self._versions.judge(deployment.functions)

    async def unpublish(self, project: str) -> None:
        """Serve a Pages project no longer."""
        self._pages.unpublish(project)

    async def close(self) -> None:
        """Stop listening, and end every process."""
        for worker in list(self._spreading):
            self._end_spreading(worker)
        for telling in self._telling:
            telling.cancel()
        for runner in self._listening:
            await runner.cleanup()
        self._listening.clear()
        await self._schedules.close()
        await self._proxy.close()
        await self._versions.close()
        await self._services.close()

    async def _open(self) -> None:
        async with self._opening:
            if not self._opened:
                await self._services.open()
                await self._proxy.open()
                self._opened = True

    async def _start(self, worker: str, split: Mapping[WorkerVersion, float]) -> None:
        """Start the processes of versions; those of a Worker with objects begin with the swap."""
        self._versions.hold(split)
        for version in split:
            self._versions.know(version)
        alone = (version for version in split if not version.is_stateful)
        try:
            await asyncio.gather(*(self._versions.start(version) for version in alone))
        except ScriptInvalid:
            self._release(worker, split)
            raise

    async def _swap(self, worker: str, route: Route) -> None:
        """Serve by a route from now on."""
        if any(version.is_stateful for version in route.split):
            await self._versions.move(route.split)
        before = self._routes.get(worker)
        self._routes[worker] = route
        if self._degraded is not None:
            self._degraded.deployed(worker)
        if before is not None:
            self._release(worker, before.split)

    async def _swap_later(self, worker: str, route: Route, seconds: float) -> None:
        await asyncio.sleep(seconds)
        del self._spreading[worker]
        await self._swap(worker, route)

    def _end_spreading(self, worker: str) -> None:
        """Forget a deployment that has not reached the edge yet: another one takes its place."""
        pending = self._spreading.pop(worker, None)
        if pending is not None:
            pending.task.cancel()
            self._release(worker, pending.route.split)

    def _release(self, worker: str, split: Mapping[WorkerVersion, float]) -> None:
        """Let the versions go that are no longer deployed."""
        current = self._routes.get(worker)
        kept = {version.id for version in current.split} if current else set()
        self._versions.release([version for version in split if version.id not in kept])

    def _handler(self, own: Target) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            request[RAY] = new_ray()
            if self._degraded is not None and self._degraded.challenges(request.headers):
                return _challenge()
            workers = self._versions.workers() | self._routes.keys()
            target = target_of(request.host, own, workers, self._pages.projects())
            return await self._answer(request, target)

        return handle

    async def _answer(self, request: web.Request, target: Target | None) -> web.StreamResponse:
        if target is None:
            return _nothing()
        if target.kind == "pages":
            page = self._pages.find(target.name, target.part)
            return _nothing() if page is None else await self._answer_page(request, page)
        if request.path == SCHEDULED:
            return await self._fired(request, target.name)
        await self._versions.settled(target.name)
        version = self._version(request, target)
        if version is None:
            return _nothing()
        return await self._answer_by(request, version, told=target.part is None)

    async def _answer_page(self, request: web.Request, page: Page) -> web.StreamResponse:
        """Let a Pages project answer: its Functions where its routes say so, else its files."""
        functions = page.functions
        if functions is None or not page.invokes(request.rel_url.raw_path):
            return await send_answer(request, page.site)
        self._versions.know(functions, page.site)
        return await self._proxy.forward(request, self._versions.serving(functions))

    async def _fired(self, request: web.Request, worker: str) -> web.Response:
        """Fire a cron trigger that somebody asks for, and answer as ``wrangler dev`` does."""
        if not control.allows(request.headers, self._token):
            return web.Response(status=401, text=_CLOSED)
        given = request.query.get("time", "")
        due = int(given) if given.isdecimal() else int(time.time() * 1000)
        outcome = await self.fire(worker, request.query.get("cron", "* * * * *"), due)
        return web.Response(status=200 if outcome == "ok" else 500, text=outcome)

    def _version(self, request: web.Request, target: Target) -> WorkerVersion | None:
        """Choose the version that answers, by the route as it is at this moment."""
        route = self._routes.get(target.name)
        if target.part is not None:
            shown = route is None or route.previews
            found = self._versions.find(target.name, target.part) if shown else None
            late = found and self._degraded and not self._degraded.previews(found.id)
            return None if late else found
        if route is None or not route.enabled:
            return None
        ignored = self._degraded is not None and not self._degraded.overrides(target.name)
        headers = CIMultiDict() if ignored else request.headers.copy()
        if key := self.key_of(request):
            headers[KEY_HEADER] = key
        return choose_version(route, target.name, headers, random.random())  # noqa: S311

    async def _answer_by(
        self, request: web.Request, version: WorkerVersion, *, told: bool
    ) -> web.StreamResponse:
        """Let a version answer: its static files, its script, or the one after the other.

        Args:
            request: what is asked.
            version: who answers.
            told: whether tails show it; those of preview hosts they do not.
        """
        site = self._versions.site(version)
        if site is not None and version.main_module is None:
            return await send_answer(request, site)
        if site is not None and not goes_to_worker(site, request.path):
            found = find_answer(request, for_routing(site, request.headers))
            if found is not None:
                return await send(request, found)
        if told and self._hears(version.worker):
            return await self._tailed(request, version)
        began = time.perf_counter()
        answer = await self._proxy.forward(request, self._versions.serving(version))
        if told:
            self._tails.publish(_invocation(request, version, answer.status, _since(began)))
        return answer

    def _hears(self, worker: str) -> bool:
        """Return whether an invocation is to tell what it logs.

        Who listens hears all; what is only kept is left out under load, as Cloudflare samples.
        """
        kept = self._tails.hears(worker) and len(self._telling) < _TOLD_AT_ONCE
        return kept or bool(self._tails.of(worker))

    async def _tailed(self, request: web.Request, version: WorkerVersion) -> web.StreamResponse:
        """Let a version answer, and tell those who listen what it did, once it has told that."""
        ray, began = request[RAY], time.perf_counter()
        request[TAILED] = True
        self._services.traces.expect(ray)
        try:
            answer = await self._proxy.forward(request, self._versions.serving(version))
        except BaseException:
            self._services.traces.forget(ray)
            raise
        done = _invocation(request, version, answer.status, _since(began))
        telling = asyncio.create_task(self._tell(done, ray))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
        return answer

    async def _tell(self, done: Invocation, ray: str) -> None:
        self._tails.publish(done, await self._services.traces.of(ray))


def _runner(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.AppRunner:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    application.on_response_prepare.append(sign)
    return web.AppRunner(
        application,
        access_log=None,
        auto_decompress=False,
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN,
    )


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def _invocation(
    request: web.Request, version: WorkerVersion, status: int, milliseconds: int
) -> Invocation:
    return Invocation(
        version,
        request.method,
        f"{request.scheme}://{request.host}{request.path_qs}",
        dict(request.headers),
        request.remote or "127.0.0.1",
        status,
        "ok" if status < 500 else "exception",
        milliseconds,
    )


def _challenge() -> web.Response:
    headers = {"cf-mitigated": "challenge"}
    return web.Response(status=403, text=CHALLENGE, content_type="text/html", headers=headers)


def _nothing() -> web.Response:
    """Return what Cloudflare answers where nothing is deployed: a page of its own."""
    return web.Response(status=404, text=_NOTHING_HERE, content_type="text/html")
