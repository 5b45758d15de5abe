"""Signals during a release: SIGTERM ends it as Ctrl-C does, and its undoing is not interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from xswarm_deploy.console import Console
from xswarm_deploy.release import outage


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM end a release as Ctrl-C does: undone, not left half made."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def unstoppable(console: Console) -> Iterator[None]:
    """Undo to the end, whatever key is pressed meanwhile."""

    def wait(_number: int, _frame: FrameType | None) -> None:
        if not outage.give_up():
            console.warn("undoing; please wait")

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, wait) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
