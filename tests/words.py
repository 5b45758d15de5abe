"""The commands that README and docs name, so that tests can hold them to it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
_INLINE = re.compile(r"`\./inv ([^`]+)`")
_LINE = re.compile(r"^\s*\./inv ([^\n#]+)", re.MULTILINE)
_SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INSTALLED = re.compile(r"^xswarm ([^\n#]+)", re.MULTILINE)
A_VERSION, A_RELEASE = "1a2b3c4d", "20260101-000000-000-abcd"
_PLACES = {
    "VERSION": A_VERSION,
    "RELEASE": A_RELEASE,
    "FILE": "latest",
    "NAME": "JWT_SECRET",
}


def files() -> list[Path]:
    """Return README, CONTRIBUTING and all documents of deployment/."""
    return [
        PROJECT / "README.md",
        PROJECT / "CONTRIBUTING.md",
        *sorted((PROJECT / "deployment").glob("*.md")),
        *sorted((PROJECT / "deployment/docs").glob("**/*.md")),
    ]


def commands() -> list[tuple[str, ...]]:
    """Return every ``./inv`` command they name, as words, each once."""
    return _read(lambda text: [*_LINE.findall(text), *_INLINE.findall(text)])


def installed() -> list[tuple[str, ...]]:
    """Return every ``xswarm`` command that their shell blocks name, likewise."""
    return _read(lambda text: _INSTALLED.findall("\n".join(_SHELL.findall(text))))


def _read(lines: Callable[[str], Iterable[str]]) -> list[tuple[str, ...]]:
    found: dict[tuple[str, ...], None] = {}
    for file in files():
        for line in lines(file.read_text(encoding="utf-8")):
            command = tuple(_PLACES.get(word, word) for word in shlex.split(line.strip()))
            if not {"--list", "--help", "<task>"} & set(command):
                found[command] = None
    return list(found)
