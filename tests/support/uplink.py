"""A TCP proxy in front of a server: so many bytes a second, and it may stall or break."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_PART = 16 * 1024  # bytes forwarded at a time
_BUFFER = 64 * 1024  # bytes the proxy may hold unsent, so that its client sees the rate


@dataclass
class Uplink:
    """Forward connections to a server; what clients send shares one rate.

    Args:
        target: the server's base URL.
        rate: bytes a second towards the server; 0: without a limit.
        stalls_after: bytes of one connection after which nothing is forwarded any more.
        breaks: how many connections are reset, each after ``breaks_after`` bytes.
        breaks_after: see ``breaks``.
    """

    target: str
    rate: float = 0.0
    stalls_after: int | None = None
    breaks: int = 0
    breaks_after: int = 0
    connections: int = 0
    forwarded: int = 0
    _free: float = 0.0
    _pacing: threading.Lock = field(default_factory=threading.Lock)
    _open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Return the base URL to use in place of the target's."""
        parts = urlsplit(self.target)
        port = self._listener.getsockname()[1]
        return parts._replace(netloc=f"127.0.0.1:{port}").geturl()

    def close(self) -> None:
        """End it, and every connection."""
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        parts = urlsplit(self.target)
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection((parts.hostname or "", parts.port or 80))
            except OSError:
                return
            self.connections += 1
            self._open += [client, server]
            upwards = (client, server, self.connections)
            threading.Thread(target=self._upwards, args=upwards, daemon=True).start()
            threading.Thread(target=_downwards, args=(server, client), daemon=True).start()

    def _upwards(self, client: socket.socket, server: socket.socket, number: int) -> None:
        count = 0
        with contextlib.suppress(OSError):
            while part := client.recv(_PART):
                count += len(part)
                if self.stalls_after is not None and count > self.stalls_after:
                    return
                if number <= self.breaks and count > self.breaks_after:
                    _reset(client)
                    break
                self._pace(len(part))
                server.sendall(part)
            server.shutdown(socket.SHUT_WR)

    def _pace(self, count: int) -> None:
        with self._pacing:
            self.forwarded += count
            if not self.rate:
                return
            self._free = max(self._free, time.monotonic()) + count / self.rate
            until = self._free
        time.sleep(max(0.0, until - time.monotonic()))


def _downwards(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := server.recv(_PART):
            client.sendall(part)
        client.shutdown(socket.SHUT_WR)


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
