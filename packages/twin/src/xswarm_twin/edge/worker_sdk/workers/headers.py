"""Headers as the SDK shows them: an ``http.client.HTTPMessage``, which is a mapping too."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Mapping
from typing import TypeAlias

Headers: TypeAlias = dict[str, str] | list[tuple[str, str]]


class HTTPMessageMapping(http.client.HTTPMessage, Mapping[str, str]):  # type: ignore[misc]
    """Headers by name, in any case; a name may come more than once."""


def message(pairs: Iterable[tuple[str, str]]) -> HTTPMessageMapping:
    """Make headers of pairs; values of one name are joined by commas, cookies are not."""
    joined: dict[str, tuple[str, list[str]]] = {}
    for name, value in pairs:
        joined.setdefault(name.lower(), (name, []))[1].append(value.strip())
    made = HTTPMessageMapping()
    for lower, (name, values) in joined.items():
        for value in values if lower == "set-cookie" else [", ".join(values)]:
            made.add_header(name, value)
    return made


def pairs(headers: object) -> list[tuple[str, str]]:
    """Return headers as pairs; raises TypeError for what the SDK does not take."""
    if headers is None:
        return []
    if isinstance(headers, list):
        return [(str(name), str(value)) for name, value in headers]
    if isinstance(headers, Mapping):
        return [(str(name), str(value)) for name, value in headers.items()]
    raise TypeError("Received unexpected type for headers argument")
