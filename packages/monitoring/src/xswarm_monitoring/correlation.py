"""Return each request one identity that follows it: X-Request-ID and W3C traceparent."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from random import getrandbits, randbytes

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_VERSION_0 = b"00"
_NOT_SAMPLED = "00"
_DRAWN = 64  # ids at once
_ids: list[str] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.clear)  # two processes shall not share any

_NAMES = frozenset((b"traceparent", b"x-request-id", b"x-deployment-probe"))


class Correlation:
    """Name the request being served.

    Args:
        request_id: what came in ``X-Request-ID``; else the trace's id.
        trace: the trace's id, the caller's span and flags, as :attr:`trace_id`,
            :attr:`parent_id` and :attr:`flags` give them; None: the request's id is the trace's.
    """

    # They are the class' own, and few requests set them: each costs what it sets.
    claim: bytes | None = None
    """What came in ``X-Deployment-Probe``; not believed yet."""
    probe: str = ""
    """The kind of a deployment's own request, see :mod:`xswarm_monitoring.probe_header`;
    empty: it is a customer's."""
    sampled: bool = False
    """Whether it is traced, see :mod:`xswarm_monitoring.tracing`."""
    _span: str = ""
    _trace: tuple[str, str, str] | None = None

    def __init__(self, request_id: str, trace: tuple[str, str, str] | None = None) -> None:
        self.request_id = request_id
        if trace is not None:
            self._trace = trace

    @property
    def span_id(self) -> str:
        """The span of the request itself, 16 hexadecimal digits."""
        if not self._span:
            self._span = new_span()
        return self._span

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; the caller's, where it sent a valid traceparent."""
        return self._read()[0]

    @property
    def parent_id(self) -> str:
        """The caller's span, 16 hexadecimal digits; empty where it sent none."""
        return self._read()[1]

    @property
    def flags(self) -> str:
        """The caller's trace flags, two hexadecimal digits."""
        return self._read()[2]

    def headers(self, span: str = "") -> dict[str, str]:
        """Return the headers for a request made on behalf of this one.

        Args:
            span: that request's id; empty: a new one.
        """
        flags = "01" if self.sampled else self.flags
        return {
            "X-Request-ID": self.request_id,
            "traceparent": f"00-{self.trace_id}-{span or new_span()}-{flags}",
        }

    def _read(self) -> tuple[str, str, str]:
        return self._trace or (self.request_id, "", _NOT_SAMPLED)


_monitoring: ContextVar[bool] = ContextVar("monitoring", default=False)
_current: ContextVar[Correlation | None] = ContextVar("correlation", default=None)

set_current = _current.set
"""Make a correlation the one of the running task; gives a token for ``reset_current``."""
reset_current = _current.reset


def current() -> Correlation | None:
    """Return the correlation of the request being served; None outside of one."""
    return _current.get()


def is_probe() -> bool:
    """Return whether the request being served is a deployment's own."""
    served = _current.get()
    return served is not None and bool(served.probe)


@contextmanager
def as_monitor() -> Iterator[None]:
    """Count the queries made meanwhile as the monitor's own."""
    token = _monitoring.set(True)
    try:
        yield
    finally:
        _monitoring.reset(token)


def is_monitor() -> bool:
    """Return whether the monitor itself is at work, and not a request or a task."""
    return _monitoring.get()


def correlate(headers: Collection[tuple[bytes, bytes]]) -> Correlation:
    """Read a request's correlation from its ASGI headers, or make a new one.

    An ``X-Request-ID`` that is too long or has other than plain characters is not
    believed, since it stands in logs and in the answer.
    """
    for name, _ in headers:
        if name in _NAMES:
            return _told(dict(headers))
    return Correlation(_new_id())  # as most requests have it


def _told(sent: Mapping[bytes, bytes]) -> Correlation:
    """Return the correlation that a request's headers tell."""
    traceparent, request_id = sent.get(b"traceparent"), sent.get(b"x-request-id")
    trace = (_read(traceparent) if traceparent else None) or (_new_id(), "", _NOT_SAMPLED)
    if request_id is not None and _REQUEST_ID.fullmatch(request_id):
        made = Correlation(request_id.decode("ascii"), trace)
    else:
        made = Correlation(trace[0], trace)
    made.claim = sent.get(b"x-deployment-probe")
    return made


def new_span() -> str:
    """Return the id of a span, 16 hexadecimal digits."""
    return "%016x" % (getrandbits(64) or 1)


def _new_id() -> str:
    """Return the id of a trace, 32 hexadecimal digits; drawn in advance, a few at a time."""
    if not _ids:
        drawn = randbytes(_DRAWN * 16).hex()  # noqa: S311 - ids are no secrets
        _ids.extend([drawn[start : start + 32] for start in range(0, len(drawn), 32)])
    return _ids.pop()


def _read(traceparent: bytes) -> tuple[str, str, str] | None:
    """Read a traceparent as the W3C's Trace Context, section 3.2, says; None: it is invalid."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if not found or (found[1] == _VERSION_0 and found[5]):
        return None
    trace_id, parent_id, flags = found[2].decode(), found[3].decode(), found[4].decode()
    return (trace_id, parent_id, flags) if trace_id.strip("0") and parent_id.strip("0") else None
