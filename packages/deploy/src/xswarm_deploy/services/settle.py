"""What to do when a reply was lost: look, and only then do it again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, TypeVar

from xswarm_deploy.services.clock import Clock
from xswarm_deploy.services.errors import ServiceError

PROPAGATION: Final = 15.0  # seconds in which everybody knows what was made; none promises any
_PAUSE: Final = 0.25
Made = TypeVar("Made")


def settled(make: Callable[[], Made], look: Callable[[], Made | None]) -> Made:
    """Make one thing, once, although the reply may get lost.

    Args:
        make: the call; an error that is not in doubt goes through.
        look: finds what a lost call has made; None: nothing.
    """
    try:
        return make()
    except ServiceError as error:
        if not error.in_doubt:
            raise
    found = look()
    return make() if found is None else found


def once_there(call: Callable[[], Made], codes: Collection[str], clock: Clock) -> Made:
    """Call, and again while the service does not know yet what it has just made.

    Source: workers-sdk, issue 3347: 10007 of a Worker right after its upload.

    Args:
        call: repeats well.
        codes: by which the service says that the thing is not there.
        clock: to wait by.
    """
    ends = clock.monotonic() + PROPAGATION
    while True:
        try:
            return call()
        except ServiceError as error:
            known = error.status != 404 or not set(codes) & set(error.codes)
            if known or clock.monotonic() >= ends:
                raise
        clock.sleep(_PAUSE)


def unless_missing(call: Callable[[], Made], codes: Collection[str]) -> Made | None:
    """Call; return None where the service says, by its own code, that the thing is not there.

    A bare 404 goes through as an error: a proxy or a wrong address says that too.
    """
    try:
        return call()
    except ServiceError as error:
        if error.status in (400, 404) and set(codes) & set(error.codes):
            return None
        raise
