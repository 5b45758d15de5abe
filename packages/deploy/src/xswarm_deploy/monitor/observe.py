"""Look at a service: what its monitor says of it, or what can be seen from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.errors import UPDATE, DeployError
from xswarm_deploy.monitor.alert_store import execute
from xswarm_deploy.services.errors import NotFound, UnexpectedReply
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.monitor import Health, Monitor
from xswarm_deploy.services.pace import TOO_MANY
from xswarm_deploy.services.probe_header import headers
from xswarm_monitoring import rules
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.health import FAIL, WARN, Check, Probe, Prober
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.probe_header import ProbedRequest
from xswarm_monitoring.rules import Thresholds
from xswarm_monitoring.storage import Storage
from xswarm_monitoring.window import Window, merge

if TYPE_CHECKING:
    from xswarm_deploy.settings.project import Route
    from xswarm_deploy.site import Site

_PATIENCE = 10.0  # seconds that one route may take
WORKER = "worker"
DATABASE = "database"
METRICS = "metrics"


@dataclass(frozen=True)
class Seen:
    """What was seen.

    Args:
        mounted: whether the Worker has a monitor; else it was judged from outside.
        checks: each component, and whether it works.
        measured: the requests and queries of the window; from outside: the probes alone.
        memory: bytes the Worker holds; None where it does not tell.
        memory_limit: bytes it may hold, likewise.
        remembering: whether the database answered, so that it can keep the state.
        version: what runs; empty: it does not say.
    """

    mounted: bool
    checks: Sequence[Check]
    measured: Window
    memory: int | None = None
    memory_limit: int | None = None
    remembering: bool = True
    version: str = ""

    def judged(self, thresholds: Thresholds) -> list[Alert]:
        """Return the alerts that are due; a handful of probes counts as much as it is."""
        limits = thresholds if self.mounted else replace(thresholds, least=1)
        return rules.judge(self.measured, self.checks, limits, self.memory, self.memory_limit)


def look(site: Site, window: float, now: float) -> Seen:
    """Look at an environment.

    A Worker that has no monitor, such as one in JavaScript, is asked the routes of
    ``verify.routes`` in invoke.yaml that change nothing; what it says of its own health counts.

    Args:
        site: the environment.
        window: seconds that count.
        now: seconds since 1970.
    """
    monitor = Monitor.of(site.settings)
    health = monitor.health("/health/detailed")
    if not health.status:
        return Seen(True, [_down(WORKER, health.error, now)], Window(now - window, now))
    if not health.reported:
        return _from_outside(site, [each for each in _asked(site) if not each.site], now)
    if health.verdict != FAIL and not _measures(monitor):
        outside = _from_outside(site, _asked(site), now)
        return replace(outside, checks=[*outside.checks, *health.checks])
    measured, faults = _measured(site, window, now)
    pages = _from_outside(site, [each for each in _asked(site) if each.site], now)
    told = health.checks or [_whole(health, now)]
    # The Worker remembers a check for a while, so what was found here is the newer truth.
    here = [*pages.checks, *faults]
    checks = [each for each in told if each.name not in {one.name for one in here}] + here
    memory, limit = health.bytes_of("memory_bytes"), health.bytes_of("memory_limit_bytes")
    version = str(health.body.get("version") or "").replace("unknown", "")
    remembering = all(fault.name != DATABASE for fault in faults)
    return Seen(True, checks, measured, memory, limit, remembering, version)


def _measures(monitor: Monitor) -> bool:
    """Let the isolate that answers write what it measured; tells whether it measures at all.

    A Worker may report on its health and have no monitor of ours, and figures of its own.
    """
    try:
        monitor.metrics("1m")
    except (NotFound, UnexpectedReply):
        return False
    except DeployError:
        return True  # that something is wrong shows in the checks, and in what was measured
    return True


def _measured(site: Site, window: float, now: float) -> tuple[Window, list[Check]]:
    """Return what all isolates measured, and the fault where that cannot be read."""
    try:
        frames = asyncio.run(_frames(site, now - window, now))
    except DatabaseError as error:
        return Window(now - window, now), [_down(DATABASE, str(error), now)]
    except ValueError as error:  # a later version of the Worker's monitor wrote it
        unread = Check(METRICS, FAIL, False, 0.0, now, f"{error}; {UPDATE}")
        return Window(now - window, now), [unread]
    return merge(frames, now - window, now), []


async def _frames(site: Site, since: float, until: float) -> list[Window]:
    """Return the frames of a window, once rows that are old enough are merged into few."""
    storage = Storage(execute(site.database), instance="")
    await storage.prepare()
    await storage.compact(until)
    return await storage.read(since, until)


def _asked(site: Site) -> list[Route]:
    """Return the routes that anybody may ask and that change nothing."""
    routes = site.settings.project.verify.routes
    return [each for each in routes if each.method == "GET" and not each.token]


def _from_outside(site: Site, routes: Sequence[Route], now: float) -> Seen:
    """Ask routes, together, and judge the service by their answers."""
    metrics = Metrics()
    probes = [_probe(site, each, metrics) for each in routes]
    if not routes:
        return Seen(False, [], Window(now, now))
    checks = asyncio.run(Prober().ask(probes))
    return Seen(False, checks, metrics.total())


def _probe(site: Site, route: Route, metrics: Metrics) -> Probe:
    base = site.settings.text("BASE_URL" if route.site else "WORKER_URL")
    http = Http("The site", base, timeout=(5.0, _PATIENCE), retries=0, budget=_PATIENCE)
    run = _asking(site, http, route, metrics)
    return Probe(f"{route.method} {route.path}", run, timeout=_PATIENCE + 1)


def _asking(
    site: Site, http: Http, route: Route, metrics: Metrics
) -> Callable[[], Awaitable[Mapping[str, Any] | None]]:
    async def ask() -> Mapping[str, Any] | None:
        request = ProbedRequest.of("GET", http.base_url + route.path)
        mark = {} if route.site else headers(site.settings, request, http.clock.now())
        began = http.clock.monotonic()
        reply = await asyncio.to_thread(http.get, route.path, headers=mark, expect=range(300, 600))
        metrics.requests.observe(route.path, "GET", reply.status, http.clock.monotonic() - began)
        if reply.status in route.status:
            return None
        if reply.status == TOO_MANY:
            return {"status": WARN, "output": "the Worker limits its callers (429)"}
        return {"status": FAIL, "output": f"HTTP {reply.status}"}

    return ask


def _whole(health: Health, now: float) -> Check:
    """Return the verdict as one check, where the details are kept from us."""
    told = "" if health.verdict != FAIL else f"HTTP {health.status}; ADMIN_TOKEN shows the details"
    return Check(WORKER, health.verdict, True, health.milliseconds, now, told)


def _down(component: str, why: str, now: float) -> Check:
    return Check(component, FAIL, True, 0.0, now, why)
