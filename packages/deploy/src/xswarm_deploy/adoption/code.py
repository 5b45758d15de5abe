"""What a Worker's own code tells: the paths that it answers to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xswarm_deploy.adoption import tree

MOST: Final = 20  # routes that a release asks for
_FILES: Final = 400
_BYTES: Final = 200_000  # of one file; what is larger was made by a program
_SOURCES: Final = frozenset({".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".py"})
_PATH: Final = r"""["'`](?P<path>/[^"'`\s]{0,200})["'`]"""
_WRITTEN: Final = (
    re.compile(r"\.get\(\s*" + _PATH),  # Hono, itty-router, Express, FastAPI
    re.compile(r"\b(?:pathname|path)\s*={2,3}\s*" + _PATH),
    re.compile(r"\bcase\s+" + _PATH),
)
_PLAIN: Final = re.compile(r"/[\w.~/-]*+")  # no parameter, no wildcard
_CHANGING: Final = re.compile(
    r"logout|signout|sign-out|log-out|unsubscribe|delete|remove|destroy|cron|webhook|callback|confirm",
    re.IGNORECASE,
)
"""Paths that do something when they are asked for, by their names."""
_TESTS: Final = re.compile(r"(^|[/._-])(tests?|spec|__tests__|mocks?)([/._-]|$)", re.IGNORECASE)


def routes(folder: Path) -> list[str]:
    """Return the paths that code below a folder answers to by GET, as far as it says so plainly.

    Paths with parameters are left out, and those whose name says that asking changes something.

    Args:
        folder: of the Worker.
    """
    found = dict.fromkeys(path for file in _sources(folder) for path in _in(file))
    return sorted(path for path in found if path != "/" and _is_harmless(path))


def _is_harmless(path: str) -> bool:
    return _PLAIN.fullmatch(path) is not None and not _CHANGING.search(path)


def _sources(folder: Path) -> Iterator[Path]:
    named = (file for file in tree.files(folder) if file.suffix in _SOURCES)
    own = (file for file in named if not _TESTS.search(file.relative_to(folder).as_posix()))
    for count, file in enumerate(own):
        if count == _FILES:
            return
        if file.stat().st_size <= _BYTES:
            yield file


def _in(file: Path) -> Iterator[str]:
    text = file.read_text(encoding="utf-8", errors="replace")
    for pattern in _WRITTEN:
        yield from (found["path"] for found in pattern.finditer(text))
