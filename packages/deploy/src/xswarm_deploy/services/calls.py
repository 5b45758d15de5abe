"""How many calls went to which service, in this process."""

from __future__ import annotations

import threading
from collections import Counter

_made: Counter[str] = Counter()
_counting = threading.Lock()


def count(service: str) -> None:
    """Count one call, or one more try of a call, to a service."""
    with _counting:
        _made[service] += 1


def made() -> Counter[str]:
    """Return how many calls were made so far, by service; a copy, to subtract from a later one."""
    with _counting:
        return Counter(_made)
