"""The benchmarks are no tests; but what they hand to another Python must name what there is."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks

pytestmark = pytest.mark.slow

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


def test_each_can_be_run_by_its_name() -> None:
    apart = {"__main__", "commands", "installed", "picture"}  # the last draws, and measures nothing
    assert {file.stem for file in BENCHMARKS.glob("*.py")} - apart == set(benchmarks.NAMES)


@pytest.mark.parametrize("name", [name for name in benchmarks.NAMES if name != "monitoring"])
def test_without_packages_a_line_names_the_command(name: str) -> None:
    command = [sys.executable, "-I", "-S", str(BENCHMARKS / f"{name}.py")]  # -S: no packages
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    lacking, remedy = ended.stderr.splitlines()
    assert "lacks invoke, requests, pytest" in lacking
    assert remedy == f"  next: ./inv benchmark --name {name}"


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks.main(["nosuch"]) == 2
    assert "./inv benchmark --name NAME, one of deployments, " in capsys.readouterr().err


def test_a_result_takes_the_place_of_its_last_one_alone() -> None:
    first = benchmarks.written("", "check", benchmarks.section("check", "1.0 ×\n"))
    both = benchmarks.written(first, "deployments", benchmarks.section("deployments", "2.0 ×"))
    again = benchmarks.written(both, "check", benchmarks.section("check", "3.0 ×"))
    assert again.index("## deployments") < again.index("## check")
    assert ("1.0 ×" in again, "2.0 ×" in again, "3.0 ×" in again) == (False, True, True)
    assert again.count("Python ") == 2
    assert benchmarks.written(again, "check", benchmarks.section("check", "3.0 ×")) == again


def test_what_a_benchmark_prints_is_written_down_and_its_failure_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmarks, "FOLDER", tmp_path)
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path / "RESULTS.md")
    (tmp_path / "check.py").write_text("print('ours ÷ theirs  1.02 ×')")
    (tmp_path / "verify.py").write_text("print('missed'); raise SystemExit(1)")
    assert benchmarks.main(["check"]) == 0
    assert benchmarks.main(["check", "verify"]) == 1
    said = capsys.readouterr()
    assert said.out.count("1.02 ×") == 2
    assert said.err.splitlines()[-1] == "✗ failed, or missed a goal: verify"
    text = (tmp_path / "RESULTS.md").read_text()
    assert text.count("ours ÷ theirs  1.02 ×") == 1
    assert "missed" in text
