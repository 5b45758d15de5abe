"""How many requests SendGrid takes at an endpoint, and what its answers say is left.

Source: SendGrid, "Rate limits"; 600 a minute is what endpoints answer with. Sending mail has none.
"""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

REQUESTS: Final = 600
WINDOW: Final = 60.0  # seconds


@dataclass
class Allowance:
    """Count the requests of a minute, by endpoint.

    Args:
        requests: how many are taken; 0: as many as one likes.
        clock: returns seconds since 1970.
    """

    requests: int = REQUESTS
    clock: Callable[[], float] = time.time
    _made: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _ends: float = 0.0

    def take(self, endpoint: str) -> tuple[bool, dict[str, str]]:
        """Count a request; return whether it is taken, and the headers of its answer."""
        now = self.clock()
        if now >= self._ends:
            self._made.clear()
            self._ends = now + WINDOW
        self._made[endpoint] += 1
        left = self.requests - self._made[endpoint] if self.requests else REQUESTS
        return left >= 0, {
            "X-RateLimit-Limit": str(REQUESTS),
            "X-RateLimit-Remaining": str(max(0, left)),
            "X-RateLimit-Reset": str(math.ceil(self._ends)),
        }


def from_environment() -> Allowance:
    """Return the service's allowance; ``XSWARM_TWIN_CALLS=0`` lifts it, as it does Cloudflare's."""
    return Allowance(0 if os.environ.get("XSWARM_TWIN_CALLS") == "0" else REQUESTS)
