from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from xswarm_deploy.bundling import library

PROJECT = Path(__file__).resolve().parents[1]
SANDBOX = "requirements-sandbox"
OURS = {"xswarm_deploy", "xswarm_monitoring", "xswarm_twin", "tests", "boss", "benchmarks"}


@cache
def installed() -> Mapping[str, list[str]]:
    """Return the distributions of each module: it may be imported under another name."""
    return packages_distributions()


def distributions(module: str) -> set[str]:
    """Return the distributions that install `module`, as their own metadata says."""
    named = installed().get(module, [module])
    return {name.lower().replace("_", "-") for name in named}


def locked(name: str) -> set[str]:
    text = (PROJECT / f"{name}.txt").read_text()
    return {found.lower().replace("_", "-") for found in re.findall(r"^([\w.-]+)==", text, re.M)}


def imported(folder: str, *, but: str = "") -> set[str]:
    files = [PROJECT / folder] if folder.endswith(".py") else (PROJECT / folder).rglob("*.py")
    found: set[str] = set()
    for file in files:
        relative = file.relative_to(PROJECT).as_posix()
        if (
            "node_modules" in relative
            or "worker_sdk" in relative
            or (but and relative.startswith(but))
        ):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    tops = {name.split(".")[0] for name in found}
    return tops - OURS - set(sys.stdlib_module_names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "but", "files"),
    [
        ("packages/deploy/src", "", ("requirements",)),
        ("packages/monitoring/src", "", ()),
        ("tasks", "", ("requirements",)),
        ("tasks.py", "", ("requirements",)),
        ("packages/twin/src/xswarm_twin", "", ("requirements", "requirements-sandbox")),
        ("tests", "tests/fixtures", ("requirements", "requirements-sandbox", "requirements-test")),
    ],
)
def test_what_is_imported_is_pinned(folder: str, but: str, files: tuple[str, ...]) -> None:
    pinned = set[str]().union(*(locked(name) for name in files))
    assert {name for name in imported(folder, but=but) if not distributions(name) & pinned} == set()


def test_the_workers_own_packages_are_pinned_with_hashes() -> None:
    text = (PROJECT / "worker/requirements.txt").read_text(encoding="utf-8")
    named = re.findall(r"^([\w.-]+)==\S+ \\$", text, re.M)
    lines = library.others(PROJECT / "worker/requirements.txt")
    lines = [line for line in lines if line and not line.startswith("#")]
    assert len(named) == len([line for line in lines if not line.startswith(" ")])
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= 2 * len(named)


def needed() -> list[tuple[str, str, str]]:
    """Return (distribution, name, the least version) of what the three distributions need."""
    found = []
    for file in sorted((PROJECT / "packages").glob("*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {}).values()
        for each in [*project.get("dependencies", ()), *(one for more in extras for one in more)]:
            wanted = Requirement(each)
            floors = [one.version for one in wanted.specifier if one.operator in (">=", "==")]
            found.append((project["name"], wanted.name, next(iter(floors), "")))
    return found


@pytest.mark.parametrize(("of", "name", "least"), needed())
def test_each_dependency_has_a_floor_that_is_below_what_is_pinned(
    of: str, name: str, least: str
) -> None:
    """Without one, pip keeps whatever is there: with aiohttp 3.13 the twin did not start."""
    assert least, f"{of} takes any version of {name}"
    if name.startswith("xswarm"):
        return
    texts = [(PROJECT / f"{file}.txt").read_text() for file in ("requirements", SANDBOX)]
    pinned = [found for text in texts for found in re.findall(rf"^{name}==(\S+)", text, re.M)]
    assert pinned
    assert all(Version(least) <= Version(found) for found in pinned)
