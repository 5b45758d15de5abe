"""Wait for a release that is under way to end, in place of ending at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, TypeVar

from xswarm_deploy.console import Console
from xswarm_deploy.errors import Locked

_PAUSE: Final = 2.0  # seconds between two tries
_TOLD: Final = 60.0  # seconds between two lines about it
T = TypeVar("T")


@contextmanager
def waited_for(
    seconds: float,
    begin: Callable[[], AbstractContextManager[T]],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[T]:
    """Begin something, as soon as nobody else holds the lock.

    Args:
        seconds: the longest wait; 0: none.
        begin: makes the block that takes the lock as it begins.
        clock: seconds that only grow.
        sleep: waits.

    Raises:
        Locked: somebody still held it at the end of the wait; nothing was changed.
    """
    until, told = clock() + seconds, -_TOLD
    while True:
        block = begin()
        try:
            entered = block.__enter__()
        except Locked as locked:
            if clock() >= until:
                raise
            if clock() - told >= _TOLD:
                told = clock()
                Console().line(f"· waiting, {until - told:.0f} s at the most: {locked.why}", "dim")
            sleep(_PAUSE)
            continue
        break
    with _entered(block, entered) as value:
        yield value


@contextmanager
def _entered(block: AbstractContextManager[T], value: T) -> Iterator[T]:
    """Go on with a block that was entered already, and leave it as ``with`` would."""
    try:
        yield value
    except BaseException as error:
        if not block.__exit__(type(error), error, error.__traceback__):
            raise
    else:
        block.__exit__(None, None, None)
