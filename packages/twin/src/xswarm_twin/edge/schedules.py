"""The cron triggers of Workers: fired when their minute comes, as Cloudflare does, in UTC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from xswarm_twin.edge.cron import Cron, parse

MINUTE = 60
Fire = Callable[[str, str, int], Awaitable[str]]
"""Notifies a Worker that a trigger fires: its name, the expression, milliseconds since 1970."""


class Schedules:
    """Fire the triggers of all Workers.

    Args:
        fire: tells a Worker.
    """

    def __init__(self, fire: Fire) -> None:
        self._fire = fire
        self._crons: dict[str, dict[str, Cron]] = {}
        self._ticking: asyncio.Task[None] | None = None
        self._firing: set[asyncio.Task[str]] = set()

    def set(self, worker: str, expressions: Sequence[str]) -> None:
        """Let a Worker be told by these triggers, and by no others.

        Raises:
            ValueError: an expression is none.
        """
        self._crons[worker] = {expression: parse(expression) for expression in expressions}
        if expressions and self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())

    def forget(self, worker: str) -> None:
        """Stop scheduling a Worker."""
        self._crons.pop(worker, None)

    async def close(self) -> None:
        """Fire no more, and end what is under way."""
        tasks = [*self._firing, *([self._ticking] if self._ticking else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def begin(self, minute: int) -> None:
        """Begin to fire what is due.

        Args:
            minute: its first second, since 1970.
        """
        at = datetime.fromtimestamp(minute, UTC)
        for worker, crons in self._crons.items():
            for expression, cron in crons.items():
                if cron.fires(at):
                    task = asyncio.ensure_future(self._fire(worker, expression, minute * 1000))
                    self._firing.add(task)
                    task.add_done_callback(self._firing.discard)

    async def _tick(self) -> None:
        while True:
            minute = int(time.time() // MINUTE + 1) * MINUTE
            while (left := minute - time.time()) > 0:
                await asyncio.sleep(left)
            self.begin(minute)
