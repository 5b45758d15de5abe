"""Calls whose reply was lost: they may be delivered late, when all seems settled.

A proxy can hold a request and deliver it seconds after its sender gave up, or after a retry of it
was answered. So a release looks a second time before it is called ended.
"""

from __future__ import annotations

from typing import Final

from xswarm_deploy.services.clock import SYSTEM_CLOCK, Clock

LATE: Final = 15.0  # seconds in which a call that was given up may still be delivered

_last: list[float] = []


def forget() -> None:
    """Forget the calls so far, as a process does that begins."""
    _last.clear()


def note(clock: Clock = SYSTEM_CLOCK) -> None:
    """Note that a call was given up which may have been, or may yet be, applied."""
    _last[:] = [clock.monotonic()]


def left(since: float, clock: Clock = SYSTEM_CLOCK) -> float:
    """Return the seconds until no call that was in doubt is awaited any more; 0: none is.

    Args:
        since: only calls after this time count, by the same clock.
        clock: the time.
    """
    if not any_since(since):
        return 0.0
    passed = clock.monotonic() - _last[0]
    return LATE - passed if 0 <= passed < LATE else 0.0


def any_since(since: float) -> bool:
    """Return whether a call was in doubt since a time."""
    return bool(_last) and _last[0] >= since
