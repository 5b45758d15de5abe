"""Signals during a release: they end it as Ctrl-C does, and its undoing is not interrupted.

SIGHUP, which says that the terminal has gone, is one of them; under nohup it is ignored already.
Windows has SIGBREAK (Ctrl-Break) instead.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from xswarm_deploy.console import Console
from xswarm_deploy.release import outage

Handler = Callable[[int, FrameType | None], None]
_ENDING: Final = tuple(
    each for each in signal.Signals if each.name in ("SIGTERM", "SIGHUP", "SIGBREAK")
)


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM and the like end a release as Ctrl-C does: undone, not left half made."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(_ENDING, stop):
        yield


@contextmanager
def unstoppable(console: Console) -> Iterator[None]:
    """Undo to the end, whatever key is pressed meanwhile."""

    def wait(_number: int, _frame: FrameType | None) -> None:
        if not outage.give_up():
            console.warn("undoing; please wait")

    with _handled((signal.SIGINT, *_ENDING), wait):
        yield


@contextmanager
def _handled(numbers: Iterable[int], handler: Handler) -> Iterator[None]:
    """Handle signals, but those that whoever started this process had it ignore.

    Python lets the main thread alone say what is done at a signal; another leaves it as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = [(number, signal.signal(number, handler)) for number in heeded]
    try:
        yield
    finally:
        for number, earlier in before:
            signal.signal(number, earlier)
