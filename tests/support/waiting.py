"""Wait for what another thread does."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(holds: Callable[[], bool]) -> None:
    """Return once something holds, within a minute."""
    limit = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < limit, "it did not come to pass"
        time.sleep(0.01)
