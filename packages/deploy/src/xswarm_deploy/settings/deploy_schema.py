"""The JSON Schema of the key ``deploy`` of invoke.yaml, made from the types that read it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, get_args, get_origin

from xswarm_deploy.settings import project
from xswarm_deploy.settings.project import ENVIRONMENTS, Names, Project

_ARGUMENT: Final = re.compile(r"^(?P<name>\w+): (?P<text>.*)$")
_ROLE: Final = re.compile(r":\w++:`([^`:]*+)`")
_KINDS: Final[Mapping[object, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
}
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "deploy.migrations.down": ("written", "generated"),
    "deploy.verify.over_budget": project.OVER_BUDGET,
    "deploy.verify.unproven": project.UNPROVEN,
    "deploy.env": ("", *ENVIRONMENTS),
}


def block() -> dict[str, Any]:
    """Return the schema of the key, with what may be laid over the rest for one environment."""
    below = _block(Project, "deploy")
    without_environments = dict(below["properties"])
    own = {**below, "properties": {k: v for k, v in without_environments.items() if k != "env"}}
    below["properties"]["environments"] = {
        "description": "What is laid over the rest, for one environment.",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {**own, "required": []} for name in ENVIRONMENTS},
    }
    return below


def settings() -> Iterator[tuple[tuple[str, ...], Callable[[], dict[str, Any]]]]:
    """Return each setting's path and what returns its schema, which takes far longer for all."""
    yield from _settings(Project, ("deploy",))
    for name in ENVIRONMENTS:
        own = ("deploy", "environments", name)
        yield from (each for each in _settings(Project, own) if each[0] != (*own, "env"))


def _settings(
    kind: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Callable[[], dict[str, Any]]]]:
    for name, inner in kind.__annotations__.items():
        below = (*path, name)
        if hasattr(inner, "_fields"):
            yield from _settings(inner, below)
        else:
            yield below, partial(_kind, inner, ".".join(below))


def described(kind: Any) -> dict[str, str]:
    """Return name → what a type's docstring says of each of its fields."""
    return dict(_arguments(inspect.getdoc(kind) or ""))


def _arguments(doc: str) -> Iterator[tuple[str, str]]:
    """Read the lines below ``Args:``; what is indented further goes on with the last one."""
    name, said = "", ""
    lines = doc.partition("Args:\n")[2].splitlines()
    for line in lines:
        if not line.strip():
            break
        begins = (
            _ARGUMENT.match(line.strip()) if line.startswith("    ") and line[4] != " " else None
        )
        if begins:
            if name:
                yield name, said
            name, said = begins["name"], begins["text"]
        else:
            said = f"{said} {line.strip()}"
    if name:
        yield name, said


def plain(said: str) -> str:
    """Return a docstring's words without its marks."""
    text = _ROLE.sub(r"\1", said).replace("``", "`").strip()
    return text[:1].upper() + text[1:]


def _block(kind: Any, where: str) -> dict[str, Any]:
    said = described(kind)
    names = kind.__annotations__
    properties = {
        name: _value(names[name], f"{where}.{name}", said.get(name, "")) for name in names
    }
    for name, default in kind._field_defaults.items():
        if isinstance(default, str | int | float | bool) and default not in ("", 0, 0.0):
            properties[name]["default"] = default
    required = [name for name in names if name not in kind._field_defaults]
    first = (inspect.getdoc(kind) or "").partition("\n")[0]
    return {
        "description": plain(first),
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": required,
    }


def _value(kind: Any, where: str, said: str) -> dict[str, Any]:
    if hasattr(kind, "_fields"):
        return _block(kind, where)
    made = _kind(kind, where)
    if where in _CHOICES:
        made["enum"] = list(_CHOICES[where])
    return {**made, "description": plain(said)} if said else made


def _kind(kind: Any, where: str) -> dict[str, Any]:
    if kind is Names:
        listed = {"type": "array", "items": {"type": "string"}}
        return {"anyOf": [{"type": "string"}, listed]}
    if get_origin(kind) is tuple:
        item = _value(get_args(kind)[0], f"{where}[]", "")
        listed = {"type": "array", "items": item}
        single = {"type": item["type"]} | (
            {"pattern": "^[^,]*$"} if item["type"] == "string" else {}
        )
        return {"anyOf": [listed, single]} if item["type"] in ("string", "integer") else listed
    if get_origin(kind) is Mapping:
        return {"type": "object", "additionalProperties": _value(get_args(kind)[1], where, "")}
    return {"type": _KINDS[kind]}
