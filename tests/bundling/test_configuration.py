"""The table of wrangler's keys, held against the schema of the wrangler that is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bundling.configuration_guide import DOCUMENT, document
from xswarm_deploy.bundling import configuration
from xswarm_deploy.bundling.configuration_keys import KEYS, PARTS, Fate, Scope
from xswarm_deploy.errors import Refused

SCHEMA = Path(__file__).resolve().parents[2] / "node_modules/wrangler/config-schema.json"
DEFINITIONS: dict[str, Any] = json.loads(SCHEMA.read_text())["definitions"]
TOP = DEFINITIONS["RawConfig"]["properties"]
ENVIRONMENT = DEFINITIONS["RawEnvironment"]["properties"]
NOT_SAID = {"durable_objects", "version_metadata"}
"""Keys that wrangler does not inherit, though the schema's text does not say so."""


def test_every_key_is_decided() -> None:
    assert set(KEYS) == set(TOP)


def test_every_key_of_an_environment_is_decided() -> None:
    assert {name for name, key in KEYS.items() if key.scope is Scope.TOP} == set(TOP) - set(
        ENVIRONMENT
    )


def test_what_an_environment_must_name_itself() -> None:
    said = {name for name, text in _texts() if "must be specified" in text}
    assert said == {name for name, key in KEYS.items() if key.scope is Scope.OWN} - NOT_SAID


@pytest.mark.parametrize("path", PARTS)
def test_every_key_below_is_decided(path: str) -> None:
    assert set(PARTS[path]) == set(_below(path))


def test_what_a_release_sets_itself_is_decided_key_by_key() -> None:
    """What wrangler writes into the version needs no list; what a release sends does."""
    sent = {name for name, key in KEYS.items() if key.fate is Fate.SET}
    objects = {name for name in sent if set(_below(name))}
    assert objects - {"route"} <= set(PARTS)


def test_every_refusal_tells_the_way_on() -> None:
    refused = [key for key in KEYS.values() if key.fate is Fate.REFUSED]
    assert all(key.told.endswith(".") and len(key.told) > 20 for key in refused)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"containers": [{"class_name": "C", "image": "./Dockerfile"}]}, "containers"),
    ({"site": {"bucket": "./public"}}, "site"),
    ({"compliance_region": "fedramp_high"}, "compliance_region"),
    ({"triggers": {"crons": [], "events": [{"type": "x"}]}}, "triggers.events"),
    ({"routes": [{"pattern": "a.example", "custom_domain": True, "enabled": False}]}, "enabled"),
    ({"route": {"pattern": "a.example", "previews_enabled": True}}, "route.previews_enabled"),
    ({"queues": {"consumers": [{"queue": "q", "visibility_timeout_ms": 5}]}}, "visibility"),
    ({"streaming_tail_consumers": [{"service": "logs"}]}, "streaming_tail_consumers"),
]


@pytest.mark.parametrize(("content", "named"), REFUSED)
def test_what_a_release_cannot_apply_is_refused(content: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=named):
        configuration.require_deployable({"name": "shop", "main": "index.js", **content})


HARMLESS: list[dict[str, Any]] = [
    {"containers": []},
    {"compliance_region": "public"},
    {"triggers": {"crons": ["* * * * *"], "events": []}},
    {"routes": [{"pattern": "a.example", "custom_domain": True, "enabled": True}]},
    {"routes": ["a.example/*"]},
    {"first_party_worker": False},
]


@pytest.mark.parametrize("content", HARMLESS)
def test_a_refused_key_that_asks_for_nothing_passes(content: dict[str, Any]) -> None:
    configuration.require_deployable(content)


def test_unknown_keys_are_named_with_the_nearest_known() -> None:
    found = configuration.unknown(
        {
            "observabilty": {"enabled": True},
            "queues": {"consumers": [{"queue": "q", "max_batch_sise": 5}]},
            "usage_model": "bundled",
            "vars": {"ANYTHING": 1},
        }
    )
    assert found == {
        "observabilty": "observability",
        "queues.consumers.max_batch_sise": "queues.consumers.max_batch_size",
        "usage_model": "",
    }


def test_the_guides_chapter_is_made_from_the_table() -> None:
    made = "python -m tests.bundling.configuration_guide"
    assert DOCUMENT.read_text(encoding="utf-8") == document(), made


def _texts() -> Iterator[tuple[str, str]]:
    return ((name, json.dumps(one)) for name, one in TOP.items())


def _below(path: str) -> Iterator[str]:
    """Return the names of the keys below a key: of an object, or of a list's entries."""
    node: Any = {"properties": TOP}
    for name in path.split("."):
        node = dict(_properties(node))[name]
    return (name for name, _ in _properties(node))


def _properties(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if "$ref" in node:
        yield from _properties(DEFINITIONS[node["$ref"].rsplit("/", 1)[-1]])
    yield from node.get("properties", {}).items()
    for part in (*node.get("anyOf", ()), node.get("items")):
        if part:
            yield from _properties(part)
