"""Write structured logs: one JSON object a line, correlated and masked."""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from xswarm_monitoring.clock import Clock, iso
from xswarm_monitoring.correlation import current
from xswarm_monitoring.plain import plain, plain_name


class Level(IntEnum):
    """How much a line matters."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def _write_line(line: str) -> None:
    """Write a line where it can be written: whoever is served has no part in a log that is gone."""
    # Its reader has gone, or it is closed, or there is none, as in a service of Windows.
    with suppress(OSError, ValueError, AttributeError):
        try:
            sys.stdout.write(line + "\n")
        except UnicodeEncodeError:  # as JSON escapes it, which any encoding holds
            sys.stdout.write(
                _BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], line) + "\n"
            )


@dataclass(frozen=True)
class Entry:
    """Hold a line that was written.

    Args:
        time: seconds since 1970.
        level: how much it matters.
        fields: as they stand in it, masked.
        span: of the request it belongs to, where that is traced.
    """

    time: float
    level: Level
    fields: Mapping[str, Any]
    span: str = ""


class Log:
    """Write lines at or above a level.

    Args:
        service: the service's name.
        level: the least level written, as ``LOG_LEVEL`` names it.
        structured: whether to write JSON (``STRUCTURED_LOGGING``), else text for a person.
        write: takes a line without its end.
        clock: the clock to read.

    Raises:
        ValueError: there is no such level.
    """

    def __init__(
        self,
        service: str,
        *,
        level: str = "info",
        structured: bool = True,
        write: Callable[[str], None] = _write_line,
        clock: Clock | None = None,
    ) -> None:
        if level.upper() not in Level.__members__:
            raise ValueError(f"no log level {level!r}; there are {', '.join(Level.__members__)}")
        self.service, self.level, self.structured = service, Level[level.upper()], structured
        self._write, self._clock = write, clock or Clock()
        self.kept: Callable[[Entry], None] | None = None
        """Takes each line that is written, too: what is pushed elsewhere."""

    def writes(self, level: Level) -> bool:
        """Return whether lines of a level are written: ask before making what costs much."""
        return level >= self.level

    def debug(self, message: str, **fields: Any) -> None:
        """Log what only helps to find a fault."""
        self.line(Level.DEBUG, message, fields)

    def info(self, message: str, **fields: Any) -> None:
        """Log what happened."""
        self.line(Level.INFO, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Log what may become a fault."""
        self.line(Level.WARNING, message, fields)

    def error(self, message: str, raised: BaseException | None = None, **fields: Any) -> None:
        """Log a fault, with the exception that told of it."""
        if raised is not None:
            fields = fields | {"error": type(raised).__name__, "stack": _stack(raised)}
        self.line(Level.ERROR, message, fields)

    def line(self, level: Level, message: str, fields: Mapping[str, Any]) -> None:
        """Write one line; all text in it is masked, and nothing in it can make it fail."""
        if not self.writes(level):
            return
        entry = {"timestamp": iso(self._clock.wall()), "level": level.name.lower()}
        entry |= {"service": self.service, "message": plain(message)}
        request = current()
        if request is not None:
            entry |= {"request_id": request.request_id, "trace_id": request.trace_id}
        entry |= {
            plain_name(key): plain(value) for key, value in fields.items() if key not in entry
        }
        self._write(_json(entry) if self.structured else _text(entry))
        if self.kept is not None:
            span = request.span_id if request is not None and request.sampled else ""
            self.kept(Entry(self._clock.wall(), level, entry, span))


def _stack(raised: BaseException) -> str:
    return "".join(traceback.format_exception(raised))


def _json(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False)


def _text(entry: Mapping[str, Any]) -> str:
    """Return ``time LEVEL message key=value …`` on one line."""
    head = f"{entry['timestamp']} {entry['level'].upper():7} {json.dumps(entry['message'])[1:-1]}"
    skipped = ("timestamp", "level", "message", "service")
    rest = [f"{key}={json.dumps(each)}" for key, each in entry.items() if key not in skipped]
    return " ".join([head, *rest])
