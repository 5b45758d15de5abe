"""Change single values of an environment file; every other line stays as it is."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret
from xswarm_deploy.settings.references import is_reference

_PLAIN: Final = re.compile(r"[\w./:=+@~-]+")
_ASSIGNED: Final = re.compile(
    r"(?P<head>\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=#\s]+)[^\S\r\n]*=[^\S\r\n]*)"
    r"(?:'(?:\\(?s:.)|[^'\\])*'|\"(?:\\(?s:.)|[^\"\\])*\"|[^\r\n]*?)"
    r"(?P<tail>(?:[^\S\r\n]+#[^\r\n]*|[^\S\r\n]*)(?:\r\n|\n|\r)?)"
)
"""What stands around a value: ``export``, the name, a comment and the line's end."""


def read(file: Path, name: str) -> Secret:
    """Return the value the file holds for a name; falsy where it has none."""
    values = {str(key): value for key, value, _ in _lines(file) if key}
    return Secret(values.get(name) or "", name)


def write(file: Path, values: Mapping[str, Secret]) -> None:
    """Set values, wholly or not at all; a falsy one takes the line away.

    Args:
        file: the environment file; it keeps its mode, its line ends, and its place where it is a
            link.
        values: by the names of the file.

    Raises:
        Refused: a value stands elsewhere, by reference: it must be changed there; or the file
            cannot be written.
    """
    lines = list(_lines(file, as_they_are=True))
    for key, value, _ in lines:
        if key in values and is_reference(value):
            raise Refused(
                f"{key} of {file.name} says where its value is kept",
                value.split(":", 1)[0],
                "change it there, then: inv secrets",
            )
    end = "\r\n" if any(text.endswith("\r\n") for *_, text in lines) else "\n"
    kept = [
        _changed(key, text, values[key], end) if key in values else text for key, _, text in lines
    ]
    present = {key for key, _, _ in lines}
    added = [
        f"{name}={_quoted(secret.reveal())}{end}"
        for name, secret in values.items()
        if secret and name not in present
    ]
    text = "".join(kept)
    try:
        _replace(file.resolve(), "".join([_ended(text, end), *added]) if added else text)
    except OSError as error:
        raise Refused(
            f"{file.name} cannot be written", error.strerror or "", "let it and its folder be yours"
        ) from None


def _lines(file: Path, *, as_they_are: bool = False) -> list[tuple[str, str, str]]:
    """Return each line of the file: its name or the empty string, its value, its text.

    Args:
        file: the environment file.
        as_they_are: line ends are not read as those of Unix.
    """
    from dotenv.parser import parse_stream

    with file.open(encoding="utf-8", newline="" if as_they_are else None) as stream:
        return [(b.key or "", b.value or "", b.original.string) for b in parse_stream(stream)]


def _changed(name: str, text: str, secret: Secret, end: str) -> str:
    """Return a line with another value; of one that goes, the empty lines before it."""
    space = text[: len(text) - len(text.lstrip())]
    if not secret:
        return space
    around = _ASSIGNED.fullmatch(text)
    if around is None:
        return f"{space}{name}={_quoted(secret.reveal())}{end}"
    return f"{around['head']}{_quoted(secret.reveal())}{around['tail']}"


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _ended(text: str, end: str) -> str:
    """Let the last line end before another one follows."""
    return text if text.endswith(("\r", "\n")) or not text else f"{text}{end}"


def _replace(file: Path, text: str) -> None:
    mode = file.stat().st_mode & 0o777
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".env-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(mode)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink()
        raise
