"""Settings of the process environment, by their path: ``INVOKE_DEPLOY_VERIFY_TIMEOUT_SECONDS``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.settings import deploy_schema

_TRUTHS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

Path = tuple[str, ...]
Kind = Callable[[], Mapping[str, Any]]


def laid_over(values: Mapping[str, Any], given: Mapping[str, str], block: str) -> dict[str, Any]:
    """Return a block of invoke.yaml with what the process environment sets of it.

    Invoke sets those alone that the file has; here the others are set, too, and a name that is no
    setting's is refused.

    Args:
        values: the block as Invoke has it.
        given: the variables whose names begin with the block's, e.g. ``INVOKE_DEPLOY_``.
        block: ``deploy`` or ``monitor``.

    Raises:
        Refused: no setting has such a name, or the text is none of its kind.
    """
    made = dict(values)
    known = {_name(path): (path, kind) for path, kind in _settings(block)}
    theirs = {_name(path) for path in _paths(values, (block,))}
    for name, text in sorted(given.items()):
        if name in known:
            path, kind = known[name]
            made = _with(made, path[1:], _read(name, text, kind()))
        elif name not in theirs:
            raise _unknown(name, [*known, *theirs], block)
    return made


def _settings(block: str) -> Iterable[tuple[Path, Kind]]:
    """Return each setting's path, and what returns its schema."""
    if block == "deploy":
        return deploy_schema.settings()
    from xswarm_deploy.settings import monitor_schema  # with most of the monitoring library

    return _below(monitor_schema.block(), (block,))


def _below(kind: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Kind]]:
    for name, inner in (kind.get("properties") or {}).items():
        yield from _below(inner, (*path, name))
    if "properties" not in kind:
        yield path, partial(dict, kind)


def _paths(values: Mapping[str, Any], path: Path) -> Iterator[Path]:
    """Return the path of each value that the file has."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _paths(value, (*path, str(name)))
        else:
            yield (*path, str(name))


def _name(path: Path) -> str:
    return "_".join(("INVOKE", *path)).upper()


def _with(values: object, path: Path, value: object) -> dict[str, Any]:
    """Return values with one set below them; what was given stays as it is."""
    name, *below = path
    found = dict(values) if isinstance(values, Mapping) else {}
    return {**found, name: _with(found.get(name), tuple(below), value) if below else value}


def _read(name: str, text: str, kind: Mapping[str, Any]) -> object:
    """Return a text as the value of a setting; of several kinds that fit, the first."""
    fitting: list[Mapping[str, Any]] = list(kind.get("anyOf", (kind,)))
    kinds = [each.get("type") for each in fitting]
    if "string" in kinds:
        return text
    item = str(next((each["items"].get("type") for each in fitting if "items" in each), ""))
    if "array" in kinds and item in _READERS:
        return [_cast(name, one.strip(), item) for one in text.split(",") if one.strip()]
    return _cast(name, text.strip(), str(kinds[0]))


def _cast(name: str, text: str, kind: str) -> object:
    if kind not in _READERS:
        raise Refused(
            f"{name} cannot be set by a text",
            f"the setting is of the kind {kind}",
            "write it into invoke.yaml",
        )
    try:
        return _READERS[kind](text)
    except (KeyError, ValueError):
        raise Refused(f"{name} must be of the kind {kind}", f"it is {text!r}") from None


def _truth(text: str) -> bool:
    return _TRUTHS[text.lower()]


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": _truth,
}


def _unknown(name: str, known: list[str], block: str) -> Refused:
    from difflib import get_close_matches  # for a misspelt name only

    near = get_close_matches(name, known, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return Refused(
        f"{name} is no setting{meant}",
        f"invoke.yaml has no such path below {block}",
        "correct the variable's name, or unset it (deployment/docs/reference/settings.md)",
    )
