"""What a person gave to a flag: nothing at all, or a number that is of no use.

An empty value is most often a shell's variable that is not set. Taken for a flag that was not
given, it would widen what is done: ``backup.restore FILE --table ""`` would replace the whole
database, ``rollback --env ""`` act on another environment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext

from xswarm_deploy.errors import Refused, typed_program

_MAY_BE_EMPTY: Final = frozenset({"message", "wait", "junit", "report"})
"""Flags that widen nothing where they are empty; all of ``init``, which asks, may be."""
_FROM_ONE: Final = frozenset({"steps", "last", "limit", "lines", "times", "interval"})
_MOST: Final[Mapping[str, int]] = MappingProxyType(
    {"port": 65535, "percent": 100, "interval": 86400}
)


def require_useful(tasks: Iterable[object]) -> None:
    """Refuse a flag that was given the empty text, or a number that nothing can be done with.

    Args:
        tasks: as they were parsed; those that a program names have no flags.

    Raises:
        Refused: with the flag, and its task.
    """
    for task in tasks:
        if isinstance(task, ParserContext):
            for argument in task.args.values():
                _require(argument, str(task.name))


def _require(argument: Argument, task: str) -> None:
    value, name = argument.value, argument.names[0]
    flag = f"{'' if argument.positional else '--'}{name} of {task}"
    if argument.raw_value == "" and task != "init" and name not in _MAY_BE_EMPTY:
        raise Refused(
            f"{flag} is empty",
            "an empty value says nothing, and is no flag that was left out",
            f"give it one (is a variable of the shell not set?): {typed_program()} --help {task}",
        )
    if argument.kind not in (int, float) or argument.raw_value is None:
        return
    least, most = int(name in _FROM_ONE), _MOST.get(name)
    if not math.isfinite(value) or value < least or (most is not None and value > most):
        to = f" to {most}" if most is not None else ""
        raise Refused(f"{flag} is {value:g}", f"it may be {least}{to or ' or more'}")
