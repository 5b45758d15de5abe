"""Begin something in the background, and ask for its result later."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def started(act: Callable[[], T], name: str = "begun") -> Future[T]:
    """Begin something in a thread of its own, with the context of this one.

    Args:
        act: what is done; its error is raised where the result is asked for.
        name: of the thread.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        return pool.submit(copy_context().run, act)
    finally:
        pool.shutdown(wait=False)
