"""Logs as they come: what a Worker's invocations said, by its tail, chosen and masked.

The events are those of wrangler's ``trace-v1`` tail (its src/tail/createTail.ts). Version and
method are chosen by Cloudflare, so that a busy Worker's other requests do not use up the tail;
status, text and errors here. A tail has no past, and Cloudflare samples the tail of a busy Worker:
both are said, not hidden.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from xswarm_deploy.errors import DeployError, Refused, Unavailable
from xswarm_deploy.secret import redact
from xswarm_deploy.services.errors import ServiceError
from xswarm_deploy.services.tails import Dropped, Listener
from xswarm_monitoring.redaction import mask_query, mask_text

Message = str | bytes
Opened = Callable[[], AbstractContextManager[Listener]]
"""Begins a tail anew each time."""

PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before each attempt to listen again; after the last one it is given up."""
_SLICE: Final = 0.5  # seconds between two looks at the clock, and at Ctrl-C
_FINE: Final = ("ok", "canceled", "responseStreamDisconnected")
_STATUS: Final = re.compile(r"[1-5](\d\d|xx)")
_PARTS: Final = {"{": "[^/]+", ":": "[^/]+", "*": ".*"}
"""What stands for a variable part of a route, by its first character."""
_NO_REQUEST: Final = {
    "cron": "cron {cron}",
    "queue": "queue {queue}, {batchSize} message(s)",
    "mailFrom": "e-mail from {mailFrom}",
    "rpcMethod": "call of {rpcMethod}",
    "consumedEvents": "tail of other Workers",
    "scheduledTime": "alarm",
}
"""What is told of an event that is no request, by the field that marks it (wrangler's order)."""


@dataclass(frozen=True)
class Wanted:
    """Which events are shown.

    Args:
        version: the whole id of a version; empty: all.
        methods: of requests, in capitals; empty: all.
        statuses: such as ``404`` and ``5xx``; empty: all.
        search: a text in URL, log lines or exceptions, whatever its case; empty: all.
        errors: only what went wrong.
        route: a path, or the template of one such as ``/users/{id}``; empty: all.
    """

    version: str = ""
    methods: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    search: str = ""
    errors: bool = False
    route: str = ""

    @property
    def filters(self) -> list[Mapping[str, object]]:
        """Return what Cloudflare is to choose by."""
        found: list[Mapping[str, object]] = []
        if self.methods:
            found.append({"method": list(self.methods)})
        if self.version:
            found.append({"scriptVersion": self.version})
        return found

    def wants(self, event: Event) -> bool:
        """Return whether an event that Cloudflare sent is shown."""
        if event.notice:
            return True
        status = str(event.status)
        by_status = not self.statuses or any(
            status == one or (one.endswith("xx") and status[:1] == one[0]) for one in self.statuses
        )
        return (
            by_status
            and self._is_of_route(event)
            and (not self.methods or event.method in self.methods)
            and (not self.errors or event.failed)
            and self.search.lower() in event.all_text.lower()
        )

    def _is_of_route(self, event: Event) -> bool:
        """Return whether an event's path is the wanted one, or fits its template."""
        if not self.route:
            return True
        parts = re.split(r"(\{[^{}/]*\}|:\w+|\*)", self.route.rstrip("/"))
        pattern = "".join(_PARTS.get(part[:1], re.escape(part)) for part in parts)
        return bool(event.path) and re.fullmatch(f"{pattern}/?", event.path) is not None


@dataclass(frozen=True)
class Event:
    """One invocation of a Worker, as its tail told it.

    Args:
        at: when it began, seconds since 1970.
        version: the version that was invoked; empty: not told.
        title: method and URL, or what else it was.
        status: the answer's; 0: there was none.
        outcome: ``ok``, or Cloudflare's word for what went wrong.
        milliseconds: how long it took; None: not told.
        lines: level and text of each line that it logged.
        exceptions: each as its name, message and stack.
        notice: what Cloudflare says of the tail itself, such as that it samples.
    """

    at: float = 0.0
    version: str = ""
    title: str = ""
    status: int = 0
    outcome: str = "ok"
    milliseconds: float | None = None
    lines: tuple[tuple[str, str], ...] = ()
    exceptions: tuple[str, ...] = ()
    notice: str = ""

    @property
    def method(self) -> str:
        """Return the request's method; empty: it was none."""
        return self.title.partition(" ")[0] if "://" in self.title else ""

    @property
    def path(self) -> str:
        """Return the request's path; empty: it was none."""
        url = self.title.partition(" ")[2]
        return (urlsplit(url).path or "/") if "://" in url else ""

    @property
    def failed(self) -> bool:
        """Return whether something went wrong: outcome, status, an exception, an error's line."""
        logged = any(level == "error" for level, _ in self.lines)
        return bool(self.outcome not in _FINE or self.status >= 500 or self.exceptions or logged)

    @property
    def all_text(self) -> str:
        """Return all that a search looks at."""
        return "\n".join((self.title, *(text for _, text in self.lines), *self.exceptions))

    def as_json(self) -> dict[str, object]:
        """Return the event as one JSON object."""
        if self.notice:
            return {"notice": self.notice}
        return {
            "time": _time(self.at),
            "version": self.version,
            "what": self.title,
            "status": self.status,
            "outcome": self.outcome,
            "milliseconds": self.milliseconds,
            "logs": [{"level": level, "text": mask_text(text)} for level, text in self.lines],
            "exceptions": [mask_text(text) for text in self.exceptions],
        }

    def shown(self) -> list[tuple[str, str]]:
        """Return the lines for a person, each with its colour."""
        if self.notice:
            return [(f"⚠ {self.notice}", "yellow")]
        took = "" if self.milliseconds is None else f"  {self.milliseconds:.0f} ms"
        end = f"{self.status or '-'}" + ("" if self.outcome == "ok" else f" {self.outcome}")
        version = self.version[:8] or "(version not told)"
        head = f"{_time(self.at)}  {version}  {self.title}  {end}{took}"
        body = [
            *(_indented(f"({level}) {text}", level) for level, text in self.lines),
            *(_indented(text, "error") for text in self.exceptions),
        ]
        return [(head, "red" if self.failed else ""), *(line for part in body for line in part)]


def wanted(
    version: str,
    known: Sequence[str],
    method: str,
    status: str,
    search: str,
    *,
    errors: bool,
    route: str = "",
) -> Wanted:
    """Return what a person asked for.

    Args:
        version: an id, or the beginning of one; empty: all.
        known: the Worker's versions.
        method: names with commas between them.
        status: such as ``404,5xx``.
        search: a text.
        errors: only what went wrong.
        route: a path, or the template of one.

    Raises:
        Refused: there is no such version, or that is no status.
    """
    statuses = tuple(one.strip().lower() for one in status.split(",") if one.strip())
    for one in statuses:
        if not _STATUS.fullmatch(one):
            raise Refused(f"{one} is no HTTP status", "", "inv logs --status 404,5xx")
    methods = tuple(one.strip().upper() for one in method.split(",") if one.strip())
    chosen = _version(version, known) if version else ""
    return Wanted(chosen, methods, statuses, search, errors, route)


def parsed(message: Message) -> Event | None:
    """Return the event of a tail's message; None where it is none.

    Args:
        message: JSON that the runtime wrote around what the Worker and its callers said.
    """
    try:
        given: Any = json.loads(message)
        about = given.get("event") or {}
        if "type" in about and "message" in about:  # Cloudflare on the tail: overload
            return Event(notice=as_text(about["message"]))
        took = given.get("wallTime")
        return Event(
            at=float(given.get("eventTimestamp") or 0) / 1000,
            version=str((given.get("scriptVersion") or {}).get("id") or ""),
            title=title_of(about),
            status=int((about.get("response") or {}).get("status") or 0),
            outcome=str(given.get("outcome") or "unknown"),
            milliseconds=None if took is None else float(took),
            lines=tuple(_logged(line) for line in given.get("logs") or ()),
            exceptions=tuple(_raised(error) for error in given.get("exceptions") or ()),
        )
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError):
        return None


def messages(
    opened: Opened, seconds: float | None, told: Callable[[str], None]
) -> Generator[Message]:
    """Yield a tail's messages; a connection that drops is said, and opened anew.

    Args:
        opened: begins a tail.
        seconds: for how long; None: until the caller ends it.
        told: is told what is missing, and why.

    Raises:
        Unavailable: it dropped, and cannot be opened again.
        ServiceError: it could not be opened at first.
    """
    until = None if seconds is None else time.monotonic() + seconds
    failures = 0
    while True:
        try:
            with opened() as listener:
                if failures:
                    told("listening again; what came in between is not shown")
                for message in _until(listener, until):
                    failures = 0
                    yield message
                return
        except Dropped as end:
            why = f"the connection was dropped ({end})"
        except ServiceError as error:
            if not failures:
                raise
            why = str(error)
        if failures == len(PAUSES):
            raise _given_up(why)
        told(f"{why}; again in {PAUSES[failures]:.0f} s")
        time.sleep(PAUSES[failures])
        failures += 1


def _until(listener: Listener, until: float | None) -> Iterator[Message]:
    while until is None or time.monotonic() < until:
        message = listener.next(_SLICE)
        if message is not None:
            yield message


def _given_up(why: str) -> DeployError:
    return Unavailable("the logs cannot be followed any more", why, "wait, then: inv logs --follow")


def _version(given: str, known: Sequence[str]) -> str:
    found = [version for version in known if version.startswith(given.lower())]
    if len(found) == 1:
        return found[0]
    why = f"{len(found)} versions start with it" if found else "the Worker has no such version"
    raise Refused(f"version {given} is not known", why, "inv worker.status")


def title_of(about: Mapping[str, Any]) -> str:
    """Return what an event was: method and masked URL, or what else it was."""
    if "request" in about:
        request = about["request"]
        return f"{as_text(request['method']).upper()} {_masked_url(as_text(request['url']))}"
    for field, text in _NO_REQUEST.items():
        if field in about:
            return text.format_map({name: as_text(value) for name, value in about.items()})
    return "an event of an unknown kind"


def _masked_url(url: str) -> str:
    """Return a URL without credentials, and with the values of telling parameters masked."""
    parts = urlsplit(url)
    query = mask_query(f"?{parts.query}") if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def _logged(line: Mapping[str, Any]) -> tuple[str, str]:
    message = line.get("message")
    parts = message if isinstance(message, list) else [message]
    return as_text(line.get("level") or "log"), " ".join(as_text(part) for part in parts)


def _raised(error: Mapping[str, Any]) -> str:
    head = f"{as_text(error.get('name'))}: {as_text(error.get('message'))}"
    stack = as_text(error.get("stack") or "")
    return f"{head}\n{stack}" if stack else head


def as_text(value: object) -> str:
    """Return a text as it is, and anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _indented(text: str, level: str) -> list[tuple[str, str]]:
    """Return a text of several lines so that none of them looks like a new event."""
    colour = {"error": "red", "warn": "yellow"}.get(level, "dim")
    return [(f"    {line}", colour) for line in mask_text(redact(text)).splitlines() or [""]]


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
