"""What is read before it is asked for, since it surely will be; it counts for moments, and once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Generic, NamedTuple, TypeVar

from xswarm_deploy.background import started
from xswarm_deploy.services.errors import ServiceError

T = TypeVar("T")
FRESH: Final = 3.0  # seconds for which what was read is what is there now


class _Begun(NamedTuple, Generic[T]):
    """A reading, and when it was begun, on the monotonic clock."""

    found: Future[T]
    at: float


class ReadAhead(Generic[T]):
    """One thing that is read ahead."""

    def __init__(self) -> None:
        self._begun: _Begun[T] | None = None

    def begin(self, read: Callable[[], T]) -> None:
        """Begin to read it."""
        self._begun = _Begun(started(read, "look"), time.monotonic())

    def forget(self) -> None:
        """Let what was read not count: it is about to be changed."""
        self._begun = None

    def taken(self, read: Callable[[], T]) -> T:
        """Return, once, what was read within seconds; else, and where that failed, read it now."""
        begun, self._begun = self._begun, None
        if begun is None or time.monotonic() - begun.at > FRESH:
            return read()
        try:
            return begun.found.result()
        except ServiceError:
            return read()
