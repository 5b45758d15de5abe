"""Watch from within: what a cron trigger calls, every minute or so.

One round flushes and merges the metrics, asks every probe, judges, and tells people. It
shares the state of the alerts with whoever watches from outside, so nobody is told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import random
from typing import Any

from xswarm_monitoring import status_record, window
from xswarm_monitoring.alert import Alert
from xswarm_monitoring.alert_state import Policy
from xswarm_monitoring.asgi import Monitor
from xswarm_monitoring.channels import Channel
from xswarm_monitoring.correlation import as_monitor
from xswarm_monitoring.evaluation import (
    DatabaseAlertStore,
    Evaluation,
    MemoryAlertStore,
    evaluate,
    evaluate_with_fallback,
)
from xswarm_monitoring.fallback_store import AlertStore, Copy, FallbackStore
from xswarm_monitoring.heartbeat import beat
from xswarm_monitoring.http_request import Send
from xswarm_monitoring.instruments import ALERT_STATE_FAULTS
from xswarm_monitoring.notifier import Notifier, Sleep
from xswarm_monitoring.rules import Thresholds, judge
from xswarm_monitoring.selection import SUMMARY
from xswarm_monitoring.status_page import StatusPage
from xswarm_monitoring.status_record import Round
from xswarm_monitoring.surroundings import Surroundings
from xswarm_monitoring.system import memory_limit, resident_memory
from xswarm_monitoring.window import Window

WATCHER = "worker"
_TRIES, _PAUSE = 20, 1.0  # of telling events, and seconds between them at most
_KEPT_FROM, _KEPT = 3600.0, 300.0  # seconds of a stretch, and for how long it is kept
_STUCK = 60.0  # seconds after which who tells counts as ended with its isolate


@dataclass(frozen=True)
class Scheduler:
    """Go rounds for a service whose monitor is mounted.

    Args:
        monitor: the service's.
        channels: gives the channels people are told by, from the Worker's ``env``.
        send: sends one request.
        sleep: waits some seconds.
        fallback: gives what keeps the state of the alerts while the database is away, from ``env``;
            this process' memory by default, which another isolate does not know.
        window: seconds that are judged.
        thresholds: where wrong begins.
        policy: when people are told.
        surroundings: what stands around an alert: links; the release is added here.
        status_page: what customers are shown; None: there is no public status page.
        heartbeat: gives the address of a dead-man's switch, which hears of each round that went
            well and told whom it had to tell, from ``env``; empty: there is none.
    """

    monitor: Monitor
    channels: Callable[[Any], Iterable[Channel]]
    send: Send
    sleep: Sleep
    fallback: Callable[[Any], FallbackStore] = field(
        default_factory=lambda: _in_memory(MemoryAlertStore())
    )
    window: float = 300.0
    thresholds: Thresholds = field(default_factory=Thresholds)
    policy: Policy = field(default_factory=Policy)
    surroundings: Surroundings = field(default_factory=Surroundings)
    status_page: StatusPage | None = None
    heartbeat: Callable[[Any], str] = lambda _env: ""

    async def go(self, env: Any, now: float) -> Evaluation:
        """Go one round.

        Args:
            env: the Worker's.
            now: when it was due, seconds since 1970: a trigger that comes a little late must
                not make a minute longer.
        """
        checks = await self.monitor.endpoints.checks(env, patient=True)
        measured, store = await self._measured(env, now)
        judged = judge(measured, checks, self.thresholds, resident_memory(), memory_limit())
        alone = self.monitor.keeper.execute(env) is None
        if alone or store is not None:
            judged += await self.monitor.endpoints.slo(env).alerts(partial(self._read, env, now))
        due = [self._around(each, env) for each in judged]
        went = await self._evaluate(env, due, store, now)
        await self._publish(env, Round(checks, due, went.on, now, WATCHER))
        if went.ours and went.delivered:  # whether another round reaches people is not known here
            await self._beat(env)
        return went

    async def _beat(self, env: Any) -> None:
        """Notify the dead-man's switch that a round went well; it alerts where it hears nothing."""
        address = self.heartbeat(env)
        why = await beat(self.send, address) if address else ""
        if why and self.monitor.log is not None:
            self.monitor.log.warning("the dead-man's switch did not hear of this round", why=why)

    async def _evaluate(
        self, env: Any, due: Sequence[Alert], store: AlertStore | None, now: float
    ) -> Evaluation:
        """Keep the state and tell people; what is wrong with its store is logged and counted."""
        monitor, fallback, notifier = self.monitor, self.fallback(env), self._notifier(env)
        monitor.untold.copy = monitor.untold.copy or Copy()
        with as_monitor():
            went = await evaluate_with_fallback(
                due,
                store,
                fallback,
                notifier,
                now,
                policy=self.policy,
                by=WATCHER,
                copy=monitor.untold.copy,
            )
        if went.faults:
            monitor.metrics.counter(ALERT_STATE_FAULTS).add(1)
        if went.faults and monitor.log is not None:
            why = "; ".join(went.faults)
            monitor.log.error("the state of the alerts was not read or kept as usual", why=why)
        return went

    async def _publish(self, env: Any, seen: Round) -> None:
        """Keep what the public status page shows; what cannot be kept becomes a gap there."""
        execute = self.monitor.keeper.execute(env)
        if self.status_page is None or execute is None:
            return
        try:
            await status_record.keep(self.status_page, execute, seen)
        except Exception as error:
            self.monitor.log_raised(error, "the status page's history was not written")

    async def tell(self, env: Any, event: Alert) -> None:
        """Notify people of an event soon: let it run on after the answer.

        What happens in this process meanwhile is told with it. Where the state cannot be had,
        people are told all the same; what happens elsewhere is then not added up.

        Args:
            env: the Worker's.
            event: what happened.
        """
        untold, timer = self.monitor.untold, self.monitor.metrics.clock.timer
        untold.events.append(self._around(event, env))
        if untold.told_until > timer():
            return
        untold.told_until = timer() + _STUCK
        try:
            await self.sleep(self.policy.gather / 5)  # for what happens at the same time here
            await self._tell_all(env)
        finally:
            untold.told_until = timer()

    async def _tell_all(self, env: Any) -> None:
        execute = self.monitor.keeper.execute(env)
        try:
            if execute and await self._tell_by(env, DatabaseAlertStore(execute)):
                return
        except Exception as error:
            self.monitor.log_raised(error, "the state of the alerts could not be read")
        untold = self.monitor.untold
        untold.store = untold.store or MemoryAlertStore()
        await self._tell_by(env, untold.store)

    async def _tell_by(self, env: Any, store: AlertStore) -> bool:
        """Send all events, those too that come meanwhile; return whether they are told.

        Args:
            env: the Worker's.
            store: keeps the state of the alerts, by which they are counted and added up.

        Raises:
            Exception: what the store raised; the events are untold still.
        """
        untold = self.monitor.untold
        for _ in range(_TRIES):
            taken = len(untold.events)
            went = await self._announce(env, untold.events[:taken], store)
            if went.ours:
                del untold.events[:taken]
            if went.ours and not went.collecting and not untold.events:
                return True
            # Another round is telling, unless more is to come.
            await self.sleep(self.policy.gather if went.ours else random() * _PAUSE)  # noqa: S311
        return not untold.events

    async def _announce(self, env: Any, events: Sequence[Alert], store: AlertStore) -> Evaluation:
        now, notifier = self.monitor.metrics.clock.wall(), self._notifier(env)
        with as_monitor():
            return await evaluate(None, store, notifier, now, events=events, policy=self.policy)

    def _around(self, alert: Alert, env: Any) -> Alert:
        version = self.monitor.endpoints.version(env)
        release = "" if version in ("", "unknown") else version
        return replace(self.surroundings, release=release).around(alert)

    async def _read(self, env: Any, now: float, seconds: float) -> Window:
        """Return what was measured in a stretch; a long one is kept for some minutes."""
        kept = self.monitor.stretches.get(seconds)
        if kept is not None and kept[0] > now:
            return kept[1]
        version = self.monitor.endpoints.version_of(env)
        keeper = self.monitor.keeper
        gathered = await keeper.gather(env, version, now - seconds, selection=SUMMARY)
        measured = window.merge(gathered.frames, now - seconds, now)
        if seconds > _KEPT_FROM:
            self.monitor.stretches[seconds] = (now + _KEPT, measured)
        return measured

    def _notifier(self, env: Any) -> Notifier:
        return Notifier(self.channels(env), self.send, sleep=self.sleep)

    async def _measured(self, env: Any, now: float) -> tuple[Window, AlertStore | None]:
        """Return what all isolates measured, and the store; None while the database is away."""
        monitor, begin = self.monitor, now - self.window
        execute = monitor.keeper.execute(env)
        try:
            await monitor.maintain(env)
        except Exception as error:  # it shows in the checks; what is here is judged meanwhile
            monitor.log_raised(error, "metrics were not flushed; the next flush repeats it")
            return window.merge(monitor.metrics.frames(self.window), begin, now), None
        version = monitor.endpoints.version_of(env)
        gathered = await monitor.keeper.gather(env, version, begin, None)
        store = DatabaseAlertStore(execute) if execute and not gathered.incomplete else None
        return window.merge(gathered.frames, begin, now), store


def _in_memory(store: MemoryAlertStore) -> Callable[[Any], FallbackStore]:
    return lambda _env: store
