"""Routes that React Router's ``app/routes.ts`` names: route, index, layout and prefix, nested.

What is put together there at run time is not found.

Source: React Router, Routing; ``@react-router/dev/routes``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_COMMENT: Final = re.compile(
    r"""(?P<text>"[^"\n]*"|'[^'\n]*'|`[^`]*`)|//[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)"""
)
_TOKEN: Final = re.compile(
    r"""\b(?P<call>route|index|layout|prefix)\s*\(|(?P<open>[(\[{])|(?P<close>[)\]}])"""
    r"""|["'`](?P<text>[^"'`\n]*)["'`]"""
)


def paths(text: str) -> Iterator[str]:
    """Yield the paths that a routes.ts names; ``:name`` varies, ``*`` is a rest.

    A route with children of its own is a path, too: it shows what it has without them. A part that
    may be missing (``:name?``) yields the path without it.

    Args:
        text: of the file.
    """
    calls: list[_Call] = []
    for token in _TOKEN.finditer(_COMMENT.sub(_kept, text)):
        if token["call"]:
            calls.append(_Call(token["call"], calls[-1].below if calls else ""))
        elif token["open"] and calls:
            calls[-1].depth += 1
        elif token["close"] and calls:
            calls[-1].depth -= 1
            if not calls[-1].depth:
                calls.pop()
        elif token["text"] is not None and calls:
            yield from calls[-1].told(token["text"])


class _Call:
    """One call that is being read: which, below which path, how many brackets are open."""

    def __init__(self, kind: str, above: str) -> None:
        self.kind, self.below, self.depth, self._told = kind, above, 1, 0

    def told(self, text: str) -> Iterator[str]:
        """Take the next plain text of its own; the first is a path, or for index a file."""
        self._told += 1
        if self._told > 1 or self.kind == "layout":
            return
        if self.kind in ("route", "prefix"):
            self.below = f"{self.below}/{text.strip('/')}".rstrip("/")
        if self.kind != "prefix":
            yield _certain(self.below)


def _certain(path: str) -> str:
    """Return a path up to its first part that may be missing."""
    parts = path.replace("*?", "*").split("/")
    end = next((n for n, part in enumerate(parts) if part.endswith("?")), None)
    return "/".join(parts[:end]) or "/"


def _kept(found: re.Match[str]) -> str:
    return found["text"] or " "
