"""The two clocks that everything here reads, injected so that tests can turn them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Read the time of day and measure durations.

    In a deployed Worker both stand still between two inputs or outputs; a request
    that does neither is measured as 0 s, which every sketch counts exactly.

    Args:
        wall: seconds since 1970.
        timer: seconds since some moment, never going back.
    """

    wall: Callable[[], float] = time.time
    timer: Callable[[], float] = time.perf_counter


def iso(seconds: float) -> str:
    """Return a moment as RFC 3339 text in UTC with milliseconds.

    Args:
        seconds: seconds since 1970.
    """
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{thousandths:03d}Z"
