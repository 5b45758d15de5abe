"""Lines of ``NAME=value``, read strictly: nothing is replaced, and a bad line is an error."""

from __future__ import annotations

import io

from xswarm_deploy import imports
from xswarm_deploy.errors import Refused


def parsed(text: str, name: str) -> dict[str, str]:
    """Return name → value.

    Args:
        text: what the file holds.
        name: the file's, for the message.

    Raises:
        Refused: a line cannot be read; its number is named.
    """
    bindings = list(imports.alone("dotenv.parser").parse_stream(io.StringIO(text)))
    bad = [binding.original.line for binding in bindings if binding.error]
    if bad:
        raise Refused(
            f"{name} has a line that cannot be read",
            f"line {bad[0]}",
            "write NAME=value, with quotes around what has spaces",
        )
    return {str(binding.key): binding.value or "" for binding in bindings if binding.key}


def twice(text: str) -> dict[str, tuple[int, int]]:
    """Return the names that have two different values, each with the lines of the last two.

    Args:
        text: what the file holds.
    """
    seen: dict[str, tuple[str, int]] = {}
    found: dict[str, tuple[int, int]] = {}
    for binding in imports.alone("dotenv.parser").parse_stream(io.StringIO(text)):
        if binding.key is None:
            continue
        name, value = str(binding.key), binding.value or ""
        text_before = binding.original.string.partition(name)[0]
        line = binding.original.line + text_before.count("\n")
        before = seen.get(name)
        if before and before[0] != value:
            found[name] = (before[1], line)
        seen[name] = (value, line)
    return found
