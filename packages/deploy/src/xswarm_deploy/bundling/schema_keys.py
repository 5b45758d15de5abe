"""Keys that wrangler does not know, at any depth, by the schema that lies beside it.

wrangler drops what it does not know: the top level's names it tells, of ``limits`` or ``placement``
not even that. Its ``config-schema.json`` lists every key of its version.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

_FILE: Final = "config-schema.json"
_ROOT: Final = "RawConfig"
_CHOICES: Final = ("anyOf", "oneOf", "allOf")
Schema = Mapping[str, Any]


def of(program: Path) -> Schema | None:
    """Return the schema of an installed wrangler; None: it brings none that can be read.

    Args:
        program: wrangler's, in ``wrangler-dist``.
    """
    try:
        found = json.loads((program.parents[1] / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if _ROOT in found.get("definitions", {}) else None


def unknown(content: Mapping[str, Any], schema: Schema) -> dict[str, str]:
    """Return the keys that the schema does not know, each with the nearest that it knows, or "".

    Args:
        content: what is deployed.
        schema: of the wrangler that deploys it.
    """
    return dict(_unknown(content, schema["definitions"][_ROOT], schema, ""))


def _unknown(value: Any, node: Schema, schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    shapes = list(_shapes(node, schema))
    if isinstance(value, list):
        for one in shapes:
            if isinstance(one.get("items"), Mapping):
                for entry in value:
                    yield from _unknown(entry, one["items"], schema, path)
    if isinstance(value, Mapping):
        yield from _of_table(value, shapes, schema, path)


def _of_table(
    value: Mapping[str, Any], shapes: list[Schema], schema: Schema, path: str
) -> Iterator[tuple[str, str]]:
    tables = [one for one in shapes if "properties" in one or one.get("type") == "object"]
    known = {name: part for one in tables for name, part in one.get("properties", {}).items()}
    others = [one.get("additionalProperties", True) for one in tables]
    for name, inner in value.items():
        here = f"{path}.{name}".lstrip(".")
        if name in known:
            yield from _unknown(inner, known[name], schema, here)
        elif any(isinstance(other, Mapping) for other in others):
            named = next(other for other in others if isinstance(other, Mapping))
            yield from _unknown(inner, named, schema, here)
        elif tables and not any(others):
            near = get_close_matches(str(name), known, n=1)
            yield here, f"{path}.{near[0]}".lstrip(".") if near else ""


def _shapes(node: Schema, schema: Schema) -> Iterator[Schema]:
    """Yield a schema and all that it refers to or offers to choose from."""
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        yield from _shapes(schema["definitions"].get(name, {}), schema)
        return
    yield node
    for choice in _CHOICES:
        for one in node.get(choice, ()):
            yield from _shapes(one, schema)
