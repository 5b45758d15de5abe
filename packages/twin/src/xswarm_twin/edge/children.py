"""Processes of the edge: started, listened to until they are ready, and surely ended.

All children are in one process group, led by a guard that reads a pipe whose other end only we
hold. When we end, however we end, the guard reads the end of file and kills its whole group.
That needs nothing of one operating system only, and leaves no gap: a child joins the group
before its program starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

_GUARD = ("/bin/sh", "-c", "read -r _; kill -KILL 0")
SOCKETS = ("http", "control")
"""Where a process takes requests, and where the edge tells it of events that are none."""

_REMEMBERED_LINES = 60
_LONGEST_LINE = 1 << 20
_WATCHED_EVERY: Final = 0.2  # seconds
_PATIENT: Final = 10  # times that a process which computes is waited for as long again
_IDLE: Final = 0.001  # of the time: what computes less does nothing
TOO_LONG: Final = "Script startup exceeded CPU time limit."
"""What Cloudflare says of code that computes too long before it can answer."""
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


class StartFailed(Exception):
    """A process ended, or said nothing, before it was ready; the text is its last output."""


@dataclass(frozen=True)
class Command:
    """A program to run, which tells on a file descriptor where it listens.

    It says ``{"event": "listen", "socket": NAME, "port": N}`` of each of its sockets.

    Args:
        line: gives program and arguments for the number of that descriptor.
        folder: the working directory.
        input: what the program reads on its standard input (secrets go here, never in ``line``).
        sockets: the names of its sockets.
        cpu: the most seconds of computing until it listens.
    """

    line: Callable[[int], Sequence[str]]
    folder: Path
    input: bytes = b""
    sockets: Sequence[str] = SOCKETS
    cpu: float = math.inf


@dataclass
class Child:
    """A running process and the ports it listens on, by the names of its sockets."""

    process: asyncio.subprocess.Process
    ports: Mapping[str, int] = field(default_factory=dict)
    output: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_LINES))
    reading: asyncio.Task[None] | None = None

    @property
    def computed(self) -> float:
        """Return the seconds of computing that it took so far."""
        try:
            times = psutil.Process(self.process.pid).cpu_times()
        except psutil.Error:  # it has ended
            return 0.0
        return float(times.user + times.system)

    def require_quick(self, most: float) -> None:
        """Raise StartFailed when it took more seconds of computing than it may."""
        if self.computed > most:
            raise StartFailed(TOO_LONG)

    @property
    def running(self) -> bool:
        """Return whether the process has not ended, as far as is known."""
        return self.process.returncode is None

    async def ended(self, within: float) -> bool:
        """Wait for the process's end, at most some seconds, and return whether it came."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), within)
        return not self.running

    async def stop(self, grace: float = 2.0) -> None:
        """End the process: asked first, killed after some seconds."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
        if not await self.ended(grace):
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        if self.reading is not None:
            await self.reading


class Children:
    """Start processes that never outlive this one."""

    def __init__(self) -> None:
        self._guard: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def start(
        self, command: Command, log: Callable[[str], None], patience: float = 30.0
    ) -> Child:
        """Start a process and wait until it listens.

        Args:
            command: what to run.
            log: takes each line that the process prints.
            patience: seconds until a silent start counts as failed; a process that computes has
                ten times as long, since this machine may be busy.

        Raises:
            StartFailed: it ended or stayed silent; nothing of it is left.
        """
        reader, writer = os.pipe()
        try:
            child = await self._spawn(command, writer, log)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        watching = asyncio.create_task(_watch(child, command.cpu))
        try:
            child.ports = await _within(patience, child, _ports(reader, command.sockets))
            child.require_quick(command.cpu)
        except StartFailed as failure:
            too_long = watching.done() or child.computed > command.cpu
            await child.stop(grace=0.2)
            said = "\n".join(child.output) or str(failure)
            raise StartFailed(TOO_LONG if too_long else said) from None
        except BaseException:
            await child.stop(grace=0.2)
            raise
        finally:
            watching.cancel()
        return child

    async def close(self) -> None:
        """End the guard, and with it whatever is still in its group."""
        guard, self._guard = self._guard, None
        if guard is not None and guard.stdin is not None:
            guard.stdin.close()
            await guard.wait()

    async def _spawn(self, command: Command, control: int, log: Callable[[str], None]) -> Child:
        process = await asyncio.create_subprocess_exec(
            *command.line(control),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=command.folder,
            env=environment(os.environ),
            pass_fds=(control,),
            process_group=await self._group(),
            limit=_LONGEST_LINE,
        )
        child = Child(process)
        child.reading = asyncio.create_task(_read(process, child.output, log))
        await _write(process, command.input)
        return child

    async def _group(self) -> int:
        """Return the id of the guarded process group."""
        async with self._starting:
            if self._guard is None or self._guard.returncode is not None:
                self._guard = await asyncio.create_subprocess_exec(
                    *_GUARD, stdin=asyncio.subprocess.PIPE, env={}, process_group=0
                )
            return self._guard.pid


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return a child's environment: nothing of ours but what names places and languages."""
    return {name: ours[name] for name in _KEPT_VARIABLES if name in ours}


async def _watch(child: Child, most: float) -> None:
    """End a process that computes for longer than it may."""
    while child.computed <= most:
        await asyncio.sleep(_WATCHED_EVERY)
    with contextlib.suppress(ProcessLookupError):
        child.process.kill()


async def _within(
    patience: float, child: Child, asked: Coroutine[None, None, dict[str, int]]
) -> dict[str, int]:
    """Return what a process answers; what computes is waited for longer than what does nothing."""
    answer, waited = asyncio.create_task(asked), 0.0
    try:
        while waited < patience * _PATIENT:
            computed = child.computed
            if (await asyncio.wait({answer}, timeout=patience))[0]:
                return answer.result()
            waited += patience
            if child.computed - computed < patience * _IDLE:
                break
        raise StartFailed(f"it did not listen within {waited:.0f} s")
    finally:
        answer.cancel()


async def _ports(descriptor: int, sockets: Sequence[str]) -> dict[str, int]:
    """Read the ports from the control pipe; its end without all of them is a failed start."""
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    ports: dict[str, int] = {}
    try:
        while line := await reader.readline():
            event = json.loads(line)
            if event.get("event") == "listen":
                ports[event["socket"]] = int(event["port"])
            if ports.keys() >= set(sockets):
                return ports
    finally:
        transport.close()
    raise StartFailed


async def _write(process: asyncio.subprocess.Process, data: bytes) -> None:
    """Write a process's input; one that ended before it read is judged by its output."""
    if process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _read(
    process: asyncio.subprocess.Process, remembered: deque[str], log: Callable[[str], None]
) -> None:
    """Pass each line of a process's output on, until its end."""
    if process.stdout is None:
        return
    while line := await _line(process.stdout):
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        remembered.append(text)
        log(text)


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Read a line; of one that is too long, the part that fits."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as long:
        return await stream.readexactly(max(long.consumed, 1))
