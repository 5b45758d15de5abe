"""Run the tests: ``inv test``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from deployment.cli import context
from deployment.cli.console import Console
from deployment.errors import Unavailable
from deployment.sandbox import install

_STAMP = "installed-for-tests"


@task(
    auto_shortflags=False,
    help={
        "quick": "leave the slow ones out; under a minute",
        "only": "run what is in these folders or files, by comma",
        "expression": "run what matches, as pytest -k",
    },
)
def test(_c: Context, quick: bool = False, only: str = "", expression: str = "") -> None:
    """Run the tests; what they need is installed when first needed."""
    console = Console(sys.stderr)
    install.ensure(lambda label, _done, _total, _unit: console.line(f"· {label}"))
    _install_test_packages(console)
    command = (
        [sys.executable, "-m", "pytest", *only.split(",")]
        if only
        else [sys.executable, "-m", "pytest"]
    )
    command += ["-n", "2", "--dist", "loadfile"]  # a file's tests share what they start
    command += ["-m", "not slow"] if quick else []
    command += ["-k", expression] if expression else []
    ended = subprocess.run(command, cwd=context.ROOT, check=False)
    if ended.returncode:
        raise Exit(code=ended.returncode)


def _install_test_packages(console: Console) -> None:
    """Install requirements-test.txt, when it changed since it was installed."""
    wanted = context.ROOT / "requirements-test.txt"
    stamp = Path(sys.prefix) / _STAMP
    if stamp.is_file() and stamp.read_bytes() == wanted.read_bytes():
        return
    console.line("· installing what the tests need (once)")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        str(wanted),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Unavailable(
            "what the tests need could not be installed",
            ended.stderr.strip()[-600:],
            f"pip install -r {wanted.name}",
        )
    stamp.write_bytes(wanted.read_bytes())
