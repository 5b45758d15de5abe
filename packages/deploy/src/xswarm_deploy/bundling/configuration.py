"""A wrangler configuration held against the table of its keys: what is refused, what is unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from xswarm_deploy.bundling.configuration_keys import KEYS, PARTS, Fate, Key
from xswarm_deploy.errors import Refused

_EMPTY: Final[tuple[object, ...]] = (None, [], {}, "")
"""Values that ask for nothing; a refused key may stand in the file with one of them."""

_BOTH: Final = (
    "Write it as `routes`, where it stands: beside an inherited `routes` wrangler leaves `route`"
    " out in silence."
)


def require_deployable(content: Mapping[str, Any]) -> None:
    """Refuse a configuration with a key that a release neither applies nor may leave out.

    Args:
        content: what is deployed, with what its environment inherits.

    Raises:
        Refused: it names the keys and the way on.
    """
    found = refused(content)
    if found:
        names = ", ".join(found)
        raise Refused(
            f"the wrangler configuration has what a release does not deploy: {names}",
            "left out in silence, the Worker would not be what the file says",
            next(iter(found.values())),
        )


def refused(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that a release refuses, each with the way on."""
    found = {
        path: key.told
        for path, key, value in _walk(content)
        if key is not None and key.fate is Fate.REFUSED and _asks(key, value)
    }
    both = content.get("route") and content.get("routes") is not None
    return {**found, **({"route": _BOTH} if both else {})}


def unknown(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that wrangler does not know, each with the nearest that it knows, or ""."""
    return {path: _nearest(path) for path, key, _ in _walk(content) if key is None}


def counted(content: Mapping[str, Any]) -> dict[Fate, int]:
    """Count the keys at the top level by what becomes of them."""
    return dict(Counter(KEYS[name].fate for name in content if name in KEYS))


def _walk(content: Mapping[str, Any]) -> Iterator[tuple[str, Key | None, Any]]:
    for name, value in content.items():
        yield name, KEYS.get(name), value
        yield from _parts("routes" if name == "route" else name, name, value)


def _parts(table: str, path: str, value: Any) -> Iterator[tuple[str, Key | None, Any]]:
    """Walk through a value whose own keys the table lists; a list counts by its entries."""
    known = PARTS.get(table)
    if known is None:
        return
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, Mapping):
            for name, below in entry.items():
                yield f"{path}.{name}", known.get(name), below
                yield from _parts(f"{table}.{name}", f"{path}.{name}", below)


def _asks(key: Key, value: Any) -> bool:
    return not any(value == one and type(value) is type(one) for one in (*_EMPTY, *key.harmless))


def _nearest(path: str) -> str:
    parent, _, name = path.rpartition(".")
    known = PARTS.get(parent, {}) if parent else KEYS
    near = get_close_matches(name, known, n=1)
    return f"{parent}.{near[0]}".lstrip(".") if near else ""
