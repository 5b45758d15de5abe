"""What an invocation prints, told to the edge where somebody listens to the Worker's tail.

What goes to standard output is of the level ``log``, to standard error ``error``; each line is one
entry. All of it still goes to the process's own output, too.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from io import TextIOBase
from typing import Any, TextIO

from .bindings import Service

_CF = b"x-twin-cf"
_RAY = b"cf-ray"


@dataclass
class Trace:
    """What one invocation did so far, in the fields of Cloudflare's TraceItem."""

    logs: list[dict[str, Any]] = field(default_factory=list)
    exceptions: list[dict[str, Any]] = field(default_factory=list)

    def raised(self, error: BaseException) -> None:
        """Take note of what ended the invocation."""
        told = {"name": type(error).__name__, "message": str(error), "timestamp": _now()}
        self.exceptions.append(told)


_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
_edge: list[Service] = []


class _Output(TextIOBase):
    """Standard output or error, which the invocation's trace has, too."""

    def __init__(self, stream: TextIO, level: str) -> None:
        self._stream, self._level, self._begun = stream, level, ""

    def write(self, text: str) -> int:
        """Write a text; each whole line is an entry of the trace."""
        self._stream.write(text)
        *lines, self._begun = (self._begun + text).split("\n")
        trace = _trace.get()
        if trace is not None:
            for line in lines:
                entry = {"level": self._level, "message": [line], "timestamp": _now()}
                trace.logs.append(entry)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)  # such as buffer

    def flush(self) -> None:
        """Write out what the stream holds."""
        self._stream.flush()


def listen(edge: Service) -> None:
    """Hear all that is printed from now on.

    Args:
        edge: is told what invocations logged.
    """
    _edge[:] = [edge]
    sys.stdout, sys.stderr = _Output(sys.stdout, "log"), _Output(sys.stderr, "error")


@asynccontextmanager
async def kept(headers: Iterable[tuple[bytes, bytes]]) -> AsyncIterator[Trace]:
    """Keep what an invocation prints, and tell it at the end where its headers ask for that."""
    found, trace = dict(headers), Trace()
    if not json.loads(found.get(_CF, b"{}")).get("tailed"):
        yield trace
        return
    token = _trace.set(trace)
    try:
        yield trace
    finally:
        _trace.reset(token)
        await asyncio.shield(_tell(found[_RAY].decode("latin-1"), trace))


async def _tell(ray: str, trace: Trace) -> None:
    outcome = "exception" if trace.exceptions else "ok"
    told = [{"ray": ray, "outcome": outcome, "logs": trace.logs, "exceptions": trace.exceptions}]
    await _edge[0].send("POST", "/", (("Host", "edge"),), json.dumps(told).encode())


def _now() -> int:
    return int(time.time() * 1000)
