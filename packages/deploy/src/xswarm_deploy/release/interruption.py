"""Signals during a release: they end it as Ctrl-C does, and its undoing is not interrupted.

SIGHUP, which says that the terminal has gone, is one of them; under nohup it is ignored already.
Windows has SIGBREAK (Ctrl-Break) instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from xswarm_deploy.console import Console
from xswarm_deploy.release import outage
from xswarm_deploy.signals import handled


@contextmanager
def stoppable() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and the like end what is under way: undone, not left half made.

    They do so once: who presses Ctrl-C twice means what who presses it once does, and a second
    KeyboardInterrupt would stop the undoing that the first one is about to begin.
    """
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            _say_that_it_was_heard()
            return
        stopping = True
        raise KeyboardInterrupt

    with handled(stop):
        yield


@contextmanager
def unstoppable(console: Console) -> Iterator[None]:
    """Undo to the end, whatever key is pressed meanwhile."""

    def wait(_number: int, _frame: FrameType | None) -> None:
        if not outage.give_up():
            with suppress(RuntimeError):  # the signal came while this stream was being written
                console.warn("undoing; please wait")

    with handled(wait):
        yield


@contextmanager
def hurried(console: Console) -> Iterator[None]:
    """Let a signal leave out the rest of a block that follows a release's success."""
    try:
        with stoppable():
            yield
    except KeyboardInterrupt:
        console.warn("interrupted after the release had succeeded: it is live, and stays so")


def _say_that_it_was_heard() -> None:
    with suppress(OSError, RuntimeError):  # no terminal; or it is being written at this moment
        sys.stderr.write("⚠ stopping: what is under way comes to its end first; please wait\n")
