"""Push what is measured to those who receive it, after a flush; no request waits for it.

What an OTLP target gets is this process' own: what it measured since the last time, its log lines
and spans. Prometheus and Datadog get what all isolates measured together, once for all of them:
the database holds whose turn it is, so that an isolate that lives for one request leaves no series
of its own behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xswarm_monitoring import datadog, otlp, otlp_metrics, remote_write, window
from xswarm_monitoring.bounds import visible
from xswarm_monitoring.correlation import as_monitor
from xswarm_monitoring.delivery import PATIENCE, Refused, ask
from xswarm_monitoring.exposition import Gauge
from xswarm_monitoring.instruments import PUSH_DROPPED, PUSH_FAILURES, Family
from xswarm_monitoring.logs import Entry
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.otlp import LOGS, METRICS, TRACES, Resource
from xswarm_monitoring.otlp_logs import record
from xswarm_monitoring.push import (
    DATADOG,
    DELTA,
    OTLP,
    REMOTE_WRITE,
    Push,
    Target,
)
from xswarm_monitoring.tables import Execute
from xswarm_monitoring.tracing import Buffer, Span, Tracer
from xswarm_monitoring.window import Window

if TYPE_CHECKING:
    from xswarm_monitoring.endpoints import Endpoints

_LOGS_KEPT = _SPANS_KEPT = 2048
_AT_ONCE = 512  # log lines or spans a request
_POINTS = 1000  # a request
_HELD = 60.0  # seconds for which a receiver that is busy is left alone, where it does not say
_LONGEST_HELD = 600.0

_CLAIM = """INSERT INTO monitoring_pushes (target, at, sent) VALUES (?1, ?2, '')
    ON CONFLICT (target) DO UPDATE SET at = excluded.at WHERE at <= ?3 RETURNING sent"""
_SENT = "UPDATE monitoring_pushes SET sent = ? WHERE target = ? AND at = ?"

Exposed = Callable[[Window], tuple[Window, Mapping[str, Family]]]


@dataclass(frozen=True)
class Source:
    """Where all that is measured is read.

    Args:
        execute: runs a statement in the database; None: this process is all there is.
        total: reads all that was ever measured.
        gauges: reads what is not counted.
        version: what this process runs.
    """

    execute: Execute | None
    total: Callable[[], Awaitable[Window]]
    gauges: Callable[[], Awaitable[Sequence[Gauge]]]
    version: str


@dataclass
class _Own:
    """Hold how far a target has what this process measured."""

    frame: int = 0
    end: float = 0.0
    total: str = ""
    due: float = float("-inf")
    logs: Buffer[Entry] = field(default_factory=lambda: Buffer(_LOGS_KEPT))
    spans: Buffer[Span] = field(default_factory=lambda: Buffer(_SPANS_KEPT))


class Pusher:
    """Push to all targets of a service.

    Args:
        push: what is pushed, and as whose.
        service: the service's name, which is the ``job`` as well.
        metrics: this process'.
        instance: this process among all.
        exposed: returns what a total exposes, with its families.
    """

    def __init__(
        self, push: Push, *, service: str, metrics: Metrics, instance: str, exposed: Exposed
    ) -> None:
        self.push, self._service, self._metrics = push, service, metrics
        self._instance, self._exposed = instance, exposed
        self._own = {target.name: _Own(end=metrics.born) for target in push.targets}
        self._busy_until = float("-inf")
        self.tracer = self._traced()
        metrics.tracer = self.tracer

    def _traced(self) -> Tracer | None:
        parts = [each.sample for each in self._targets(TRACES) if each.sample]
        if not parts:
            return None
        clock, database = self._metrics.clock, self.push.database
        return Tracer(clock, sample=max(parts), limit=_SPANS_KEPT, database=database)

    def _targets(self, signal: str) -> list[Target]:
        return [t for t in self.push.targets if t.kind == OTLP and signal in t.signals]

    def keep(self, entry: Entry) -> None:
        """Keep a line of the log until it is pushed."""
        for target in self._targets(LOGS):
            self._own[target.name].logs.add(entry)

    async def after_flush(self, endpoints: Endpoints, env: Any) -> list[str]:
        """Push what is due, after a flush; return what failed, in words without a secret.

        Args:
            endpoints: read what all isolates measured.
            env: the Worker's.
        """
        version = endpoints.version_of(env)
        try:
            execute = endpoints.keeper.execute(env)
        except Exception as error:  # a missing binding, say
            return [f"the database: {type(error).__name__}"]
        source = Source(
            execute,
            lambda: endpoints.keeper.total(env, version),
            lambda: endpoints.gauges(env),
            version,
        )
        return await self.go(source)

    async def push_store(self, target: Target, source: Source) -> bool:
        """Push what the store holds to one target; return whether it was time.

        Raises:
            Refused: it did not take it.
        """
        own = self._own[target.name]
        with as_monitor():
            return await self._shared(target, own, source)

    async def go(self, source: Source) -> list[str]:
        """Push what is due to each target; return what failed, in words without a secret.

        A target that fails keeps nobody else waiting: all are sent to at once, each has
        ``delivery.PATIENCE``, and what it did not get comes with the next push.
        """
        now = self._metrics.clock.timer()
        if now < self._busy_until:
            return []
        self._busy_until = now + 4 * PATIENCE  # an isolate may end while it waits
        try:
            self._deal_spans()
            with as_monitor():
                told = await asyncio.gather(*(self._to(t, source) for t in self.push.targets))
        finally:
            self._busy_until = float("-inf")
        return [each for each in told if each]

    def _deal_spans(self) -> None:
        """Hand the spans that are there to each target."""
        if self.tracer is None:
            return
        taken = self.tracer.spans.take(_SPANS_KEPT)
        targets = self._targets(TRACES)
        self._dropped(TRACES, self.tracer.spans.take_dropped() * len(targets))
        for target in targets:
            for span in taken:
                self._own[target.name].spans.add(span)

    async def _to(self, target: Target, source: Source) -> str:
        own, now = self._own[target.name], self._metrics.clock.timer()
        if now < own.due:
            return ""
        try:
            if target.kind == OTLP:
                await self._to_otlp(target, own, source)
            else:
                await self._shared(target, own, source)
        except Refused as error:
            self._metrics.counter(PUSH_FAILURES).add(1, target.kind)
            if error.passes:
                own.due = now + min(error.after or _HELD, _LONGEST_HELD)
            return f"{target.name}: {error.why}"
        except Exception as error:  # the store's fault, say; the next push repeats it
            self._metrics.counter(PUSH_FAILURES).add(1, target.kind)
            return f"{target.name}: {type(error).__name__}"
        return ""

    # What is this process' own

    async def _to_otlp(self, target: Target, own: _Own, source: Source) -> None:
        resource = self._resource(source.version, self._instance)
        if METRICS in target.signals:
            await self._frames(target, own, resource)
        if TRACES in target.signals:
            await self._waiting(target, TRACES, own.spans, Span.as_otlp, resource)
        if LOGS in target.signals:
            await self._waiting(target, LOGS, own.logs, record, resource)

    def _resource(self, version: str, instance: str) -> Resource:
        push = self.push
        of = (self._service, version, push.environment, instance)
        return Resource(*of, push.scheme, push.database)

    async def _frames(self, target: Target, own: _Own, resource: Resource) -> None:
        """Send what was measured since the last time, or all of it, each frame once."""
        frames = self._metrics.since(own.frame)
        if not frames:
            return
        self._dropped(METRICS, frames[0].number - own.frame - 1)
        if target.temporality == DELTA:
            parts = (window.load(frame.text) for frame in frames)
            measured = window.merge(parts, own.end, frames[-1].end)
        else:
            measured = visible(self._metrics.total())
        try:
            await self._metric_requests(target, measured, resource)
        except Refused as error:
            if error.passes:
                raise
            self._dropped(METRICS, len(frames))
            own.frame, own.end = frames[-1].number, frames[-1].end
            raise
        own.frame, own.end = frames[-1].number, frames[-1].end

    async def _metric_requests(
        self,
        target: Target,
        measured: Window,
        resource: Resource,
        gauges: Iterable[Gauge] = (),
    ) -> None:
        temporality = otlp_metrics.DELTA if target.temporality == DELTA else otlp_metrics.CUMULATIVE
        families = self._metrics.families
        made = otlp_metrics.metrics(measured, families, resource, temporality, gauges)
        for part in otlp_metrics.parts(made, _POINTS):
            await self._items(target, METRICS, part, resource)

    async def _waiting(
        self,
        target: Target,
        signal: str,
        buffer: Buffer[Any],
        write: Callable[[Any], Mapping[str, Any]],
        resource: Resource,
    ) -> None:
        """Send what waits, and keep what may be taken later."""
        self._dropped(signal, buffer.take_dropped())
        while taken := buffer.take(_AT_ONCE):
            try:
                await self._items(target, signal, [write(each) for each in taken], resource)
            except Refused as error:
                if error.passes:
                    buffer.put_back(taken)
                else:
                    self._dropped(signal, len(taken))
                raise

    async def _items(
        self,
        target: Target,
        signal: str,
        items: Sequence[Mapping[str, Any]],
        resource: Resource,
    ) -> None:
        headers = target.authorisation(self.push.secret)
        encoding = target.encoding
        request = otlp.request(
            signal, items, resource, url=target.endpoint, headers=headers, encoding=encoding
        )
        answer = await ask(self.push.send, request)
        self._dropped(signal, otlp.rejected(answer.body, encoding))

    # What all isolates measured

    async def _shared(self, target: Target, own: _Own, source: Source) -> bool:
        """Send what all isolates measured, where it is this one's turn; return whether it was."""
        now = self._metrics.clock.wall()
        claimed = await self._claim(target, own, source.execute, now)
        if claimed is None:
            return False
        total = await source.total()
        await self._send_total(target, total, claimed, await source.gauges(), source, now)
        if target.kind in (DATADOG, OTLP):
            await self._note(target, own, source.execute, now, total.dump())
        return True

    async def _claim(
        self, target: Target, own: _Own, execute: Execute | None, now: float
    ) -> str | None:
        """Return what was sent last; None where it is not time, or another one's turn."""
        own.due = self._metrics.clock.timer() + target.every
        if execute is None:
            return own.total
        rows = await execute(_CLAIM, (target.name, now, now - target.every + 1))
        return str(rows[0][0]) if rows else None

    async def _note(
        self, target: Target, own: _Own, execute: Execute | None, now: float, total: str
    ) -> None:
        if execute is None:
            own.total = total
        else:
            await execute(_SENT, (total, target.name, now))

    async def _send_total(
        self,
        target: Target,
        total: Window,
        sent: str,
        gauges: Sequence[Gauge],
        source: Source,
        now: float,
    ) -> None:
        """Send what all isolates measured.

        Args:
            target: to whom.
            total: all that was ever measured.
            sent: what of it the target has, as text; empty: it has nothing yet. A count since the
                last time begins with this total then.
            gauges: what is not counted but read.
            source: where it comes from.
            now: seconds since 1970.

        Raises:
            Refused: it did not take it.
        """
        total.end = max(total.end, now)
        instance = (self.push.instance if source.execute else "") or self._instance
        shown = visible(total)
        grown = shown.less(window.load(sent) if sent else total)
        if target.kind == OTLP:
            measured = grown if target.temporality == DELTA else shown
            resource = self._resource(source.version, instance)
            await self._metric_requests(target, measured, resource, gauges)
        elif target.kind == DATADOG:
            await self._to_datadog(target, grown, gauges, instance)
        else:
            await self._remote_write(target, total, gauges, instance, now)

    async def _to_datadog(
        self, target: Target, grown: Window, gauges: Sequence[Gauge], instance: str
    ) -> None:
        tags = {"service": self._service, "env": self.push.environment, "instance": instance}
        key, given = self.push.secret(target.secret), (grown, self._metrics.families, gauges)
        for request in datadog.export(*given, url=target.endpoint, key=key, tags=tags):
            await ask(self.push.send, request)

    async def _remote_write(
        self,
        target: Target,
        total: Window,
        gauges: Sequence[Gauge],
        instance: str,
        now: float,
    ) -> None:
        whole, families = self._exposed(total)
        environment = self.push.environment
        # As on what a scrape finds by the rules that this project writes.
        labels = {"job": self._service, "instance": instance}
        labels |= {"service": self._service, "environment": environment}
        request = remote_write.export(
            whole,
            families,
            gauges,
            url=target.endpoint,
            headers=target.authorisation(self.push.secret),
            labels=labels,
            time=now,
            version=1 if target.kind == REMOTE_WRITE else 2,
        )
        await ask(self.push.send, request)

    def _dropped(self, signal: str, number: int) -> None:
        if number > 0:
            self._metrics.counter(PUSH_DROPPED).add(number, signal)
