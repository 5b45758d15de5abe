"""Run the tests: ``inv test``, ``inv test.mutants``, ``inv test.faults``."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from xswarm_deploy import child
from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.errors import Unavailable
from xswarm_twin import install as sandbox

PACKAGES = "requirements-test.txt"
_STAMP = "installed-for-tests"
_AT_MOST = 6  # files tested at once: each may run a twin, of 300 MB
_TESTS_FAILED = 1  # pytest's exit code; others say that it was stopped, or could not begin


@task(
    auto_shortflags=False,
    help={
        "quick": "leave the slow ones out; a minute or two",
        "only": "run what is in these folders or files, by comma",
        "expression": "run what matches, as pytest -k",
    },
)
def test(c: Context, quick: bool = False, only: str = "", expression: str = "") -> None:
    """Run the tests; what they need is installed when first needed."""
    install(c)
    python(c, "-m", "tests.support.judges", *(["--quick"] if quick else []))
    words = [*filter(None, only.split(","))]
    words += ["-n", _side_by_side()]
    words += ["--dist", "loadfile"]  # a file's tests share what they start
    words += ["--no-loadscope-reorder"]  # tests/conftest.py begins with the long ones
    words += ["-m", "not slow"] if quick else []
    words += ["-k", expression] if expression else []
    # Compiled once, also where the environment forbids it: it took half of the quick tests' time.
    try:
        python(c, "-m", "pytest", "--cache-clear", *words, PYTHONDONTWRITEBYTECODE="")
    except Exit as failure:
        if failure.code != _TESTS_FAILED:
            raise
        python(c, "-m", "tests.support.unsteady")


@task(
    auto_shortflags=False,
    help={
        "module": "the file to change, or a folder: its files",
        "tests": "the tests that must notice, by comma; without it: those that bear its name",
        "sample": "try so many of the changes, drawn by chance; without it: all",
    },
)
def mutants(c: Context, module: str, tests: str = "", sample: int = 0) -> None:
    """Change a file in many small ways, one at a time; name what no test notices."""
    install(c)
    words = ["--sample", str(sample)] if sample else []
    python(c, "-m", "tests.support.mutants", *words, module, *filter(None, tests.split(",")))


@task(
    auto_shortflags=False,
    help={
        "full": "every operation, in every way: hours; a run that was stopped goes on",
        "scenario": "only this one: release, failing release, canary, rollback, restore, resume",
        "expression": "only cases whose name holds this",
        "minutes": "stop after so long",
        "anew": "forget the results of earlier runs",
    },
)
def faults(
    c: Context,
    full: bool = False,
    scenario: str = "",
    expression: str = "",
    minutes: float = 0.0,
    anew: bool = False,
) -> None:
    """Let each call and file operation of a release fail in each way; name what is broken then."""
    install(c)
    words = [*(["--full"] if full else []), *(["--anew"] if anew else [])]
    words += ["--scenario", scenario] if scenario else []
    words += ["--expression", expression] if expression else []
    words += ["--minutes", f"{minutes:g}"] if minutes else []
    python(c, "-m", "tests.faults", *words)


def _side_by_side() -> str:
    """Return how many files are tested at once; tests wait for a third of their time."""
    return str(min((os.cpu_count() or 1) + 1, _AT_MOST))


def python(c: Context, *words: str, **environment: str) -> None:
    """Run this Python on these words, at the top of the checkout.

    Args:
        c: the context.
        words: what Python is to run.
        environment: variables that are other than here.

    Raises:
        Exit: it failed; its exit code is the task's.
    """
    with c.cd(str(context.ROOT)):
        command = shlex.join([sys.executable, *words])
        given = {"env": environment, "pty": sys.stdout.isatty(), "in_stream": False}
        ended = c.run(command, warn=True, **given)
    if ended is not None and ended.exited:
        raise Exit(code=ended.exited)


def install(c: Context) -> None:
    """Install what tests and benchmarks need beyond a deployment, unless it is there.

    Raises:
        Unavailable: an installer failed; the command to try is named.
    """
    console = Console(sys.stderr)
    sandbox.ensure(lambda label, _done, _total, _unit: console.line(f"· {label}"))
    wanted, stamp = context.ROOT / PACKAGES, Path(sys.prefix) / _STAMP
    if stamp.is_file() and stamp.read_bytes() == wanted.read_bytes():
        return
    console.line("· installing what the tests need (once)")
    _install_packages(c, wanted)
    stamp.write_bytes(wanted.read_bytes())


def _install_packages(c: Context, wanted: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command = shlex.join([*pip, "--require-hashes", "-r", str(wanted)])
    given = {"env": child.installer(), "replace_env": True}
    ended = c.run(command, warn=True, hide=True, in_stream=False, **given)
    if ended is not None and ended.exited:
        raise Unavailable(
            "what the tests need could not be installed",
            ended.stderr.strip()[-600:],
            f"pip install -r {wanted.name}",
        )
