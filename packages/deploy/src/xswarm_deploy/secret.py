"""One type for secrets, and the one filter that keeps them out of text."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

from xswarm_monitoring.printable import escaped, without_colour

_SHORTEST_REDACTED = 6  # shorter values occur in ordinary words
_SHORTEST_FOUND = 12  # characters: none is found in a file by chance
_SHORTEST_LINE = 16  # characters of one line of a secret of many, such as a private key
_WORD = re.compile(r"[A-Z]?[a-z]{,14}|[A-Z]{,14}")  # our longest: authentication
_SAID: Final = frozenset({"message", "irreversible", "told", "why", "error", "text", "remedy"})
"""What JSON has under these names is for people: a machine reads nothing in it."""
_known: dict[str, str] = {}
_words: set[str] = set()
"""Forms of secrets that are a single word, which others write as well: ``worker``."""
_public: set[str] = set()
_longest_first: list[str] = []


class Secret:
    """Hold a value that must never reach argv, logs, exceptions, journals or reports.

    Every secret made is known to :func:`redact` from then on, in each form it may
    take on its way out (raw, JSON, URL, HTML, base64 at any place within more, as in
    Basic authentication, hexadecimal, reversed).

    Args:
        value: the secret itself.
        name: the variable it came from; shown in its place.
    """

    __slots__ = ("_value", "name")

    def __init__(self, value: str, name: str = "secret") -> None:
        self._value = value
        self.name = name
        if len(value) >= _SHORTEST_REDACTED and value.strip("/") not in _public:
            forms = _forms(value)
            for form in forms:
                _known.setdefault(form, name)
            if _WORD.fullmatch(value):
                _words.update(forms)

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
    """Return a text as it may leave the process.

    Every known secret in it is replaced by the name of its variable, and every character that
    a terminal would obey by its escape, such as ``\\u001b``. Line ends and tabs stay; colours go,
    first of all, so that none of them splits a secret.
    """
    text = without_colour(text)
    for form in _forms_longest_first():
        if form in text:
            text = text.replace(form, f"[{_known[form]}]")
    return escaped(text)


def public(values: Iterable[str]) -> None:
    """Note what everybody may see, such as the Worker's address: a secret of that value is none.

    Many keep all their variables as secrets. If each text with the Worker's address in it lost
    that, what a release notes of a webhook would lead nowhere.
    """
    new = {value.strip("/") for value in values} - _public
    _public.update(new)
    for value in (known for each in new for known in (each, f"{each}/") if known in _known):
        for form in _forms(value):
            _known.pop(form, None)
            _longest_first.clear()


def dumped(value: object, *, indent: int | None = None, ordered: bool = True) -> str:
    """Return JSON that a machine reads again, redacted.

    Numbers stay as they are, and what people are told alone loses secrets that are a single word:
    a journal that calls the step ``worker`` by a secret of that value can be neither
    finished nor undone.

    Args:
        value: what it holds.
        indent: spaces; None: it is one line.
        ordered: names by their order.
    """

    def written(held: object) -> str:
        return json.dumps(held, ensure_ascii=False, sort_keys=ordered, indent=indent)

    text = written(value)
    if any(form in text for form in _forms_longest_first()):
        text = written(_redacted(value, without_secrets))
    return escaped(text)


def _redacted(value: object, clean: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {
            without_secrets(str(name)): _redacted(held, redact if name in _SAID else clean)
            for name, held in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redacted(held, clean) for held in value]
    return value


def without_secrets(text: str) -> str:
    """Return a text for a machine without secrets; one that is a single word stays."""
    for form in _forms_longest_first():
        if form in text and form not in _words:
            text = text.replace(form, f"[{_known[form]}]")
    return text


def one_line(text: str) -> str:
    """Return a text redacted and on one line, so that what others wrote forges no line of ours."""
    return " ".join(redact(text).splitlines())


def contained(content: bytes) -> str:
    """Return the name of a known secret whose value stands in a file's content, or nothing.

    Args:
        content: the file's bytes, as they would be published. Secrets that are so short that
            a file may hold them by chance are not looked for.
    """
    for form in _forms_longest_first():
        if len(form) >= _SHORTEST_FOUND and form.encode() in content:
            return _known[form]
    return ""


def count() -> int:
    """Return how many forms of secrets are known: with more, an earlier look is no proof."""
    return len(_known)


def _forms_longest_first() -> list[str]:
    if len(_longest_first) != len(_known):
        _longest_first[:] = sorted(_known, key=len, reverse=True)
    return _longest_first


def _forms(value: str) -> set[str]:
    raw, quoted = value.encode(), quote(value, safe="")
    lines = [line.strip() for line in value.splitlines()] if "\n" in value else []
    return {
        value,
        value[::-1],
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        html.escape(value),
        quoted,
        quote(value),
        quote_plus(value),
        re.sub("%..", lambda found: found[0].lower(), quoted),
        raw.hex(),
        raw.hex().upper(),
        *_base64(raw),
        *(line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith("--")),
    }


def _base64(raw: bytes) -> Iterator[str]:
    """Return the base64 of bytes alone, and what of it stands in that of more bytes.

    One or two bytes before them move the bits; the first and the last character then hold bits
    of other bytes, too, and are left out.
    """
    yield base64.b64encode(raw).decode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before, begin in ((0, 0), (1, 2), (2, 3)):
            whole = (before + len(raw)) * 8 // 6
            yield encode(b"\0" * before + raw).decode()[begin:whole]
            yield encode(b"\0" * before + raw).decode().rstrip("=")[begin:]
