"""The signals that end a program, and what is done at them for a while."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

Handler = Callable[[int, FrameType | None], None]
_ENDING: Final = tuple(
    each for each in signal.Signals if each.name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
)


@contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Do something else at these signals in a block."""
    before = _handle(handler)
    try:
        yield
    finally:
        for number, earlier in before:
            signal.signal(number, earlier)


def exit_at_once(code: int) -> None:
    """End with this exit code at the next signal, whatever the threads are still busy with.

    For the end of a program: all was done and said, and a signal changes nothing about it.
    """
    _handle(lambda _number, _frame: os._exit(code))


def _handle(handler: Handler) -> list[tuple[int, signal._HANDLER]]:
    """Handle these signals, but those that whoever started this process had it ignore.

    Python lets the main thread alone say what is done at a signal; another leaves it as it is.

    Returns:
        What was done at them before.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
    heeded = [number for number in _ENDING if signal.getsignal(number) != signal.SIG_IGN]
    return [(number, signal.signal(number, handler)) for number in heeded]
