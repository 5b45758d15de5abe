"""The one clock of the clients: what time it is, how long it took, and waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class Clock(NamedTuple):
    """Read the time and wait; a test gives its own.

    Args:
        now: seconds since 1970 (UTC), to compare with what services say.
        monotonic: seconds from an arbitrary start, to measure spans.
        sleep: wait so many seconds.
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


SYSTEM_CLOCK = Clock()
