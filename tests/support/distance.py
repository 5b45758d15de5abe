"""TCP proxies in front of servers, as if these were so many milliseconds away; they count calls."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

HANDSHAKES: Final = 2  # round trips before a new connection carries a request: TCP, TLS 1.3
_PART: Final = 64 * 1024  # bytes forwarded at a time
_ASKED: Final = re.compile(rb"(?P<asked>[A-Z]+ [^ ?\r\n]+)[^\r\n]* HTTP/1\.[01]\r\n")
_SQL: Final = re.compile(rb'"sql":\s*"\s*([^"\\]{1,60})')


@dataclass
class Call:
    """One request and its answer, as its client sees them.

    Args:
        server: whose.
        began: when the client began to send, on the monotonic clock.
        ended: when the last byte of the answer reached the client; 0: none has yet.
        what: the request's method and path, and the beginnings of its SQL.
    """

    server: str
    began: float
    ended: float = 0.0
    what: str = ""


@dataclass
class Distance:
    """Put servers a round trip away; what passes is delayed, and not slowed.

    Args:
        seconds: one round trip.
        clients: who is far away, by words of their User-Agents; others, such as the twin's own
            Worker, are passed on at once and not counted.
        idle: seconds after which a connection that carries nothing is closed; 0: never.
    """

    seconds: float
    clients: Sequence[str]
    idle: float = 0.0
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _carrying: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def before(self, name: str, url: str) -> str:
        """Open a port in front of a server; return the URL to use in place of the server's."""
        parts = urlsplit(url)
        target = (parts.hostname or "127.0.0.1", parts.port or 80)

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A task of our own: of one that is cancelled, asyncio.streams would print an error.
            self.connections += 1
            carrying = self._loop.create_task(_Connection(self, name).carry(reader, writer, target))
            self._carrying.add(carrying)
            carrying.add_done_callback(self._carrying.discard)

        async def serve() -> int:
            server = await asyncio.start_server(accept, "127.0.0.1", 0)
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])

        port = asyncio.run_coroutine_threadsafe(serve(), self._loop).result(10)
        return parts._replace(netloc=f"127.0.0.1:{port}").geturl()

    def taken(self) -> list[Call]:
        """Return the calls since the last time, in their order, and forget them."""
        found = sorted(self.calls, key=lambda call: call.began)
        self.calls.clear()
        return found

    def close(self) -> None:
        """End it, and every connection."""
        asyncio.run_coroutine_threadsafe(self._ended(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _ended(self) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()
        this = asyncio.current_task()
        while tasks := [task for task in asyncio.all_tasks() if task is not this]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class _Connection:
    """One connection: requests go one way, answers the other, each half a round trip late."""

    distance: Distance
    server: str
    seconds: float = 0.0  # of one round trip, for this client
    far: bool = False
    call: Call | None = None  # the latest; what is sent after its answer begins another

    async def carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        target: tuple[str, int],
    ) -> None:
        accepted = time.monotonic()
        first = await reader.read(_PART)
        self.far = any(client.encode() in first for client in self.distance.clients)
        self.seconds = self.distance.seconds if self.far else 0.0
        ready = accepted + HANDSHAKES * self.seconds
        self._begun(time.monotonic(), first)
        try:
            there, towards = await asyncio.open_connection(*target)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(
                self._forward(reader, towards, ready, first),
                self._forward(there, writer, 0.0),
            )
        except OSError:
            pass  # one side is gone, and so is the other now
        finally:
            towards.close()
            writer.close()

    async def _forward(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        ready: float,
        first: bytes | None = None,
    ) -> None:
        """Pass on what comes, half a round trip later, and the end of it.

        Args:
            source: where it comes from.
            sink: where it goes.
            ready: nothing is passed on before.
            first: what the client sent already; None: this is the way of the answers.
        """
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        request = first is not None
        sending = asyncio.create_task(self._send(queue, sink, request=request))
        try:
            part = first if first is not None else await self._received(source)
            while True:
                now = time.monotonic()
                queue.put_nowait((max(now, ready) + self.seconds / 2, part))
                if not part:
                    break
                part = await self._received(source)
                if request and part and self._answered:
                    self._begun(time.monotonic(), part)
                elif request and self.call and not self._answered:
                    self.call.what += _sql(part)
            await sending
        finally:
            sending.cancel()

    async def _received(self, source: asyncio.StreamReader) -> bytes:
        if not self.distance.idle:
            return await source.read(_PART)
        while True:
            try:
                return await asyncio.wait_for(source.read(_PART), self.distance.idle)
            except TimeoutError:
                if self._answered:
                    return b""

    async def _send(
        self,
        queue: asyncio.Queue[tuple[float, bytes]],
        sink: asyncio.StreamWriter,
        *,
        request: bool,
    ) -> None:
        while True:
            due, part = await queue.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not part:
                break
            sink.write(part)
            await sink.drain()
            if not request:
                self._note()
        if sink.can_write_eof():
            sink.write_eof()

    def _begun(self, at: float, part: bytes) -> None:
        asked = _ASKED.match(part)
        what = asked["asked"].decode(errors="replace") if asked else ""
        self.call = Call(self.server, at, what=what + _sql(part))

    @property
    def _answered(self) -> bool:
        return self.call is None or self.call.ended > 0.0

    def _note(self) -> None:
        """Write down that a part of the answer has reached the client."""
        if self.call is None:
            return
        if not self.call.ended and self.far:
            self.distance.calls.append(self.call)
        self.call.ended = time.monotonic()


def chain(calls: Iterable[Call]) -> list[Call]:
    """Return the most calls that came one after another, each begun when the one before had ended.

    They are the most that can have waited for each other: what overlaps did not.
    """
    found: list[Call] = []
    for call in sorted(calls, key=lambda call: call.ended):
        if not found or call.began >= found[-1].ended:
            found.append(call)
    return found


def _sql(part: bytes) -> str:
    """Return the beginnings of the statements in a part of a request."""
    return "".join(f"; {sql.decode(errors='replace').strip()}" for sql in _SQL.findall(part))
