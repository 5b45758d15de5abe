"""The fence: a release changes something only while the lock is its own.

A deployer can be stopped at any moment, a laptop that sleeps or a process that is swapped out, and
wake when its lease has run out and another one deploys. So the lease is looked at right before
each piece of a request that changes something leaves, and inside each transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from xswarm_deploy.errors import DeployError


class Fence(Protocol):
    """What knows whether the lock is still held, and how the database asks the same."""

    @property
    def place(self) -> str:
        """The URL of the database that the lock is in."""
        ...

    @property
    def condition(self) -> tuple[str, tuple[str | int, ...]]:
        """A statement, and its parameters, that breaks a constraint unless the lock is held."""
        ...

    def require_held(self) -> None:
        """Raise where the lock is another's, or where nothing proves that it is not."""
        ...

    def require_own(self) -> None:
        """Raise where the lock is another's; what is intended need not be durable."""
        ...

    def lost(self) -> DeployError:
        """Return the error of a lock that was lost."""
        ...


_current: list[Fence | None] = []


@contextmanager
def fenced(by: Fence) -> Iterator[None]:
    """Let nothing of this process, in any thread, change anything once the lock is lost."""
    _current.append(by)
    try:
        yield
    finally:
        _current.remove(by)


@contextmanager
def lifted() -> Iterator[None]:
    """Let through what who lost the lock still says of it, such as an event of the audit trail."""
    _current.append(None)
    try:
        yield
    finally:
        _current.pop()


def current() -> Fence | None:
    """Return the fence of the release under way in this process; None: there is none."""
    return _current[-1] if _current else None


def require_held() -> None:
    """Raise where a release is under way whose lock is lost."""
    by = current()
    if by is not None:
        by.require_held()


def require_own() -> None:
    """Raise where a release is under way whose lock is lost; for what stays on this machine.

    Its intent is in the journal here, which is all that whoever settles it needs.
    """
    by = current()
    if by is not None:
        by.require_own()
