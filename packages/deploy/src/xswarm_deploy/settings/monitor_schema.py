"""The JSON Schema of the key ``monitor`` of invoke.yaml, made from the types that read it.

Beside the schema of ``deploy``, for it brings along most of the monitoring library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from xswarm_deploy.settings.deploy_schema import described, plain
from xswarm_monitoring import push
from xswarm_monitoring.alert import Severity
from xswarm_monitoring.alert_state import Policy
from xswarm_monitoring.rules import Rules, Thresholds
from xswarm_monitoring.status_page import NEVER, StatusPage

_LENGTH: Final = "^[0-9]+[smhd]?$"


def block() -> dict[str, Any]:
    """Return the schema of the key."""
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
        "encoding": {"enum": list(push.ENCODINGS), "default": push.ENCODINGS[0]},
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
