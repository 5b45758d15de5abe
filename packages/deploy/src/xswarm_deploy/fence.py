"""The fence: a release changes something only while the lock is its own.

A deployer can be stopped at any moment, a laptop that sleeps or a process that is swapped out, and
wake when its lease has run out and another one deploys. So the lease is looked at right before
each piece of a request that changes something leaves, and inside each transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class _Entry:
    """A fence in its turn, or None for none; found again by its identity.

    Threads come and go in any order: the last entry need not be that of who leaves.
    """

    by: Fence | None


_current: list[_Entry] = []


@contextmanager
def fenced(by: Fence) -> Iterator[None]:
    """Let nothing of this process, in any thread, change anything once the lock is lost."""
    with _entered(_Entry(by)):
        yield


@contextmanager
def lifted() -> Iterator[None]:
    """Let through what who lost the lock still says of it, such as an event of the audit trail."""
    with _entered(_Entry(None)):
        yield


@contextmanager
def _entered(entry: _Entry) -> Iterator[None]:
    _current.append(entry)
    try:
        yield
    finally:
        _current.remove(entry)


def current() -> Fence | None:
    """Return the fence of the release under way in this process; None: there is none."""
    return _current[-1].by if _current else None


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
