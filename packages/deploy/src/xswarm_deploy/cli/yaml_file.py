"""Read a YAML file of a person's: what stands twice in it is told, where PyYAML drops the first.

YAML itself forbids it (https://yaml.org/spec/1.2.2/#mapping): the keys of a mapping are unique.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TextIO

import yaml
from yaml.constructor import ConstructorError

from xswarm_deploy.errors import Refused

_MERGE: Final = "tag:yaml.org,2002:merge"  # `<<`, of which PyYAML takes several
_SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML has it
_DEEPEST: Final = 100  # blocks within one another; at some 100,000 libyaml ends the process
_MOST: Final = 100_000  # values, an alias counting as all that it stands for


class _Loader(_SAFE):  # type: ignore[misc,valid-type]
    """Load YAML; a value that is none, such as the date 2024-13-01, is an error with its line."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Return what a node stands for."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError) as error:
            kind = str(node.tag).rpartition(":")[2]
            what = f"{str(node.value)[:80]!r} is no {kind}; a text has quotes around it"
            raise ConstructorError(None, None, what, node.start_mark) from error


def read(path: Path) -> Any:
    """Return what a file holds: a mapping, or None where it is empty.

    Raises:
        Refused: it holds anything else, a name twice, a part of itself, or more than any person
            writes.
        yaml.YAMLError: it is no YAML.
    """
    with path.open(encoding="utf-8") as file:
        _require_bounded(path.name, file)
        file.seek(0)
        loader = _Loader(file)
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


def _require_bounded(name: str, file: TextIO) -> None:
    """Refuse what would take the process's stack or memory, before anything is made of it."""
    sizes: dict[str, int] = {}
    around: list[tuple[str | None, int]] = []
    size = 0
    for event in yaml.parse(file, Loader=_SAFE):
        if isinstance(event, yaml.CollectionStartEvent):
            around.append((event.anchor, size))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = around.pop()
            sizes |= {anchor: size - before} if anchor else {}
        elif isinstance(event, yaml.AliasEvent):
            size += sizes.get(str(event.anchor), 0)
        size += isinstance(event, yaml.NodeEvent)
        if len(around) > _DEEPEST or size > _MOST:
            line = event.start_mark.line + 1 if event.start_mark else 1
            much = "is too deep" if len(around) > _DEEPEST else "stands for too many values"
            raise Refused(f"{name} cannot be read", f"line {line} {much}", f"correct {name}")


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
