"""Configurations as wrangler itself reads them: one process of Node for as many as are asked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xswarm_deploy.bundling import bundle, programs

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "node_modules/wrangler/wrangler-dist/cli.js"
DEFINITIONS: dict[str, Any] = json.loads((PROGRAM.parents[1] / "config-schema.json").read_text())[
    "definitions"
]
TOP: Mapping[str, Any] = DEFINITIONS["RawConfig"]["properties"]
BASE = {"name": "shop", "main": "index.js", "compatibility_date": "2026-01-01"}
_DEEPEST = 6
_READ = """
const { unstable_readConfig: read } = require(process.argv[1]);
const fs = require("node:fs");
const [told, ...files] = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const found = files.map(([config, env]) => {
  try { return read({ config, env }, { hideWarnings: true }); } catch { return null; }
});
fs.writeFileSync(told, JSON.stringify(found));
process.exit(0);
"""


@dataclass(frozen=True)
class Case:
    """A configuration, and the part under ``env`` that is asked for; empty: the top level."""

    text: str
    environment: str = ""
    suffix: str = "json"

    def written(self, folder: Path) -> Path:
        """Write it into a folder of its own."""
        folder.mkdir(parents=True)
        file = folder / f"wrangler.{self.suffix}"
        file.write_bytes(self.text.encode())
        return file


def of(content: Mapping[str, Any], environment: str = "") -> Case:
    """Return a whole configuration that says this."""
    return Case(json.dumps({**BASE, **content}), environment)


def by_wrangler(files: Sequence[tuple[Path, str]], work: Path) -> list[dict[str, Any] | None]:
    """Return each configuration as wrangler reads it; None: it refuses that one."""
    asked, told = work / "asked.json", work / "told.json"
    asked.write_text(json.dumps([str(told), *([str(file), part] for file, part in files)]))
    subprocess.run(
        [str(programs.node()), "-e", _READ, str(PROGRAM), str(asked)],
        env=bundle.environment(work),
        capture_output=True,
        check=True,
    )
    found: list[dict[str, Any] | None] = json.loads(told.read_text())
    return found


def samples(node: Mapping[str, Any], depth: int = 0) -> Iterator[Any]:
    """Yield values of a schema: the least that it takes, each option alone, and all of them."""
    if "$ref" in node:
        node = DEFINITIONS[node["$ref"].rsplit("/", 1)[-1]]
    if depth > _DEEPEST:
        return
    if "const" in node or "enum" in node:
        yield from node.get("enum", [node.get("const")])
        return
    for choice in ("anyOf", "oneOf"):
        for one in node.get(choice, ()):
            yield from samples(one, depth + 1)
    kinds = node.get("type", ())
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        yield from _SIMPLE.get(kind, ())
        yield from _lists(node, depth + 1) if kind == "array" else ()
        yield from _tables(node, depth + 1) if kind == "object" else ()


_SIMPLE: Mapping[str, tuple[Any, ...]] = {
    "string": ("x", "", "é-ü"),
    "number": (0, 1, 2.5),
    "integer": (0, 1),
    "boolean": (True, False),
    "null": (None,),
}


def _lists(node: Mapping[str, Any], depth: int) -> Iterator[list[Any]]:
    yield []
    for one in samples(node.get("items", {}), depth):
        yield [one]


def _tables(node: Mapping[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    known: Mapping[str, Any] = node.get("properties", {})
    first = {key: next(samples(part, depth), None) for key, part in known.items()}
    least = {key: value for key, value in first.items() if key in node.get("required", ())}
    yield least
    yield {}
    for key, part in known.items():
        for value in samples(part, depth):
            yield {**least, key: value}
    yield first
    if isinstance(node.get("additionalProperties"), dict):
        for value in samples(node["additionalProperties"], depth):
            yield {**least, "K": value}
