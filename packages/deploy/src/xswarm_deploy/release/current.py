"""The release under way in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xswarm_deploy.release.release import Release

_current: ContextVar[Release | None] = ContextVar("release", default=None)


def current() -> Release | None:
    """Return the release under way in this process, or None."""
    return _current.get()


@contextmanager
def under_way(release: Release) -> Iterator[None]:
    """Let a release be the one under way, for as long as the block lasts."""
    token = _current.set(release)
    try:
        yield
    finally:
        _current.reset(token)
