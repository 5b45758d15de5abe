"""Everything that leaves the deployer's process, numbered; and the one that is made to fail.

What is intercepted: HTTP requests, calls of the database, and operations on files of the project
that change them. A fault is of a kind (:data:`KINDS`), at one operation, once or from there on.
"""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, ProtocolError

from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.database.file import FileDatabase

HTTP: Final = (
    *("refused", "lost", "late", "timeout", "timeout after", "500", "500 after", "429", "slow"),
    *("truncated", "wrong type", "empty", "html", "page", "denied"),
)
DATABASE: Final = ("away", "lost", "busy")
FILE: Final = ("full", "broken", "short")
ANY: Final = ("kill", "kill after", "stop", "interrupt")
KINDS: Final = {"http": HTTP + ANY, "database": DATABASE + ANY, "file": FILE + ANY}
"""What can be done to an operation of each sort."""
OFTEN: Final = frozenset({"refused", "timeout", "500", "away", "full", "broken"})
"""Kinds that may also last from an operation on."""
_NO: Final = b'{"success":false,"errors":[{"code":1}]}'
_PAGE: Final = b"<html>welcome</html>"
_SENT: Final = object()


class Killed(SystemExit):
    """The process is dead: nothing of it does anything any more, in silence also its threads."""


@dataclass(frozen=True)
class Operation:
    """One operation: its place in the run, its sort, what it does, and which of those alike."""

    number: int
    sort: str
    name: str
    nth: int = 1


@dataclass
class Fault:
    """What goes wrong: where, in which way, and whether it lasts.

    Operations of several threads come in any order, so one is found by its name, and by which of
    those alike it is; by its number where nothing is known of its name.
    """

    at: Operation
    kind: str
    lasting: bool = False
    fired: int = 0

    def meets(self, operation: Operation) -> bool:
        """Return whether an operation is the one that fails, or comes after it where it lasts."""
        if not self.fired:
            if not self.at.name:
                return operation.number == self.at.number
            alike = (self.at.sort, self.at.name, self.at.nth)
            return (operation.sort, operation.name, operation.nth) == alike
        return self.lasting and self.kind in KINDS[operation.sort]


@dataclass
class Interception:
    """Number the operations of one run, and let one fail.

    Args:
        root: the project; files elsewhere are nobody's.
        before: called before each operation, as users would call the service.
        fault: the one, if any.
        overtake: what another deployer does while this one is stopped.
        sleep: lets time pass.
    """

    root: Path
    before: Callable[[], None] = lambda: None
    fault: Fault | None = None
    overtake: Callable[[], None] = lambda: None
    sleep: Callable[[float], None] = lambda _seconds: None
    seen: list[Operation] = field(default_factory=list)
    dead: bool = False
    active: bool = True
    held: list[Callable[[], object]] = field(default_factory=list)
    _others: Collection[threading.Thread] = field(default_factory=threading.enumerate)
    _own: threading.Thread = field(default_factory=threading.current_thread)
    _stopped: Collection[threading.Thread] = ()
    _woken: threading.Event = field(default_factory=threading.Event)
    _of_thread: threading.local = field(default_factory=threading.local)
    _changed: bool = True

    @property
    def _busy(self) -> bool:
        """Whether this thread is within an operation: what that calls is none of its own."""
        return bool(getattr(self._of_thread, "busy", False))

    @_busy.setter
    def _busy(self, value: bool) -> None:
        self._of_thread.busy = value

    def kind(self, sort: str, name: str) -> str:
        """Note an operation; return in which way it is to fail, or nothing."""
        if threading.current_thread() in self._stopped:
            self._woken.wait(_LONGEST_STOP)
        if self.dead:
            raise Killed
        if self._busy or not self.active:
            return ""
        if self._changed:  # else users meet what they met before
            self._busy = True
            try:
                self.before()
            finally:
                self._busy = False
        self._changed = _changes(sort, name)
        alike = sum((one.sort, one.name) == (sort, name) for one in self.seen)
        operation = Operation(len(self.seen) + 1, sort, name, alike + 1)
        self.seen.append(operation)
        fault = self.fault
        if fault is None or not fault.meets(operation):
            return ""
        fault.fired += 1
        self._happen(fault.kind)
        return fault.kind

    def _happen(self, kind: str) -> None:
        if kind == "kill":
            self.kill()
        elif kind == "interrupt":  # as Ctrl-C does it: whoever undoes heeds it as it wants
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        elif kind == "stop":
            self._stop()

    def _stop(self) -> None:
        """Let this process, with all of its threads, be stopped, while another takes over."""
        others = {*self._others} - {self._own}
        self._stopped = {*threading.enumerate()} - others - {threading.current_thread()}
        self._busy = True
        try:
            self.sleep(120.0)
            self.overtake()
        finally:
            self._busy, self._stopped = False, ()
            self._woken.set()

    def kill(self) -> None:
        """Let the process die."""
        self.dead = True
        raise Killed

    def deliver(self) -> None:
        """Let arrive what was held back on its way."""
        held, self.held = self.held, []
        for call in held:
            call()

    def around(self, kind: str, act: Callable[[], Any]) -> Any:
        """Act; then be dead, where that is the fault."""
        result = act()
        if kind == "kill after":
            self.kill()
        return result


def _changes(sort: str, name: str) -> bool:
    """Return whether an operation may change what users meet."""
    if sort == "http":
        return not name.startswith(("GET ", "HEAD "))
    return sort == "database" and not name.startswith(("execute SELECT", "snapshot"))


_LONGEST_STOP: Final = 60.0  # seconds of this machine's; another's release takes a second or two
_current: list[Interception] = []
_WRITE, _FSYNC, _SEND = os.write, os.fsync, HTTPAdapter.send
_IDS: Final = re.compile(
    r"(?<=we_)\w+|(?<=\.env-)\w+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}|[0-9]{8}-[0-9]{6}[0-9a-f-]*|(?<=work-)\w+"
)
"""What is another one in each run: ids, names made of the time, scratch folders."""
_WRITING: Final = os.O_WRONLY | os.O_RDWR
_CALLS: Final = ("execute", "transaction", "snapshot", "replace")


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intercept what this process does, while :func:`intercepting`."""
    monkeypatch.setattr(HTTPAdapter, "send", _send)
    monkeypatch.setattr(os, "write", _write)
    for name in _CALLS:
        monkeypatch.setattr(FileDatabase, name, _called(name, getattr(FileDatabase, name)))
    if not _hooked:
        sys.addaudithook(_audited)
        _hooked.append(True)


_hooked: list[bool] = []


@contextmanager
def intercepting(by: Interception) -> Iterator[None]:
    """Number, and let fail, what happens inside."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # also under nohup
    _current.append(by)
    try:
        yield
    finally:
        _current.remove(by)
        signal.signal(signal.SIGINT, handler)


def _send(self: HTTPAdapter, request: Any, *given: Any, **named: Any) -> requests.Response:
    def act() -> requests.Response:
        return _SEND(self, request, *given, **named)

    by = _current[-1] if _current else None
    if by is None:
        return act()
    path = _IDS.sub("…", urlsplit(str(request.url)).path.removeprefix("/client/v4"))
    kind = by.kind("http", f"{request.method} {path}")
    if kind in ("refused", "late", "timeout"):
        if kind == "late" and request.method not in ("GET", "HEAD"):
            by.held.append(act)
        raise _unsent(kind, request)
    if kind in ("500", "429"):
        return _answered(request, int(kind), _NO)
    if kind in ("page", "denied"):  # in place of the service's own answer
        return _answered(request, 200, _NO if kind == "denied" else _PAGE)
    response = by.around(kind, act)
    if kind in ("", "stop", "kill after"):
        return response  # type: ignore[no-any-return]
    body = response.content
    response.close()
    return _spoilt(by, kind, request, body)


def _unsent(kind: str, request: Any) -> Exception:
    if kind == "refused":
        connection = HTTPConnection("127.0.0.1")
        return requests.ConnectionError(NewConnectionError(connection, "refused"), request=request)
    return requests.ReadTimeout("no answer in time", request=request)


def _spoilt(by: Interception, kind: str, request: Any, body: bytes) -> requests.Response:
    """Return the answer as it gets here; the request was carried out."""
    if kind == "lost":
        raise requests.ConnectionError(ProtocolError("Connection aborted."), request=request)
    if kind == "timeout after":
        raise requests.ReadTimeout("no answer in time", request=request)
    if kind == "500 after":
        return _answered(request, 500, b"upstream error")
    if kind == "slow":
        by.sleep(25.0)
        return _answered(request, 200, body)
    bodies = {
        "truncated": body[: len(body) // 2],
        "wrong type": b'{"success":true,"errors":[],"messages":[],"result":7}',
        "empty": b"",
        "html": _PAGE,
    }
    return _answered(request, 200, bodies[kind])


def _answered(request: Any, status: int, body: bytes) -> requests.Response:
    made = requests.Response()
    made.status_code, made.request, made.url = status, request, request.url
    made.headers["Content-Type"] = "text/html" if body.startswith(b"<") else "application/json"
    if status == 429:
        made.headers["Retry-After"] = "60"
    made.raw = HTTPResponse(io.BytesIO(body), preload_content=False, status=status)
    return made


def _called(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: FileDatabase, *given: Any, **named: Any) -> Any:
        by = _current[-1] if _current else None
        if by is None or by._busy:
            return original(self, *given, **named)
        kind = by.kind("database", f"{name} {_words(given)}")
        if kind == "away":
            raise DatabaseError("unavailable", "no connection")
        if kind == "busy":
            raise DatabaseError("busy", "database is locked")
        by._busy = True  # what it calls itself is no operation of its own
        try:
            result = original(self, *given, **named)
        finally:
            by._busy = False
        if kind == "lost":
            raise DatabaseError("unavailable", "the connection broke", in_doubt=True)
        return by.around(kind, lambda: result)

    return call


def _words(given: tuple[Any, ...]) -> str:
    first = given[0] if given and isinstance(given[0], str) else ""
    if given and not first and isinstance(given[0], (list, tuple)):
        first = str(given[0][-1].sql) if given[0] else ""
    return " ".join(first.split()[:3])


def _write(handle: int, data: bytes) -> int:
    by = _current[-1] if _current else None
    path = _path_of(handle)
    if by is None or by._busy or not _is_own(by, path):
        return _WRITE(handle, data)
    kind = by.kind("file", f"write {path.name}")
    if kind == "short":
        return _WRITE(handle, data[: len(data) // 2])
    _break(kind, path)
    return int(by.around(kind, lambda: _WRITE(handle, data)))


def _path_of(handle: int) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{handle}"))  # noqa: PTH115 - no Path's own


def _is_own(by: Interception, path: Path) -> bool:
    return by.root in path.parents and path.suffix not in (".db", ".db-journal", ".db-wal")


def _break(kind: str, path: Path) -> None:
    numbers = {"full": errno.ENOSPC, "broken": errno.EIO}
    if kind in numbers:
        raise OSError(numbers[kind], os.strerror(numbers[kind]), str(path))


def _audited(event: str, given: tuple[Any, ...]) -> None:
    """Take part in what Python does to files; what is raised here keeps it from being done."""
    by = _current[-1] if _current else None
    if by is None or by._busy or event not in ("open", "os.rename", "os.remove", "os.mkdir"):
        return
    if not isinstance(given[0], (str, bytes, os.PathLike)):
        return
    path = Path(os.fsdecode(given[0])).absolute()
    if not _is_own(by, path) or (event == "open" and not _writes(given)):
        return
    kind = by.kind("file", f"{event.removeprefix('os.')} {_IDS.sub('…', path.name)}")
    _break(kind, path)
    if kind == "kill after":  # the hook is called before: the next operation finds it dead
        by.dead = True


def _writes(given: tuple[Any, ...]) -> bool:
    mode, flags = given[1], given[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(flags & _WRITING)
