"""The JSON Schema of invoke.yaml, made from the types that read it: for editors, and for a test."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, get_args, get_origin

from xswarm_deploy.settings import project
from xswarm_deploy.settings.project import ENVIRONMENTS, Names, Project
from xswarm_monitoring import push
from xswarm_monitoring.alert import Severity
from xswarm_monitoring.alert_state import Policy
from xswarm_monitoring.rules import Rules, Thresholds
from xswarm_monitoring.status_page import NEVER, StatusPage

DIALECT: Final = "http://json-schema.org/draft-07/schema#"
_ARGUMENT: Final = re.compile(r"^(?P<name>\w+): (?P<text>.*)$")
_ROLE: Final = re.compile(r":\w++:`([^`:]*+)`")
_LENGTH: Final = "^[0-9]+[smhd]?$"
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


def document() -> dict[str, Any]:
    """Return the schema of the whole file."""
    below = _block(Project, "deploy")
    without_environments = dict(below["properties"])
    own = {**below, "properties": {k: v for k, v in without_environments.items() if k != "env"}}
    below["properties"]["environments"] = {
        "description": "What is laid over the rest, for one environment.",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {**own, "required": []} for name in ENVIRONMENTS},
    }
    return {
        "$schema": DIALECT,
        "title": "invoke.yaml of xswarm",
        "type": "object",
        "properties": {"deploy": below, "monitor": _monitor()},
    }


def text() -> str:
    """Return the schema as the file that editors read."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


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


def _monitor() -> dict[str, Any]:
    number = {"type": "number", "minimum": 0}
    blocks = {
        "thresholds": _numbers(Thresholds, number),
        "repeat": {
            severity.name.lower(): {
                **number,
                "description": f"Seconds until people are told again of what is {severity.name}.",
            }
            for severity in Severity
        },
    }
    return {
        "description": "What counts as wrong, and when people are told; it goes to the Worker.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "window": {
                "description": "What is judged: a number and s, m, h or d.",
                "type": ["string", "integer"],
                "pattern": _LENGTH,
            },
            **_numbers(Policy, number),
            **_addresses(),
            "slo": _slo(number),
            "push": _push(),
            "status_page": _status_page(),
            **{
                name: {"type": "object", "additionalProperties": False, "properties": properties}
                for name, properties in blocks.items()
            },
        },
    }


def _addresses() -> dict[str, dict[str, Any]]:
    said = described(Rules)
    address = {"type": "string", "pattern": "^$|^https?://"}
    return {
        name: {**address, "description": plain(said[name])} for name in ("runbook", "dashboard")
    }


def _slo(number: Mapping[str, Any]) -> dict[str, Any]:
    part = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return {
        "description": "What customers may expect; what may fail beside it is the error budget.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "availability": {
                **part,
                "description": "The part of requests that are answered below 500.",
            },
            "latency": {
                "description": "How quickly how many of the others are answered.",
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "target": {**part, "description": "The part of them."},
                    "threshold": {**number, "description": "Seconds."},
                },
            },
            "window": {
                "description": "Over which a budget lasts: a number and s, m, h or d.",
                "type": ["string", "integer"],
                "pattern": _LENGTH,
            },
            "release": {
                "description": "What a release is while a budget is spent.",
                "enum": ["refuse", "allow"],
            },
        },
    }


def _status_page() -> dict[str, Any]:
    said = {name: plain(text) for name, text in described(StatusPage).items()}
    kinds: dict[str, dict[str, Any]] = {
        "title": {"type": "string"},
        "components": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string", "minLength": 1},
        },
        "incidents_from": {"enum": [NEVER, *(each.name.lower() for each in Severity)]},
        "version": {"type": "boolean", "default": False},
        "contact": {"type": "string", "pattern": "^$|^https?://|^mailto:"},
    }
    return {
        "description": "The public status page of the Worker, at /status/public; without it, none.",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {**kind, "description": said[name]} for name, kind in kinds.items()},
    }


def _push() -> dict[str, Any]:
    said = {name: plain(text) for name, text in described(push.Target).items()}
    text = {"type": "string"}
    signal = {"enum": list(push.SIGNALS)}
    kinds: dict[str, dict[str, Any]] = {
        "kind": {"enum": list(push.KINDS)},
        "endpoint": {**text, "pattern": "^https?://"},
        "secret": {**text, "pattern": "^[\\w.-]*$"},
        "header": text,
        "user": {"type": ["string", "integer"]},
        "headers": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
        "signals": {"anyOf": [{"type": "array", "items": signal}, signal]},
        "temporality": {"enum": list(push.TEMPORALITIES), "default": push.DELTA},
        "sample": {"type": "number", "minimum": 0, "maximum": 1, "default": 1},
        "every": {"type": ["string", "integer"], "pattern": _LENGTH, "default": "60s"},
    }
    item = {
        "description": "Who receives what is measured.",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {**kind, "description": said[name]} for name, kind in kinds.items()},
        "required": ["kind", "endpoint"],
    }
    return {"type": "array", "items": item, "description": item["description"]}


def _numbers(kind: Any, number: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields of a dataclass that are numbers, each with what is said of it."""
    said = described(kind)
    names = [each.name for each in fields(kind) if each.name != "repeat"]
    return {name: {**number, "description": plain(said.get(name, ""))} for name in names}
