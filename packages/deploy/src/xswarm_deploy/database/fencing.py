"""Transactions of a release: the first statement of each proves that it still holds the lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from xswarm_deploy import fence
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.database.rows import Result, Statement

_HELD: Final = "_release_lock.owner"
"""Whose NOT NULL the condition breaks, as SQLite says it."""


def run(
    url: str, statements: Sequence[Statement], act: Callable[[Sequence[Statement]], list[Result]]
) -> list[Result]:
    """Run a transaction behind the fence, where the lock of a release is in this database.

    Args:
        url: the database's.
        statements: of the transaction.
        act: runs them all, or none.

    Raises:
        Locked: the lock is lost; nothing was changed.
        DatabaseError: as from ``act``, with the place among ``statements``.
    """
    by = _fence(url)
    if by is None:
        return act(statements)
    by.require_held()
    with _told(by):
        return act([Statement(*by.condition), *statements])[1:]


@contextmanager
def before(url: str, statements: Iterable[str]) -> Iterator[Iterable[str]]:
    """Yield statements without parameters, behind the fence where there is one."""
    by = _fence(url)
    if by is None:
        yield statements
        return
    by.require_held()
    with _told(by):
        yield _together(_literal(*by.condition), statements)


def _fence(url: str) -> fence.Fence | None:
    by = fence.current()
    return by if by is not None and by.place == url else None


def _together(first: str, statements: Iterable[str]) -> Iterator[str]:
    yield first
    yield from statements


def _literal(sql: str, parameters: Sequence[str | int]) -> str:
    """Return a statement with its parameters in it: a random number in hexadecimal, and one."""
    for value in parameters:
        sql = sql.replace("?", f"'{value}'" if isinstance(value, str) else str(value), 1)
    return sql


@contextmanager
def _told(by: fence.Fence) -> Iterator[None]:
    """Report a lock that is lost; other errors keep the place that they had without this."""
    try:
        yield
    except DatabaseError as error:
        if error.kind == "constraint" and _HELD in error.why:
            raise by.lost() from None
        if error.statement:
            error.statement -= 1
        raise
