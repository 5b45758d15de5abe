"""Give each request one identity that follows it: X-Request-ID and W3C traceparent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from random import getrandbits
from typing import NamedTuple

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_VERSION_0 = b"00"


class Correlation(NamedTuple):
    """Name the request being served; a tuple, since one is made for every request.

    Args:
        request_id: what came in ``X-Request-ID``; else the trace's id.
        trace_id: 32 hexadecimal digits; the caller's, where it sent a valid traceparent.
        parent_id: the caller's span, 16 hexadecimal digits; empty where it sent none.
        flags: the caller's trace flags, two hexadecimal digits.
    """

    request_id: str
    trace_id: str
    parent_id: str = ""
    flags: str = "00"

    def headers(self) -> dict[str, str]:
        """Give the headers for a request made on behalf of this one, with a span of its own."""
        span = f"{getrandbits(64) or 1:016x}"
        return {
            "X-Request-ID": self.request_id,
            "traceparent": f"00-{self.trace_id}-{span}-{self.flags}",
        }


_current: ContextVar[Correlation | None] = ContextVar("correlation", default=None)

set_current = _current.set
"""Make a correlation the one of the running task; gives a token for ``reset_current``."""
reset_current = _current.reset


def current() -> Correlation | None:
    """Give the correlation of the request being served; None outside of one."""
    return _current.get()


def correlate(headers: Iterable[tuple[bytes, bytes]]) -> Correlation:
    """Read a request's correlation from its ASGI headers, or make a new one.

    An ``X-Request-ID`` that is too long or has other than plain characters is not
    believed, since it stands in logs and in the answer.
    """
    request_id = traceparent = None
    for name, value in headers:
        if name == b"x-request-id":
            request_id = value
        elif name == b"traceparent":
            traceparent = value
    trace_id, parent_id, flags = _trace(traceparent) if traceparent else _new_trace()
    if request_id is not None and _REQUEST_ID.fullmatch(request_id):
        return Correlation(request_id.decode("ascii"), trace_id, parent_id, flags)
    return Correlation(trace_id, trace_id, parent_id, flags)


def _new_trace() -> tuple[str, str, str]:
    # The ids are no secrets, so the quick generator does.
    return f"{getrandbits(128) or 1:032x}", "", "00"


def _trace(traceparent: bytes) -> tuple[str, str, str]:
    """Read a traceparent as the W3C's Trace Context, section 3.2, says; else begin anew."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if not found or (found[1] == _VERSION_0 and found[5]):
        return _new_trace()
    trace_id, parent_id, flags = found[2].decode(), found[3].decode(), found[4].decode()
    if not trace_id.strip("0") or not parent_id.strip("0"):
        return _new_trace()
    return trace_id, parent_id, flags
