"""Tails: what the invocations of Workers are, told to whoever listens, as ``wrangler tail`` reads.

An event has the form of Cloudflare's: outcome, ``scriptVersion``, and the request with its headers,
of which those that hold credentials are redacted. Static files invoke no Worker and preview hosts
have no logs, so neither shows in a tail.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from xswarm_twin.edge.traces import Trace
from xswarm_twin.model import WorkerVersion

LIFETIME: Final = 6 * 3600.0
"""Seconds after which Cloudflare ends a tail."""
NOTHING: Final = Trace()
"""Of an invocation of which nothing more is known."""
_WAITING: Final = 1000  # events that a slow listener may be behind
_SENSITIVE: Final = re.compile(r"^(set-)?cookie$|auth|jwt|key|secret|token")
_NAMES: Final = frozenset(
    {"sampling_rate", "outcome", "method", "header", "client_ip", "query", "scriptVersion"}
)


@dataclass(frozen=True)
class Invocation:
    """One request that a version answered.

    Args:
        version: the version that was invoked.
        method: the request's method.
        url: the whole URL.
        headers: of the request, by name.
        caller: the IP address that it came from.
        status: the answer's.
        outcome: ``ok`` or ``exception``; the trace knows it better.
        milliseconds: how long it took.
    """

    version: WorkerVersion
    method: str
    url: str
    headers: Mapping[str, str]
    caller: str
    status: int
    outcome: str
    milliseconds: int = 0

    def event(self, trace: Trace = NOTHING) -> dict[str, Any]:
        """Return the event of a ``trace-v1`` tail."""
        headers = {
            name.lower(): "REDACTED" if _SENSITIVE.search(name.lower()) else text
            for name, text in self.headers.items()
        }
        request = {"url": self.url, "method": self.method, "headers": headers, "cf": {}}
        return {
            "wallTime": self.milliseconds,
            "cpuTime": 0,
            "truncated": False,
            "outcome": trace.outcome or self.outcome,
            "scriptName": self.version.worker,
            "scriptVersion": {"id": self.version.id},
            "diagnosticsChannelEvents": [],
            "exceptions": list(trace.exceptions),
            "logs": list(trace.logs),
            "eventTimestamp": int(time.time() * 1000),
            "event": {"request": request, "response": {"status": self.status}},
        }


@dataclass
class Tail:
    """One listener's view of a Worker.

    Args:
        worker: the Worker's name.
        filters: each must let an invocation through.
        id: names it; whoever knows it may listen.
        expires: when it ends, seconds since 1970.
        connected: whether somebody listens: nothing is kept for later.
        events: JSON texts that are still to be sent.
    """

    worker: str
    filters: Sequence[Mapping[str, Any]]
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    expires: float = field(default_factory=lambda: time.time() + LIFETIME)
    connected: bool = False
    events: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(_WAITING))

    def hear(self, invocation: Invocation, trace: Trace, text: str) -> None:
        """Keep an event for the listener, where the filters want it and there is room."""
        wanted = all(passes(one, invocation, trace) for one in self.filters)
        if wanted and self.connected and not self.events.full():
            self.events.put_nowait(text)


class Tails:
    """All tails, by their ids."""

    def __init__(self) -> None:
        self._tails: dict[str, Tail] = {}

    def add(self, tail: Tail) -> None:
        """Begin a tail; those that have expired, and that nobody ended, are forgotten."""
        now = time.time()
        self._tails = {id_: one for id_, one in self._tails.items() if one.expires > now}
        self._tails[tail.id] = tail

    def find(self, id_: str) -> Tail | None:
        """Return the tail of an id, unless it has expired."""
        found = self._tails.get(id_)
        return found if found is not None and found.expires > time.time() else None

    def of(self, worker: str) -> list[Tail]:
        """Return the tails of a Worker."""
        return [tail for tail in self._tails.values() if tail.worker == worker]

    def hears(self, worker: str) -> bool:
        """Return whether it matters what an invocation of a Worker logs."""
        return bool(self.of(worker))

    def remove(self, id_: str) -> None:
        """End a tail."""
        self._tails.pop(id_, None)

    def publish(self, invocation: Invocation, trace: Trace = NOTHING) -> None:
        """Send an invocation to everybody who listens to the Worker."""
        listening = self.of(invocation.version.worker)
        text = json.dumps(invocation.event(trace)) if listening else ""
        for tail in listening:
            tail.hear(invocation, trace, text)


def require_filter(given: Mapping[str, Any]) -> None:
    """Raise ValueError for what is no filter of the tails' API (wrangler's src/tail/filters.ts)."""
    if len(given) != 1 or not set(given) <= _NAMES:
        raise ValueError(f"a filter has one of the keys {', '.join(sorted(_NAMES))}")
    header = given.get("header", {"key": "any"})
    key = header.get("key") if isinstance(header, dict) else None
    if type(key) is not str:
        raise ValueError("a header filter has a key")


def passes(wanted: Mapping[str, Any], invocation: Invocation, trace: Trace = NOTHING) -> bool:
    """Return whether a filter lets an invocation through."""
    ((kind, value),) = wanted.items()
    if kind == "header":
        held = {name.lower(): text for name, text in invocation.headers.items()}
        text = held.get(value["key"].lower())
        return text is not None and value.get("query", "") in text
    if kind == "sampling_rate":
        return secrets.randbelow(10_000) < float(value) * 10_000
    if kind == "query":
        return any(str(value) in json.dumps(line["message"]) for line in trace.logs)
    held_by = {
        "scriptVersion": invocation.version.id,
        "method": invocation.method,
        "outcome": trace.outcome or invocation.outcome,
        "client_ip": invocation.caller,
    }
    return held_by[kind] in ([value] if isinstance(value, str) else value)
