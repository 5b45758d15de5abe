"""Keep what this process measured together with what all others did, where a database is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from xswarm_monitoring.correlation import as_monitor
from xswarm_monitoring.instruments import FLUSH_FAILURES
from xswarm_monitoring.metrics import Metrics
from xswarm_monitoring.plain import described
from xswarm_monitoring.selection import WHOLE, Selection
from xswarm_monitoring.storage import Execute, Release, Storage, new_instance
from xswarm_monitoring.window import Window

_AT_ONCE = 4  # flushes that may follow one another
_STUCK = 60.0  # seconds after which a flush under way counts as ended with its isolate


@dataclass(frozen=True)
class Gathered:
    """Hold a window's frames and how far they can be believed.

    Args:
        frames: what was measured.
        since: when the window really begins, seconds since 1970.
        releases: the versions first seen in the window.
        scope: ``all`` isolates, or this ``isolate`` alone.
        incomplete: why the others are missing, where they should be there; else empty.
    """

    frames: Sequence[Window]
    since: float
    releases: Sequence[Release]
    scope: str
    incomplete: str = ""


class Aggregator:
    """Flush this process' metrics now and then, and read everyone's.

    Args:
        metrics: this process'.
        execute: gives what runs a statement, from the Worker's ``env``; None: there is no
            database, and this process is all there is.
        every: seconds between two flushes; what an evicted isolate can lose.
    """

    def __init__(
        self, metrics: Metrics, execute: Callable[[Any], Execute | None], *, every: float = 30.0
    ) -> None:
        self.metrics, self.every = metrics, every
        self._connect = execute
        self._prepared = False
        self._allowed_at = metrics.clock.timer() - _AT_ONCE * every
        self._busy_until = 0.0

    @cached_property
    def instance(self) -> str:
        """Return this process' name; a Worker has no randomness before its first request."""
        return new_instance()

    def execute(self, env: Any) -> Execute | None:
        """Return what runs a statement as the monitor's own; None where there is no database."""
        execute = self._connect(env)
        return None if execute is None else _apart(execute)

    def claim(self, now: float) -> bool:
        """Return whether a flush is due; the one who is told so makes it.

        One is due every so many seconds, and those that a quiet process left out may follow
        one another at once: so what is rare is written as it happens.

        Args:
            now: the clock's timer.
        """
        if now < self._allowed_at or now < self._busy_until:
            return False
        saved = now - (_AT_ONCE - 1) * self.every
        self._allowed_at = max(self._allowed_at, saved) + self.every
        self._busy_until = now + _STUCK
        return True

    async def flush(self, env: Any, version: str) -> int:
        """Write what was measured since the last flush; returns how many frames.

        Raises:
            Exception: what the database raised; nothing is lost, the next flush repeats it.
        """
        try:
            storage = await self._storage(env)
            flushed = await storage.flush(self.metrics, version) if storage else 0
        except Exception:
            self.metrics.counter(FLUSH_FAILURES).add(1)
            self._prepared = False  # a restore may have taken the tables away
            raise
        else:
            return flushed
        finally:
            self._busy_until = 0.0

    async def maintain(self, env: Any, version: str) -> None:
        """Flush, then merge old rows: for a cron trigger, every minute or so."""
        await self.flush(env, version)
        storage = await self._storage(env)
        if storage:
            await storage.compact(self.metrics.clock.wall())

    async def total(self, env: Any, version: str) -> Window:
        """Return all that was ever measured: by everyone where there is a database.

        Raises:
            Exception: what the database raised. This process' own counts in its place
                would look like a restart to whoever watches them grow.
        """
        storage = await self._storage(env)
        if storage is None:
            return self.metrics.total()
        await storage.flush(self.metrics, version)
        return await storage.total()

    async def gather(
        self,
        env: Any,
        version: str,
        since: float,
        only: str | None = None,
        step: float | None = None,
        selection: Selection = WHOLE,
    ) -> Gathered:
        """Return a window's frames; this process' alone, and why, where the database fails.

        Args:
            env: the Worker's.
            version: what this process runs.
            since: seconds since 1970.
            only: whose version's frames to give; None: every version's.
            step: seconds between two points, for a chart; None: there is none.
            selection: what of the frames is needed; there may be more.
        """
        now = self.metrics.clock.wall()
        try:
            storage = await self._storage(env)
            if storage is None:
                return self._own(since, now, version)
            await storage.flush(self.metrics, version)
            found = await storage.stretch(since, now + 1, only, step, selection)
            releases = await storage.releases(since)
            return Gathered(found.windows, found.start, releases, "all")
        except Exception as error:
            why = described(error)
            return replace(self._own(since, now, version), incomplete=why)

    def _own(self, since: float, now: float, version: str) -> Gathered:
        """Return what this process measured, as far back as it keeps it."""
        since = max(since, now - self.metrics.retention)
        frames = [each for each in self.metrics.frames(now - since) if each.start >= since]
        for each in frames:
            each.version = version
        return Gathered(frames, since, (), "isolate")

    async def _storage(self, env: Any) -> Storage | None:
        execute = self.execute(env)
        if execute is None:
            return None
        storage = Storage(execute, instance=self.instance, families=self.metrics.families)
        if not self._prepared:
            await storage.prepare()
            self._prepared = True
        return storage


def _apart(execute: Execute) -> Execute:
    """Return what runs a statement as the monitor's own."""

    async def run(sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        with as_monitor():
            return await execute(sql, parameters)

    return run
