"""The wrapper ``./inv`` where its installation is half made, or cannot be made."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout with the wrapper; its Pythons and npm only note what they are asked."""
    for name in ("inv", "requirements.txt", "package-lock.json"):
        shutil.copy(PROJECT / name, tmp_path / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    write(tools / "python3", 'echo "python3 $*" >> calls\n')
    for name in ("python3.13", "python3.12", "python3.11", "python"):
        write(tools / name, "exit 1\n")
    write(tools / "npm", 'echo "npm $1" >> calls\n')
    return tmp_path


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}")
    file.chmod(0o755)


def calls(checkout: Path) -> list[str]:
    environment = {**os.environ, "PATH": f"{checkout / 'tools'}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(
        ["sh", str(checkout / "inv"), "--list"], env=environment, capture_output=True, check=False
    )
    file = checkout / "calls"
    return [line for line in file.read_text().splitlines() if "-c" not in line.split()]


def test_one_without_pip_gets_it(checkout: Path) -> None:
    lacking = 'case "$*" in *--version) exit 1 ;; esac\n'
    write(checkout / ".venv/bin/python", f'{lacking}echo "venv $*" >> calls\n')
    assert calls(checkout)[0] == "python3 -m venv .venv"


def test_one_whose_python_does_not_run_is_made_anew(checkout: Path) -> None:
    write(checkout / ".venv/bin/python", "exit 1\n")
    assert calls(checkout)[0] == "python3 -m venv --clear .venv"


def test_a_whole_one_is_kept(checkout: Path) -> None:
    write(checkout / ".venv/bin/python", 'echo "venv $*" >> calls\n')
    assert not [line for line in calls(checkout) if line.startswith("python3 -m venv")]


def test_a_folder_that_cannot_be_written_is_a_line(checkout: Path) -> None:
    text = (checkout / "inv").read_text()
    assert "[ -w . ] ||" in text
    (checkout / "inv").write_text(text.replace("[ -w . ]", "false"))  # root may write anywhere
    environment = {**os.environ, "PATH": f"{checkout / 'tools'}{os.pathsep}{os.environ['PATH']}"}
    ended = subprocess.run(
        ["sh", str(checkout / "inv"), "check"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 6
    assert "✗ this folder cannot be written" in ended.stderr
