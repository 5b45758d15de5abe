"""Keys as they come in requests, compared without telling by time."""

from __future__ import annotations

import hmac
from typing import Final

_SHOWN: Final = 4  # characters at each end


def same(given: str, wanted: str) -> bool:
    """Return whether two keys are the same."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def masked(key: str) -> str:
    """Return a key as services quote it in their errors: its ends only."""
    if len(key) <= 2 * _SHOWN:
        return "*" * len(key)
    return f"{key[:_SHOWN]}{'*' * (len(key) - 2 * _SHOWN)}{key[-_SHOWN:]}"
