"""Measure ours against wrangler and a bare Invoke: python benchmarks/deployments.py.

(a) CPU time of `inv --list` against a bare Invoke collection: at most 1.25 times.
(b) Wall time of a second `inv deploy.local` (nine steps) against `wrangler deploy` alone, on the
    same twin and the same Worker: the aim is 1.1 times.
(c) Wall time of `inv rollback` against `wrangler rollback`: the aim is a quarter of it.

Everything runs in a copy of the project with a twin of its own, which is ended at the end.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

from tests.support.house import House, temporary_house  # noqa: E402 - the path first
from xswarm_deploy.bundling import library, programs  # noqa: E402

LIST_RUNS, DEPLOY_RUNS, BACK_RUNS = 15, 5, 15
# Python caches what it compiled, on everybody's machine; so it does here.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
BARE = """
from invoke import task

@task
def hello(c):
    '''Say hello.'''
"""


def main() -> None:
    """Print each figure beside its peer's, and their ratio."""
    with temporary_house() as house:
        list_cpu(house.root.parent / "bare")
        deployments(house, house.root.parent)


def list_cpu(bare: Path) -> None:
    """Compare what `inv --list` costs with a collection of one task."""
    bare.mkdir()
    (bare / "tasks.py").write_text(BARE)
    command = [sys.executable, "-m", "invoke", "--list"]
    ours, theirs = [], []
    for _ in range(LIST_RUNS):
        ours.append(cpu(["./inv", "--list"], PROJECT))
        theirs.append(cpu(command, bare))
    row("inv --list, CPU ms", median(ours) * 1e3, "bare invoke", median(theirs) * 1e3, "≤ 1.25 ×")


def deployments(house: House, scratch: Path) -> None:
    """Compare deploying and going back."""
    house.inv("deploy.local", "--message", "warm up")
    wrangler = Wrangler(house, scratch)
    deploy = ("deploy", "--config", str(wrangler.config))
    wrangler.run(*deploy)
    ours, theirs = [], []
    for _ in range(DEPLOY_RUNS):
        ours.append(wall(partial(house.inv, "deploy.local")))
        theirs.append(wall(partial(wrangler.run, *deploy)))
    row("deploy.local, s", median(ours), "wrangler deploy", median(theirs), "≤ 1.1 ×")
    house.inv("deploy.local")
    going_back(house, wrangler)


def going_back(house: House, wrangler: Wrangler) -> None:
    """Go to the version of before by ours, and to the newer one by wrangler, in turns."""
    newer, older, *_ = [r["version"] for r in house.releases() if r["status"] == "succeeded"]
    words = ("rollback", newer, "--name", "boss-ai", "-y", "--message", "bench")
    ours, theirs = [], []
    for _ in range(BACK_RUNS):
        ours.append(wall(partial(house.inv, "rollback", "--version", older, "--yes")))
        theirs.append(wall(partial(wrangler.run, *words)))
    row("rollback, s", median(ours), "wrangler rollback", median(theirs), "≤ 0.25 ×")


class Wrangler:
    """Run real wrangler against the house's twin, on the folder that ours uploads."""

    def __init__(self, house: House, scratch: Path) -> None:
        self.house = house
        self.folder = scratch / "worker"
        shutil.copytree(house.root / "worker", self.folder)
        modules = next((house.root / ".deployments/cache").glob("python-modules-*"))
        shutil.copytree(modules, self.folder / "python_modules")
        library.vendor(self.folder / "python_modules")
        self.config = self.folder / "wrangler.jsonc"
        status = house.status
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(scratch),
            "CI": "1",
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_LOG_SANITIZE": "true",
            "CLOUDFLARE_API_BASE_URL": str(status["CLOUDFLARE_API_BASE_URL"]),
            "CLOUDFLARE_API_TOKEN": str(status["api_token"]),
            "CLOUDFLARE_ACCOUNT_ID": str(status["account_id"]),
        }

    def run(self, *words: str) -> None:
        """Run one command of wrangler's."""
        program = PROJECT / "node_modules/wrangler/bin/wrangler.js"
        done = subprocess.run(
            [str(programs.node()), str(program), *words],
            cwd=self.folder,
            text=True,
            env=self.environment,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise SystemExit(f"wrangler {words[0]} failed:\n{done.stdout}{done.stderr}")


def cpu(command: Sequence[str], folder: Path) -> float:
    """Return the CPU seconds a command and its children take."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, capture_output=True, check=True, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wall(act: Callable[[], object]) -> float:
    """Return the seconds something takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def median(values: Sequence[float]) -> float:
    """Return the middle one."""
    return statistics.median(values)


def row(ours: str, figure: float, peer: str, theirs: float, aim: str) -> None:
    """Print one comparison."""
    ratio = figure / theirs
    print(f"{ours:<22} {figure:8.2f}   {peer:<18} {theirs:8.2f}   {ratio:5.2f} ×   aim {aim}")


if __name__ == "__main__":
    main()
