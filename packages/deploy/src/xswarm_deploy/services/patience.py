"""How long calls wait for a service that limits their rate, and who is told meanwhile.

Whoever only looks gets the refusal at once. A release waits: Cloudflare blocks every call of a
user for five minutes once there were too many, and half a release is worth less than a late one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from xswarm_deploy.frozen import frozen
from xswarm_deploy.services.clock import Clock

LONGEST_WAIT: Final = 20.0  # seconds; outside of a release who asks for more gets an error
RELEASE_SECONDS: Final = 330.0  # a block of five minutes, and what a clock may be off
UNDO_SECONDS: Final = 600.0
_STEP: Final = 1.0  # seconds between two words about a wait

Told = Callable[[str, float], None]
"""Called with what is waited for and the seconds left, about once a second."""


@frozen
class Patience:
    """How long a call may be put off by limits of the rate.

    Args:
        seconds: in all, for one call.
        told: called while it waits.
        reserve: whether the last calls of a quota are kept, for undoing.
    """

    seconds: float
    told: Told
    reserve: bool = True


_current: list[Patience] = []


def current() -> Patience | None:
    """Return the patience of the release under way in this process; None: there is none."""
    return _current[-1] if _current else None


@contextmanager
def patient(patience: Patience) -> Iterator[None]:
    """Let every call of this process, in any thread, be as patient as this."""
    _current.append(patience)
    try:
        yield
    finally:
        _current.remove(patience)


def wait(what: str, seconds: float, clock: Clock, told: Told) -> None:
    """Wait, and tell about it.

    Args:
        what: what is waited for.
        seconds: how long.
        clock: time and sleep.
        told: called about once a second.
    """
    until = clock.monotonic() + seconds
    while (left := until - clock.monotonic()) > 0:
        told(what, left)
        clock.sleep(min(_STEP, left))
