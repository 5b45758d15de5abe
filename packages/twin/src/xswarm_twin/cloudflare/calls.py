"""The log of calls: a line of JSON each, without bodies."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web


class Calls:
    """Append to the log; each line is written whole before the call is answered.

    Args:
        file: the log, made when missing.
    """

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", buffering=1, encoding="utf-8")

    def close(self) -> None:
        """Close the log."""
        self._file.close()

    def write(self, request: web.Request, status: int, started: float) -> None:
        """Write a line.

        Args:
            request: the call.
            status: the status that it is answered with.
            started: when it came, by ``time.perf_counter``.
        """
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": request.method,
            "path": request.path,
            "status": status,
            "agent": request.headers.get("User-Agent", ""),
            "ms": round((time.perf_counter() - started) * 1000, 1),
        }
        self._file.write(json.dumps(line) + "\n")


CALLS: web.AppKey[Calls] = web.AppKey("calls", Calls)
