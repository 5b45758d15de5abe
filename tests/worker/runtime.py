"""Pyodide, the Python of Python Workers, in Node: installed once, started as often as needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from deployment.steps.bundle import node

ROOT = Path(__file__).parents[2]
HOST = Path(__file__).with_name("pyodide")


def install() -> str:
    """Install Pyodide where it is not yet, and give Node's program."""
    program = str(node(ROOT))
    if not (HOST / "node_modules/pyodide").is_dir():
        npm = shutil.which("npm", path=str(Path(program).parent)) or shutil.which("npm")
        assert npm, "npm is needed to install Pyodide"
        subprocess.run([npm, "ci", "--silent"], cwd=HOST, check=True, timeout=300)
    return program


def install_packages(folder: Path) -> None:
    """Install what tests need on Pyodide: whatever this Python is, packages for that one."""
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"]
    target = ["--python-version=3.14", "--implementation=py", "--abi=none", "--platform=any"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = ["--target", str(folder), "-r", str(HOST / "requirements.txt")]
    subprocess.run([*command, *options, *target, *wanted], check=True, timeout=300)
