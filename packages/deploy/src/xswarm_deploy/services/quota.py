"""How many calls a service still takes, as the headers of its answers say.

Source: ``RateLimit`` and ``RateLimit-Policy`` of the IETF's draft on rate limit headers, as
Cloudflare's API sends them: ``"default";r=50;t=30`` (calls remaining, seconds until the window
resets) and ``"default";q=1200;w=300`` (calls in a window, its seconds).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_ITEM: Final = re.compile(r'"([^"]{0,100})"((?:\s*;\s*[a-z]{1,20}=\d{1,12})+)')
_PARAMETER: Final = re.compile(r"([a-z]{1,20})=(\d{1,12})")
_RESERVED: Final = 20  # calls kept for undoing; of small quotas less
_RESERVED_SHARE: Final = 0.05


class Quota(NamedTuple):
    """What is left of a quota.

    Args:
        remaining: calls.
        seconds: until the window resets.
        calls: of a whole window; 0: not said.
    """

    remaining: int
    seconds: float
    calls: int = 0

    @property
    def reserve(self) -> int:
        """Return how many calls are worth keeping for undoing."""
        return min(_RESERVED, int(self.calls * _RESERVED_SHARE))


def read(headers: Mapping[str, str]) -> Quota | None:
    """Return the tightest quota that an answer's headers name; None where they name none."""
    whole = {name: int(said.get("q", 0)) for name, said in _items(headers, "Ratelimit-Policy")}
    found = [
        Quota(int(said["r"]), float(said["t"]), whole.get(name, 0))
        for name, said in _items(headers, "Ratelimit")
        if "r" in said and "t" in said
    ]
    return min(found, default=None)


def _items(headers: Mapping[str, str], header: str) -> list[tuple[str, dict[str, str]]]:
    listed = _ITEM.findall(headers.get(header, "")[:1000])
    return [(name, dict(_PARAMETER.findall(parameters))) for name, parameters in listed]
