"""How often one caller may ask, counted in this isolate.

A Worker runs in many isolates, each with its own memory, and Cloudflare may end any of them
at any time. So these counts are a floor, not a total: a caller spread over n isolates may get
n times the limit. They cost nothing and stop a loop; a limit that holds exactly for all
isolates belongs before the Worker, in a rate limiting rule of the zone.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from boss.problem import Problem

MINUTE, HOUR = 60, 3600
_LARGEST = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands: its limit, what is left, and seconds until more is."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that tell the caller."""
        return (
            ("ratelimit-limit", str(self.limit)),
            ("ratelimit-remaining", str(self.remaining)),
            ("ratelimit-reset", str(self.reset)),
        )


class Limits:
    """Count each caller's requests in the present minute and hour.

    Memory is bounded: beyond ten thousand callers the one seen longest ago is forgotten.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, int], tuple[int, int]] = OrderedDict()

    def count(self, caller: str, per_minute: int, per_hour: int, now: float) -> Standing:
        """Count one request.

        Args:
            caller: whose it is.
            per_minute: requests allowed in a minute.
            per_hour: requests allowed in an hour.
            now: seconds since 1970.

        Returns:
            the standing under the limit that is nearest to its end.

        Raises:
            Problem: a limit is used up (429); it says when to come again.
        """
        minute = self._standing(caller, MINUTE, per_minute, now)
        hour = self._standing(caller, HOUR, per_hour, now)
        self._forget()
        for standing in (minute, hour):
            if standing.remaining < 0:
                raise _too_many(standing)
        return min(minute, hour, key=lambda standing: standing.remaining)

    def _standing(self, caller: str, window: int, limit: int, now: float) -> Standing:
        key, period = (caller, window), int(now // window)
        known_period, used = self._counts.pop(key, (period, 0))
        used = used + 1 if known_period == period else 1
        self._counts[key] = (period, used)
        return Standing(limit, limit - used, window - int(now % window))

    def _forget(self) -> None:
        while len(self._counts) > 2 * _LARGEST:
            self._counts.popitem(last=False)


def _too_many(standing: Standing) -> Problem:
    told = dict(Standing(standing.limit, 0, standing.reset).headers())
    message = f"Too many requests; come again in {standing.reset} seconds."
    headers = {**told, "retry-after": str(standing.reset)}
    return Problem(429, "rate_limited", message, headers=headers)
