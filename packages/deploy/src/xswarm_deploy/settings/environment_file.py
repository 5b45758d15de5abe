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


def read(file: Path, name: str) -> Secret:
    """Return the value the file holds for a name; falsy where it has none."""
    values = {str(key): value for key, value, _ in _lines(file) if key}
    return Secret(values.get(name) or "", name)


def write(file: Path, values: Mapping[str, Secret]) -> None:
    """Set values, wholly or not at all; a falsy one takes the line away.

    Args:
        file: the environment file; it keeps its mode.
        values: by the names of the file.

    Raises:
        Refused: a value stands elsewhere, by reference: it must be changed there.
    """
    lines = list(_lines(file))
    for key, value, _ in lines:
        if key in values and is_reference(value):
            raise Refused(
                f"{key} of {file.name} says where its value is kept",
                value.split(":", 1)[0],
                "change it there, then: inv secrets",
            )
    kept = [
        _space(text) + _line(key, values[key]) if key in values else text for key, _, text in lines
    ]
    present = {key for key, _, _ in lines}
    added = "".join(_line(name, secret) for name, secret in values.items() if name not in present)
    _replace(file, _ended("".join(kept)) + added if added else "".join(kept))


def _lines(file: Path) -> list[tuple[str, str, str]]:
    """Return each line of the file: its name or the empty string, its value, its text."""
    from dotenv.parser import parse_stream

    with file.open(encoding="utf-8") as stream:
        return [(b.key or "", b.value or "", b.original.string) for b in parse_stream(stream)]


def _line(name: str, secret: Secret) -> str:
    return f"{name}={_quoted(secret.reveal())}\n" if secret else ""


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _space(text: str) -> str:
    """Return the empty lines that stand before a line."""
    return text[: len(text) - len(text.lstrip())]


def _ended(text: str) -> str:
    """Let the last line end before another one follows."""
    return text if text.endswith("\n") or not text else f"{text}\n"


def _replace(file: Path, text: str) -> None:
    mode = file.stat().st_mode & 0o777
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".env-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(mode)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink()
        raise
