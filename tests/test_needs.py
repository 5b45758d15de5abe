"""A test whose judge is missing: not run, named with the command, and a failure in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import PROJECT

pytestmark = pytest.mark.slow

TESTS = """
import subprocess

import pytest
from tests.support.needs import require

@pytest.fixture
def host():
    require("sshd", "ssh-keygen")

@pytest.mark.needs("promtool")
def test_by_a_mark(): ...

def test_by_a_fixture(host): ...

def test_that_starts_it():
    subprocess.run(["zstd", "--version"])

@pytest.fixture
def packed():
    subprocess.run(["zstd", "--version"])

def test_whose_fixture_starts_it(packed): ...

@pytest.mark.needs("git")
def test_that_has_its_judge(): ...

@pytest.mark.skip(reason="of its own")
def test_that_is_skipped(): ...

def test_that_needs_nothing(): ...
"""


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Make a PATH that has git, and no other judge."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").write_text("#!/bin/sh\n")
    (programs / "git").chmod(0o755)
    return programs


def ended(bare: Path, ci: str, *flags: str) -> subprocess.CompletedProcess[str]:
    file = bare.parent / "test_some.py"
    file.write_text(TESTS)
    quiet = "import tests.support.judges as judges; judges.SYSTEM_PATH = ''\n"
    (bare.parent / "conftest.py").write_text(f"{quiet}pytest_plugins = ['tests.support.needs']\n")
    command = [sys.executable, "-m", "pytest", "--rootdir", str(bare.parent), *flags, str(file)]
    environment = {**os.environ, "PATH": str(bare), "PYTHONPATH": str(PROJECT), "CI": ci}
    return subprocess.run(
        command, cwd=bare.parent, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("flags", [(), ("-n", "1")])
def test_it_is_counted_apart_and_the_last_lines_name_what_is_missing(
    bare: Path, flags: tuple[str, ...]
) -> None:
    run = ended(bare, "", *flags)
    *_, counted, remedy, summary = filter(None, run.stdout.splitlines())
    assert run.returncode == 0
    assert counted == "4 tests were not run: promtool, ssh-keygen, sshd, zstd missing here"
    assert remedy.startswith("  next: ")
    assert "2 passed, 1 skipped, 4 not run" in summary


def test_in_ci_a_missing_judge_fails(bare: Path) -> None:
    run = ended(bare, "true")
    assert run.returncode == 1
    assert "promtool: missing; " in run.stdout
    assert "not run" not in run.stdout.splitlines()[-1]
    assert "1 failed, 2 passed, 1 skipped, 3 errors" in run.stdout.splitlines()[-1]


def test_a_judge_that_nobody_knows_is_an_error(bare: Path) -> None:
    (bare.parent / "test_other.py").write_text(
        "import pytest\n\n@pytest.mark.needs('promtol')\ndef test_it(): ...\n"
    )
    (bare.parent / "conftest.py").write_text("pytest_plugins = ['tests.support.needs']\n")
    command = [sys.executable, "-m", "pytest", "--rootdir", str(bare.parent), "test_other.py"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    run = subprocess.run(command, cwd=bare.parent, env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert "KeyError: 'promtol'" in run.stdout
