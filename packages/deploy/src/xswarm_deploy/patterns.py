"""Regular expressions that are compiled when they are first used.

Compiling those of all that a command imports takes a sixth of a rollback's CPU time, and most of
them are for cases that do not occur in it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_OWN: Final = {"xswarm_deploy", "xswarm_monitoring"}
_THEIRS: Final = {"yaml", "requests", "urllib3", "http", "html", "_markupbase", "email"} | _OWN
"""Packages that only call the methods of their patterns, as :class:`_Later` answers them."""
_compile: Final[Callable[..., Any]] = re.compile


@contextmanager
def later() -> Iterator[None]:
    """Let those packages compile their patterns at first use, while the block runs.

    Whatever else runs or is imported meanwhile meets nothing of it.
    """
    before = re.compile
    re.compile = _put_off  # type: ignore[assignment]
    try:
        yield
    finally:
        re.compile = before


def _put_off(text: Any, flags: Any = 0) -> Any:
    """Stand in for ``re.compile``."""
    asking = str(sys._getframe(1).f_globals.get("__name__"))
    return _Later(text, flags) if asking.partition(".")[0] in _THEIRS else _compile(text, flags)


class _Later:
    """Stand in for a pattern until one of its attributes is asked for.

    Args:
        text: what ``re.compile`` was given; a text that is none is told of at first use.
        flags: its second argument.
    """

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._given = (text, flags)

    def __getattr__(self, name: str) -> Any:
        value = getattr(_compile(*self._given), name)  # re keeps what it compiled
        setattr(self, name, value)
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return _compile, self._given
