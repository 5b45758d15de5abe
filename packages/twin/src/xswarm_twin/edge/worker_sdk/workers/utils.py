"""The runtime behind the SDK: one environment, and what goes on after responses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

from .objects import Env

logger = logging.getLogger("workers")


class Runtime:
    """What one process of a version has: its bindings and its background work."""

    def __init__(self) -> None:
        self.env = Env({})
        self._tasks: set[asyncio.Future[Any]] = set()

    def wait_until(self, awaitable: Awaitable[Any]) -> None:
        """Let something go on after the response; its failure is logged."""
        task = asyncio.ensure_future(awaitable)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def finish(self, within: float) -> None:
        """Wait for what goes on, at most some seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)

    def _finished(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("what went on after a response failed", exc_info=error)


runtime = Runtime()


def import_from_javascript(module_name: str) -> Any:
    """Return a module of the runtime; ``cloudflare:workers`` is the one there is."""
    if module_name == "cloudflare:workers":
        return SimpleNamespace(env=runtime.env, waitUntil=runtime.wait_until)
    raise ImportError(f"Failed to import '{module_name}': not offered by the local host")
