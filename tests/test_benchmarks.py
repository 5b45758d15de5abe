"""The benchmarks are no tests; but what they hand to another Python must name what there is."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPT = "from xswarm_"


def scripts() -> dict[str, str]:
    """Return the Python that benchmarks hold as text, by where it stands."""
    found = {}
    for file in sorted(BENCHMARKS.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and SCRIPT in str(node.value):
                found[f"{file.name}:{node.lineno}"] = str(node.value)
    return found


def test_there_are_some() -> None:
    assert len(scripts()) >= 3


@pytest.mark.parametrize("place", scripts())
def test_a_script_names_only_what_it_has(place: str) -> None:
    command = ["ruff", "check", "--isolated", "--select", "F", "--stdin-filename", "script.py", "-"]
    looked = subprocess.run(
        [sys.executable, "-m", *command],
        input=scripts()[place],
        capture_output=True,
        text=True,
        check=False,
    )
    assert looked.returncode == 0, looked.stdout


@pytest.mark.parametrize("place", scripts())
def test_what_a_script_imports_of_the_house_is_there(place: str) -> None:
    for node in ast.walk(ast.parse(scripts()[place])):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xswarm_"):
            for alias in node.names:
                module = importlib.import_module(str(node.module))
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
