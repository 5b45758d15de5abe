"""Send one request to a receiver, and say what became of it."""

from __future__ import annotations

import asyncio

from xswarm_monitoring.http_request import Outgoing, Response, Send

PATIENCE = 10.0
"""Seconds that a receiver may take."""

_BUSY = frozenset((408, 429, 500, 502, 503, 504))


class Refused(Exception):
    """A receiver did not take what was sent.

    Args:
        status: its HTTP status; 0: there was no answer.
        why: what is known of it; no secret.
        after: seconds to wait, where it says so.
    """

    def __init__(self, status: int, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.status, self.why, self.after = status, why, after

    @property
    def passes(self) -> bool:
        """Return whether the same may be taken later."""
        return self.status == 0 or self.status in _BUSY


async def ask(send: Send, request: Outgoing) -> Response:
    """Send one request.

    Raises:
        Refused: there was no answer in time, or a bad one.
    """
    try:
        answer = await asyncio.wait_for(send(request), PATIENCE)
    except TimeoutError:
        raise Refused(0, f"no answer in {PATIENCE:g} s") from None
    except Exception as error:  # its words may quote the address
        raise Refused(0, f"no answer: {type(error).__name__}") from None
    if not 200 <= answer.status < 300:
        raise Refused(answer.status, _told(answer.status), _after(answer))
    return answer


def _told(status: int) -> str:
    known = {401: ", the key is refused", 403: ", the key may not do this", 404: ", no such page"}
    return f"HTTP {status}{known.get(status, '')}"


def _after(answer: Response) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0.0
