"""One type for secrets, and the one filter that keeps them out of text."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import quote

_SHORTEST_REDACTED = 6  # shorter values occur in ordinary words
_known: dict[str, str] = {}


class Secret:
    """Hold a value that must never reach argv, logs, exceptions, journals or reports.

    Every secret made is known to :func:`redact` from then on, in each form it may
    take on its way out (raw, JSON, URL, base64, hexadecimal).

    Args:
        value: the secret itself.
        name: the variable it came from; shown in its place.
    """

    __slots__ = ("_value", "name")

    def __init__(self, value: str, name: str = "secret") -> None:
        self._value = value
        self.name = name
        if len(value) >= _SHORTEST_REDACTED:
            for form in _forms(value):
                _known.setdefault(form, name)

    def reveal(self) -> str:
        """Return the value, at the place where it leaves for its service."""
        return self._value

    def fingerprint(self, key: bytes) -> str:
        """Return a keyed fingerprint (16 hexadecimal digits) to compare by."""
        return hmac.new(key, self._value.encode(), hashlib.sha256).hexdigest()[:16]

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return f"Secret({self.name})"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


def redact(text: str) -> str:
    """Replace every known secret in a text by the name of its variable."""
    for form in sorted(_known, key=len, reverse=True):
        if form in text:
            text = text.replace(form, f"[{_known[form]}]")
    return text


def _forms(value: str) -> set[str]:
    raw = value.encode()
    encoded = base64.b64encode(raw).decode()
    return {
        value,
        json.dumps(value)[1:-1],
        quote(value, safe=""),
        encoded,
        encoded.rstrip("="),
        raw.hex(),
    }
