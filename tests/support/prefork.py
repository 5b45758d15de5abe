"""Run ``inv`` in forks of a process that has imported the tool: half of a command is its imports.

A fork begins as a process of its own would: its folder, its environment, its arguments and its
streams are those that were given. What looks at them while it is imported (``cli``, ``tasks``) is
imported by the fork itself. Where a test is about how the tool starts, it starts a process.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

IMPORTED_BY_EACH: Final = ("cli", "tasks")
PROGRAM: Final = "xswarm_deploy.cli.program"
SUPPORTED: Final = sys.platform == "linux"
"""Elsewhere a fork of a process that has used the system's frameworks may be ended."""
_LENGTH: Final = 8


def run(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    name: str = "-c",
    program: str = PROGRAM,
) -> subprocess.CompletedProcess[str]:
    """Run ``inv`` with these words to its end, without a terminal.

    Args:
        words: its tasks and flags.
        folder: where it runs.
        environment: the whole of it.
        seconds: how long it may take.
        name: the one that was typed, as the first argument has it.
        program: the module whose ``main`` is run.

    Raises:
        subprocess.TimeoutExpired: it did not end in time; it was killed.
    """
    request = json.dumps([program, [name, *words], str(folder), dict(environment)]).encode()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8") as error,
        Path(os.devnull).open() as nothing,
        socket.socket(socket.AF_UNIX) as asked,
    ):
        asked.connect(str(_server()))
        streams = array.array("i", [each.fileno() for each in (nothing, output, error)])
        size = len(request).to_bytes(_LENGTH, "big")
        asked.sendmsg([size], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        asked.sendall(request)
        pid = int.from_bytes(_received(asked, _LENGTH), "big")
        asked.settimeout(seconds)
        try:
            status = int.from_bytes(_received(asked, _LENGTH), "big")
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["inv", *words], seconds) from None
        for stream in (output, error):
            stream.seek(0)
        code = os.waitstatus_to_exitcode(status)
        return subprocess.CompletedProcess(["inv", *words], code, output.read(), error.read())


@cache
def _server() -> Path:
    """Start the process that forks; it ends with this one."""
    folder = tempfile.mkdtemp(prefix="prefork-")
    address = Path(folder) / "socket"
    environment = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [sys.executable, "-c", "from tests.support import prefork; prefork.serve()", str(address)],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdin=subprocess.PIPE,  # its end is the sign that this process is gone
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    atexit.register(_end, process, address)
    return address


def _end(process: subprocess.Popen[bytes], address: Path) -> None:
    process.communicate()
    address.unlink(missing_ok=True)
    address.parent.rmdir()


def serve() -> None:
    """Import what commands need, then fork one for each request, until nobody can ask any more."""
    gc.disable()
    _import_all()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who waits for a command
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(sys.argv[1])
    listening.listen(16)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
        connection, _ = listening.accept()
        if not os.fork():
            listening.close()
            _watch(connection)
        connection.close()


def _import_all() -> None:
    package = importlib.import_module("xswarm_deploy")
    for module in pkgutil.walk_packages(package.__path__, "xswarm_deploy.", onerror=None):
        if module.name.split(".")[1] not in IMPORTED_BY_EACH:
            importlib.import_module(module.name)
    for name in ("invoke.program", "invoke.loader", "requests", "websockets.sync.client"):
        importlib.import_module(name)


def _watch(connection: socket.socket) -> None:
    """Fork the command, tell its number, wait for its end, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ancillary = socket.CMSG_SPACE(3 * array.array("i").itemsize)
    size, rights, _, _ = connection.recvmsg(_LENGTH, ancillary)
    streams = array.array("i", rights[0][2])
    asked = json.loads(_received(connection, int.from_bytes(size, "big")))
    program, arguments, folder, environment = asked
    pid = os.fork()
    if not pid:
        connection.close()
        _become(program, arguments, folder, environment, streams)
    connection.sendall(pid.to_bytes(_LENGTH, "big"))
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # it was killed by who waited for it too long
        connection.sendall(status.to_bytes(_LENGTH, "big"))
    os._exit(0)


def _become(
    program: str,
    arguments: list[str],
    folder: str,
    environment: dict[str, str],
    streams: Sequence[int],
) -> None:
    """Be the command, from its beginning to its end."""
    for target, given in enumerate(streams):
        os.dup2(given, target)
    os.closerange(3, 64)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    code = 0
    try:
        importlib.import_module(program).main()
    except SystemExit as end:
        code = _code(end)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _code(end: SystemExit) -> int:
    """Return a process' exit code, as Python itself would."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    sys.stderr.write(f"{end.code}\n")
    return 1


def _received(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        part = connection.recv(length - len(found))
        if not part:
            raise ConnectionError("the process that forks has ended")
        found += part
    return found
