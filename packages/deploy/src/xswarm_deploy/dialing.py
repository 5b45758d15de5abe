"""Open a TCP connection: a resolver that hangs, and an address that is dead, cost little.

The system's resolver may take half a minute, in which nothing interrupts it: it is asked beside.
Of several addresses each gets a short start before the next one is tried, too (RFC 8305, "happy
eyeballs"): where IPv6 is announced and leads nowhere, as in many offices, tries one after the other
would each cost the whole time for connecting. Node, and so wrangler, does the same.
"""

from __future__ import annotations

import errno
import os
import queue
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any, Final

from xswarm_deploy.loopback import is_loopback_host

RESOLVING: Final = 20.0  # seconds: a first name server that is dead takes ten of them
HEAD_START: Final = 0.25  # seconds of each address before the next one is tried
_UNDER_WAY: Final = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, 10035)  # 10035: the same, of Windows
_NO_ANSWER: Final = "no answer from DNS in time"

Address = tuple[int, int, int, str, Any]
"""As ``socket.getaddrinfo`` returns it."""
Options = Sequence[tuple[int, int, int | bytes]]


def connect(
    host: str,
    port: int,
    seconds: float | None,
    options: Options = (),
    resolving: float = RESOLVING,
) -> socket.socket:
    """Return a connection to the first address of a host that takes one.

    Args:
        host: a name or an address.
        port: where.
        seconds: for connecting, and the timeout of the socket then; None: as the system has it.
        options: set before it connects.
        resolving: seconds that finding the addresses may take.

    Raises:
        socket.gaierror: the name does not resolve.
        TimeoutError: no address answered in time.
        OSError: none took it; the error of the last.
    """
    found = _in_turns(resolved(host.strip("[]"), port, resolving))
    if len(found) == 1:
        return _connected(found[0], seconds, options)
    with _Race(seconds, options) as race:
        return race.won(found)


def resolved(host: str, port: int, seconds: float = RESOLVING) -> list[Address]:
    """Return the addresses of a host.

    Args:
        host: a name or an address.
        port: stands in each of them.
        seconds: what the resolver may take.

    Raises:
        socket.gaierror: there are none, or the resolver did not answer in time.
    """
    if is_loopback_host(host):
        return _looked_up(host, port)
    told: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(_looked_up(host, port))
        except OSError as error:
            told.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = told.get(timeout=seconds)
    except queue.Empty:
        raise socket.gaierror(socket.EAI_AGAIN, _NO_ANSWER) from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _looked_up(host: str, port: int) -> list[Address]:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except UnicodeError:  # a label that is empty, or too long
        raise socket.gaierror(socket.EAI_NONAME, "it is no name of a host") from None


def _in_turns(found: Sequence[Address]) -> list[Address]:
    """Return addresses so that those of the other family come in between."""
    first = [each for each in found if each[0] == found[0][0]]
    others = [each for each in found if each[0] != found[0][0]]
    return [each for each in chain(*zip_longest(first, others)) if each]


def _connected(address: Address, seconds: float | None, options: Options) -> socket.socket:
    made = _socket(address, options)
    try:
        made.settimeout(seconds)
        made.connect(address[4])
    except OSError:
        made.close()
        raise
    return made


def _socket(address: Address, options: Options) -> socket.socket:
    made = socket.socket(*address[:3])
    try:
        for option in options:
            made.setsockopt(*option)
    except OSError:  # this system does not know it
        made.close()
        raise
    return made


def _begun(address: Address, options: Options) -> socket.socket:
    """Return a socket that is connecting."""
    made = _socket(address, options)
    made.setblocking(False)
    code = made.connect_ex(address[4])
    if code in _UNDER_WAY:
        return made
    made.close()
    raise OSError(code, os.strerror(code))


class _Race:
    """Tries to connect to several addresses, each begun a little later than the one before."""

    def __init__(self, seconds: float | None, options: Options) -> None:
        self._seconds, self._options = seconds, options
        self._until = time.monotonic() + seconds if seconds is not None else None
        self._open = selectors.DefaultSelector()
        self._last: OSError = TimeoutError("timed out")

    def __enter__(self) -> _Race:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._open.get_map().values()):
            self._given_up(key.fileobj)
        self._open.close()

    def won(self, addresses: Sequence[Address]) -> socket.socket:
        """Return the first connection that stands; the others are closed with the race."""
        waiting = list(addresses)
        while waiting or self._open.get_map():
            if waiting:
                self._begin(waiting.pop(0))
            for made in self._ready(HEAD_START if waiting else None):
                error = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not error:
                    self._open.unregister(made)
                    made.settimeout(self._seconds)
                    return made
                self._last = OSError(error, os.strerror(error))
                self._given_up(made)
        raise self._last

    def _begin(self, address: Address) -> None:
        try:
            made = _begun(address, self._options)
        except OSError as error:  # there is no way to that network, or no such family
            self._last = error
        else:
            self._open.register(made, selectors.EVENT_WRITE)

    def _ready(self, seconds: float | None) -> Iterator[socket.socket]:
        """Return the tries that have ended, within some seconds, and before the time is up."""
        if not self._open.get_map():
            return
        left = None if self._until is None else self._until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("timed out")
        limits = [each for each in (seconds, left) if each is not None]
        for key, _ in self._open.select(min(limits, default=None)):
            if isinstance(key.fileobj, socket.socket):
                yield key.fileobj

    def _given_up(self, made: Any) -> None:
        self._open.unregister(made)
        made.close()
