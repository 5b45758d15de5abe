"""What an invocation logged: told by its process when it ends, and matched by the request's ray.

workerd tells it by a Tail Worker of its own (``tails`` in workerd.capnp), the host of Python
Workers by the same message. Only invocations that somebody listens to are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PATIENCE = 0.5
"""Seconds that a tail's event waits for what was logged; what ``waitUntil`` logs later is lost."""


@dataclass(frozen=True)
class Trace:
    """What a process told of one invocation, in the fields of Cloudflare's TraceItem.

    Args:
        logs: each with ``level``, ``message`` and ``timestamp``.
        exceptions: each with ``name``, ``message`` and, where known, ``stack``.
        outcome: ``ok`` or the kind of failure; empty: not told.
    """

    logs: tuple[Mapping[str, Any], ...] = ()
    exceptions: tuple[Mapping[str, Any], ...] = ()
    outcome: str = ""


class Traces:
    """The traces that are waited for, by the rays of their requests."""

    def __init__(self) -> None:
        self._expected: dict[str, asyncio.Future[Trace]] = {}

    def expect(self, ray: str) -> None:
        """Take note that an invocation's trace is wanted."""
        self._expected[ray] = asyncio.get_running_loop().create_future()

    def forget(self, ray: str) -> None:
        """Want a trace no longer."""
        self._expected.pop(ray, None)

    async def of(self, ray: str) -> Trace:
        """Wait for an invocation's trace; empty where none came in time."""
        try:
            return await asyncio.wait_for(self._expected[ray], PATIENCE)
        except TimeoutError:
            return Trace()
        finally:
            self.forget(ray)

    def take(self, told: Mapping[str, Any]) -> None:
        """Take in what a process tells of one invocation; nobody may want it."""
        expected = self._expected.get(str(told["ray"]))
        if expected is not None and not expected.done():
            logs, exceptions = tuple(told["logs"]), tuple(told["exceptions"])
            expected.set_result(Trace(logs, exceptions, str(told["outcome"])))
