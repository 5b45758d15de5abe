"""Calls whose reply was lost: they may be delivered late, when all seems settled.

A proxy can hold a request and deliver it seconds after its sender gave up, or after a retry of it
was answered. So a release looks a second time before it is called ended.
"""

from __future__ import annotations

from typing import Final

from xswarm_deploy.services.clock import SYSTEM_CLOCK, Clock

LATE: Final = 15.0  # seconds in which a call that was given up may still be delivered

_last: list[float] = []


def note(clock: Clock = SYSTEM_CLOCK) -> None:
    """Note that a call was given up which may have been, or may yet be, applied."""
    _last[:] = [clock.monotonic()]


def left(since: float, clock: Clock = SYSTEM_CLOCK) -> float:
    """Return the seconds until no call that was in doubt is awaited any more; 0: none is.

    Args:
        since: only calls after this time count, by the same clock.
        clock: the time.
    """
    if not _last or _last[0] < since:
        return 0.0
    return max(0.0, LATE - (clock.monotonic() - _last[0]))


def any_since(since: float) -> bool:
    """Return whether a call was in doubt since a time."""
    return bool(_last) and _last[0] >= since
