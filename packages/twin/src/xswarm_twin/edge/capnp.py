"""Cap'n Proto's text format, in which workerd reads its configuration: plain values, written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Embed:
    """A file's bytes, by its path relative to the configuration."""

    path: str


def write(value: object) -> str:
    """Write a value: None is void, a mapping a struct, any other iterable a list.

    Raises:
        TypeError: the format has no such value.
    """
    if value is None:
        return "void"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Embed):
        return f"embed {text(value.path)}"
    if isinstance(value, Mapping):
        return f"({', '.join(f'{name} = {write(held)}' for name, held in value.items())})"
    if isinstance(value, Iterable):
        return f"[{', '.join(map(write, value))}]"
    raise TypeError(f"no Cap'n Proto value: {type(value).__name__}")


def text(value: str) -> str:
    """Write a text: all but printable ASCII is escaped."""
    escaped = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}"
        for byte in value.encode()
    )
    return f'"{"".join(escaped)}"'


def configuration(config: Mapping[str, object]) -> str:
    """Write workerd's configuration: a Workerd.Config."""
    head = 'using Workerd = import "/workerd/workerd.capnp";'
    return f"{head}\nconst config :Workerd.Config = {write(config)};\n"
