"""Read a YAML file of a person's: what stands twice in it is told, where PyYAML drops the first.

YAML itself forbids it (https://yaml.org/spec/1.2.2/#mapping): the keys of a mapping are unique.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from xswarm_deploy.errors import Refused

_MERGE: Final = "tag:yaml.org,2002:merge"  # `<<`, of which PyYAML takes several
_SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML has it


def read(path: Path) -> Any:
    """Return what a file holds: a mapping, or None where it is empty.

    Raises:
        Refused: it holds anything else, a name twice, or a part of itself.
        yaml.YAMLError: it is no YAML.
    """
    with path.open(encoding="utf-8") as file:
        loader = _SAFE(file)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _require(path.name, node, ())
            found = loader.construct_document(node)
        finally:
            loader.dispose()
    if not isinstance(found, dict | None):
        what = f"{path.name} must be a block of `key: value` lines"
        raise Refused(what, f"it is {str(found)[:80]!r}", "write deploy: on a line of its own")
    return found


def _require(name: str, node: Any, within: tuple[Any, ...]) -> None:
    """Refuse a node that has a name twice, or that one of those around it is within."""
    if any(node is each for each in within):
        why = f"line {node.start_mark.line + 1} holds an alias of itself"
        raise Refused(f"{name} cannot be read", why, f"correct {name}")
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _require(name, each, (*within, node))
    if isinstance(node, yaml.MappingNode):
        _require_once(name, node)
        for _, value in node.value:
            _require(name, value, (*within, node))


def _require_once(name: str, node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            raise Refused(
                f"{name} has {key.value} twice in one block: lines {lines[key.value]} and {line}",
                "only the last would count, and all below the first would be lost",
                "join the two, or remove one",
            )
        lines[key.value] = line
