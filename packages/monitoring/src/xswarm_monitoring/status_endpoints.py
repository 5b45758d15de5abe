"""What anybody may ask: the public status page, its JSON and its feed, from a short memory.

Whoever asks costs at most one read of the database in half a minute and process: 90 rows of
history, and the incidents. It asks no probe, unless the database cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from xswarm_monitoring.aggregator import Aggregator
from xswarm_monitoring.answer import Answer, Endpoint, Request
from xswarm_monitoring.clock import Clock
from xswarm_monitoring.health import PASS, Check
from xswarm_monitoring.status_page import WORKER, StatusPage

if TYPE_CHECKING:
    from xswarm_monitoring.status_report import History, StatusReport

PATH = "/status/public"
MACHINES, FEED = f"{PATH}.json", f"{PATH}.atom"

_KEPT = 30.0  # seconds for which what was read is shown
_RETRY = 10.0  # likewise, where it could not be read
_PATIENCE = 1.0  # seconds that a probe may take while the history cannot be read
_CACHED = (b"cache-control", b"public, max-age=30")
_NO_HISTORY = "The history and the incidents cannot be read just now."
_OLD_HISTORY = "The history and the incidents cannot be read just now; these may be old."


@dataclass(frozen=True)
class Published:
    """Hold the public status page of a service.

    Args:
        page: gives its settings, from the Worker's ``env``; None: there is no such page.
        environment: gives whose state it is, likewise; production's is not named.
        address: gives where the service answers, likewise; empty: it is not known.
    """

    page: Callable[[Any], StatusPage | None]
    environment: Callable[[Any], str] = lambda _env: ""
    address: Callable[[Any], str] = lambda _env: ""


@dataclass
class _Kept:
    """Hold what was read last."""

    until: float = float("-inf")
    history: History | None = None
    report: StatusReport | None = None


class Monitored(Protocol):
    """What the status page needs of the monitor; see the fields of ``Endpoints``."""

    @property
    def service(self) -> str:
        """The service's name."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock to read."""
        ...

    @property
    def keeper(self) -> Aggregator:
        """Reach the database."""
        ...

    @property
    def log_raised(self) -> Callable[[Exception, str], None]:
        """Write what was raised."""
        ...

    def version_of(self, env: Any) -> str:
        """Return the version running."""
        ...

    async def checks(self, env: Any, *, longest: float | None = None) -> list[Check]:
        """Ask the probes, each for so many seconds at most."""
        ...


@dataclass(frozen=True)
class StatusEndpoints:
    """Answer what anybody may ask of a service's state.

    Args:
        published: the page.
        monitor: the monitor's other endpoints.
    """

    published: Published
    monitor: Monitored
    _kept: _Kept = field(default_factory=_Kept)

    @cached_property
    def paths(self) -> Mapping[str, Endpoint]:
        """Return what answers each path."""
        return {PATH: self.page, MACHINES: self.machines, FEED: self.feed}

    async def page(self, request: Request) -> Answer:
        """Answer with the page."""
        from xswarm_monitoring import status_html  # asked for by few

        def written(report: StatusReport) -> tuple[str, str]:
            names = [path.rpartition("/")[2] for path in (MACHINES, FEED)]
            return "text/html; charset=utf-8", status_html.page(report, names)

        return await self._answer(request, written, status_html.HEADERS)

    async def machines(self, request: Request) -> Answer:
        """Answer with JSON, which pages from elsewhere may read."""

        def written(report: StatusReport) -> tuple[str, str]:
            body = json.dumps(report.as_json(), separators=(",", ":"), ensure_ascii=False)
            return "application/json", body

        return await self._answer(request, written, ((b"access-control-allow-origin", b"*"),))

    async def feed(self, request: Request) -> Answer:
        """Answer with the feed."""
        from xswarm_monitoring import status_feed  # asked for by few

        def written(report: StatusReport) -> tuple[str, str]:
            base = self.published.address(request.env).rstrip("/")
            return status_feed.MEDIA_TYPE, status_feed.feed(report, base and base + PATH)

        return await self._answer(request, written, ((b"x-content-type-options", b"nosniff"),))

    async def _answer(
        self,
        request: Request,
        written: Callable[[StatusReport], tuple[str, str]],
        headers: tuple[tuple[bytes, bytes], ...],
    ) -> Answer:
        page = self.published.page(request.env)
        if page is None:
            return Answer(404, "application/json", b'{"error":"there is no public status page"}')
        kind, body = written(await self._current(page, request.env))
        return Answer(200, kind, body.encode("utf-8", "replace"), (_CACHED, *headers))

    async def _current(self, page: StatusPage, env: Any) -> StatusReport:
        """Return what was read lately; of those who ask at once, one reads."""
        kept, timer = self._kept, self.monitor.clock.timer
        if kept.report is not None and timer() < kept.until:
            return kept.report
        kept.until = timer() + _KEPT
        kept.report = await self._read(page, env)
        return kept.report

    async def _read(self, page: StatusPage, env: Any) -> StatusReport:
        from xswarm_monitoring import status_history, status_report

        kept, now, live, notice = self._kept, self.monitor.clock.wall(), None, ""
        execute = self.monitor.keeper.execute(env)
        try:
            if execute is not None:
                kept.history = await status_history.read(execute, now)
        except Exception as error:  # why is the operators' to read, not the public's
            self.monitor.log_raised(error, "the status page's history could not be read")
            kept.until = self.monitor.clock.timer() + _RETRY
            notice = _OLD_HISTORY if kept.history else _NO_HISTORY
        if notice or execute is None:
            live = await self._live(env)
        about = status_report.About(
            self.monitor.service, self.published.environment(env), self.monitor.version_of(env)
        )
        history = kept.history or status_report.History({})
        return status_report.report(page, about, history, now, live=live, notice=notice)

    async def _live(self, env: Any) -> dict[str, str]:
        """Return the status of each component as asked just now; this process answers."""
        checks = await self.monitor.checks(env, longest=_PATIENCE)
        return {WORKER: PASS} | {each.name: each.status for each in checks}
