"""How far a long call got: told to whoever asked."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how many are done, of how many."""


def silent(_done: int, _total: int) -> None:
    """Report to nobody."""
