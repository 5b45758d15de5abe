"""The process of one version: started on first need, started again when it died."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from xswarm_twin.edge.children import Child
from xswarm_twin.model import ScriptInvalid

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0


class Resting(Exception):
    """A version's process is not started: it was stopped, or died too often of late."""


@dataclass(frozen=True)
class Serving:
    """Who serves a version: a process, and of it a socket, a service, and a debug port.

    Args:
        runtime: the process.
        socket: the name of the socket that takes requests.
        service: the name of the version's service in the process; empty where it has none.
        home: the name of the service that has the Worker's objects.
        debug: the socket by which other processes reach it.
        token: proves to the process that the edge asks.
    """

    runtime: Runtime
    socket: str
    token: str = field(repr=False)
    service: str = ""
    home: str = ""
    debug: Path = Path()


class Runtime:
    """Keep one version's process, and count the requests that are on it.

    Args:
        start: starts the process; raises ScriptInvalid.
        clean: removes what the process was given, after its end.
    """

    def __init__(self, start: Callable[[], Awaitable[Child]], clean: Callable[[], None]) -> None:
        self.in_flight = 0
        self.open_sockets = 0
        self.last_used = time.monotonic()
        self._start = start
        self._clean = clean
        self._child: Child | None = None
        self._lock = asyncio.Lock()
        self._stopped = False
        self._deaths = 0
        self._begun = 0.0
        self._rests_until = 0.0

    async def ready(self, socket: str) -> int:
        """Return a port of the running process, starting it where needed.

        Args:
            socket: the name of the one asked for.

        Raises:
            ScriptInvalid: it does not start.
            Resting: it died too often of late.
        """
        async with self._lock:
            if self._child is not None and self._child.running:
                return self._child.ports[socket]
            if self._child is not None:
                await self._bury(self._child)
            if self._stopped or time.monotonic() < self._rests_until:
                raise Resting("was stopped" if self._stopped else f"died {self._deaths} times")
            self._child = await self._begin()
            return self._child.ports[socket]

    async def suspect(self, port: int) -> None:
        """Take note that nothing answers on a port: its process is ending or ended."""
        child = self._child
        if child is not None and port in child.ports.values() and not await child.ended(within=0.5):
            await child.stop(grace=0.2)

    @asynccontextmanager
    async def borrowed(self) -> AsyncIterator[None]:
        """Count a request from its beginning to its end."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self.last_used = time.monotonic()

    @contextmanager
    def socket_open(self) -> Iterator[None]:
        """Count a WebSocket as long as it is open."""
        self.open_sockets += 1
        try:
            yield
        finally:
            self.open_sockets -= 1

    async def drained(self, within: float) -> None:
        """Wait until no request is in flight, at most some seconds; open WebSockets are none."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.in_flight > self.open_sockets:
                    await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End the process and remove what it was given."""
        async with self._lock:
            self._stopped = True
            child, self._child = self._child, None
            if child is not None:
                await child.stop()
            self._clean()

    async def _begin(self) -> Child:
        self._begun = time.monotonic()
        try:
            return await self._start()
        except ScriptInvalid:
            self._count_death()
            raise

    async def _bury(self, child: Child) -> None:
        """Forget a process that died by itself."""
        self._child = None
        await child.stop()
        self._count_death()

    def _count_death(self) -> None:
        """Set when the next start may be: at once after a first death, later after each more."""
        now = time.monotonic()
        self._deaths = 1 if now - self._begun > _LONGEST_PAUSE else self._deaths + 1
        if self._deaths > 1:
            pause = _FIRST_PAUSE * 2.0 ** min(self._deaths - 2, 10)
            self._rests_until = now + min(pause, _LONGEST_PAUSE)
