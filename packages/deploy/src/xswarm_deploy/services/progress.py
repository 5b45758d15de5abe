"""How far a long call got: told to whoever asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from xswarm_deploy.transport import Sent

Progress = Callable[[int, int], None]
"""Called with how many are done, of how many."""


def silent(_done: int, _total: int) -> None:
    """Report to nobody."""


def upload(size: int, progress: Progress) -> Sent:
    """Return what a call tells of the bytes it has sent, headers included.

    Args:
        size: of the body, in bytes.
        progress: told bytes of the body.
    """
    return lambda sent: progress(min(sent, size), size)


class Uploads:
    """Add up several uploads that go on at once, and measure how fast they are together.

    Args:
        total: bytes in all.
        progress: told bytes done, of the total.
        done: bytes that need not be sent.
        monotonic: seconds, to measure spans.
    """

    def __init__(
        self,
        total: int,
        progress: Progress,
        done: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._progress, self._done = total, progress, done
        self._monotonic = monotonic
        self._began: float | None = None
        self._counted = 0
        self._counting = threading.Lock()

    def part(self, size: int, body: int) -> Sent:
        """Return what one call tells of the bytes it has sent; less than before: once more.

        Args:
            size: bytes of the files in it.
            body: bytes of its body, which is longer than they are.
        """
        before = 0

        def sent(count: int) -> None:
            nonlocal before
            now = size * min(count, body) // max(body, 1)
            with self._counting:
                self._began = self._began or self._monotonic()
                self._counted += max(0, now - before)
                self._done += now - before
                before = now
                self._progress(self._done, self._total)

        return sent

    @property
    def rate(self) -> float:
        """Return the bytes a second that left so far; 0: not known yet."""
        seconds = self._monotonic() - self._began if self._began else 0.0
        return self._counted / seconds if seconds > 0 else 0.0
