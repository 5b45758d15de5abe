"""Watch from within: what a cron trigger calls, every minute or so.

One round flushes and merges the metrics, asks every probe, judges, and tells people. It
shares the book of alerts with whoever watches from outside, so nobody is told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from xswarm_monitoring import window
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.alert_state import Policy
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.channels import Channel
from xswarm_monitoring.correlation import as_monitor
from xswarm_monitoring.evaluation import (
    AlertStore,
    DatabaseShelf,
    Evaluation,
    FallbackStore,
    MemoryShelf,
    evaluate_with_fallback,
    patrol,
)
from xswarm_monitoring.http_request import Send
from xswarm_monitoring.notifier import Notifier, Sleep
from xswarm_monitoring.rules import Thresholds, judge
from xswarm_monitoring.system import resident_memory
from xswarm_monitoring.window import Window

WATCHER = "worker"
_TRIES, _PAUSE = 5, 2.0  # of an event for the book, and seconds between them


@dataclass(frozen=True)
class Scheduler:
    """Go rounds for a service whose monitor is mounted.

    Args:
        monitor: the service's.
        channels: gives the channels people are told by, from the Worker's ``env``.
        send: sends one request.
        sleep: waits some seconds.
        reserve: gives what keeps the book of alerts while the database is away, from ``env``;
            this process' memory by default, which another isolate does not know.
        window: seconds that are judged.
        thresholds: where wrong begins.
        policy: when people are told.
    """

    monitor: Monitor
    channels: Callable[[Any], Iterable[Channel]]
    send: Send
    sleep: Sleep
    reserve: Callable[[Any], FallbackStore] = field(
        default_factory=lambda: _in_memory(MemoryShelf())
    )
    window: float = 300.0
    thresholds: Thresholds = field(default_factory=Thresholds)
    policy: Policy = field(default_factory=Policy)

    async def go(self, env: Any, now: float) -> Evaluation:
        """Go one round.

        Args:
            env: the Worker's.
            now: when it was due, seconds since 1970: a trigger that comes a little late must
                not make a minute longer.
        """
        checks = await self.monitor.endpoints.checks(env, patient=True)
        measured, shelf = await self._measured(env, now)
        due = judge(measured, checks, self.thresholds, resident_memory())
        courier, reserve = self._courier(env), self.reserve(env)
        with as_monitor():
            return await evaluate_with_fallback(
                due, shelf, reserve, courier, now, policy=self.policy, by=WATCHER
            )

    async def tell(self, env: Any, event: Alert) -> None:
        """Notify people of an event at once: let it run on after the answer.

        Where the book cannot be had, people are told all the same; that it happens again is
        then not summed up.

        Args:
            env: the Worker's.
            event: what happened.
        """
        execute = self.monitor.keeper.execute(env)
        shelf = DatabaseShelf(execute) if execute else MemoryShelf()
        try:
            for _ in range(_TRIES):
                if (await self._announce(env, event, shelf)).ours:
                    return
                await self.sleep(_PAUSE)  # a round is under way, and has the book
        except Exception as error:
            self.monitor.log_raised(error, "the book of alerts could not be read")
        await self._announce(env, event, MemoryShelf())

    async def _announce(self, env: Any, event: Alert, shelf: AlertStore) -> Evaluation:
        now, courier = self.monitor.metrics.clock.wall(), self._courier(env)
        with as_monitor():
            return await patrol(None, shelf, courier, now, events=[event], policy=self.policy)

    def _courier(self, env: Any) -> Notifier:
        return Notifier(self.channels(env), self.send, sleep=self.sleep)

    async def _measured(self, env: Any, now: float) -> tuple[Window, AlertStore | None]:
        """Return what all isolates measured, and the shelf; None while the database is away."""
        monitor, begin = self.monitor, now - self.window
        execute = monitor.keeper.execute(env)
        try:
            await monitor.maintain(env)
        except Exception as error:  # it shows in the checks; what is here is judged meanwhile
            monitor.log_raised(error, "metrics were not flushed; the next flush repeats it")
            return window.merge(monitor.metrics.frames(self.window), begin, now), None
        version = monitor.endpoints.version_of(env)
        gathered = await monitor.keeper.gather(env, version, begin, None)
        shelf = DatabaseShelf(execute) if execute and not gathered.incomplete else None
        return window.merge(gathered.frames, begin, now), shelf


def _in_memory(shelf: MemoryShelf) -> Callable[[Any], FallbackStore]:
    return lambda _env: shelf
