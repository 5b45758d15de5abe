"""How many calls the API takes of an account, and what its answers say is left.

Cloudflare's API takes 1,200 calls in five minutes; who makes more is refused for the next five.
Source: Cloudflare, "Rate limits". ``XSWARM_TWIN_CALLS`` is another number; 0: as many as one likes.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from xswarm_twin.cloudflare import refusals

VARIABLE: Final = "XSWARM_TWIN_CALLS"
CALLS: Final = 1200
WINDOW: Final = 300.0
"""Seconds in which so many calls are taken, and for which none is after too many."""


@dataclass
class Quota:
    """Count the calls of a window.

    Args:
        calls: how many a window has; 0: without an end.
        clock: returns seconds.
    """

    calls: int = CALLS
    clock: Callable[[], float] = time.monotonic
    _made: int = 0
    _ends: float = 0.0
    _blocked: bool = False

    @property
    def left(self) -> int:
        """Return how many calls the window has left."""
        if not self.calls:
            return CALLS
        if self.clock() >= self._ends:
            return self.calls
        return 0 if self._blocked else max(0, self.calls - self._made)

    @property
    def reset(self) -> int:
        """Return the seconds until the next window, rounded up."""
        return math.ceil(max(0.0, self._ends - self.clock())) or round(WINDOW)

    def require(self) -> None:
        """Count a call; raises Refusal, 429, when there were too many."""
        now = self.clock()
        if now >= self._ends:
            self._made, self._ends, self._blocked = 0, now + WINDOW, False
        self._made += 1
        if self.calls and self._made > self.calls and not self._blocked:
            self._blocked, self._ends = True, now + WINDOW
        if self._blocked:
            raise refusals.rate_limited(self._ends - now)


QUOTA: web.AppKey[Quota] = web.AppKey("quota", Quota)


def from_environment() -> Quota:
    """Return the quota that the environment asks for, or Cloudflare's."""
    given = os.environ.get(VARIABLE, "")
    return Quota(int(given) if given.isdecimal() else CALLS)


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take a call, or refuse it with all others for a while."""
    if not request.path.startswith("/__sandbox/"):
        request.app[QUOTA].require()
    return await handler(request)


async def tell(request: web.Request, response: web.StreamResponse) -> None:
    """Write into an answer's headers what is left."""
    quota = request.app[QUOTA]
    response.headers.setdefault("Ratelimit", f'"default";r={quota.left};t={quota.reset}')
    response.headers.setdefault("Ratelimit-Policy", refusals.POLICY)
