"""Measure what a release costs beside its providers' calls.

python benchmarks/releases.py

A release waits for others: Cloudflare, the database, Stripe, Twilio, SendGrid, Slack, the Worker
that is verified, wrangler that bundles; and it backs the database up. All the rest is the price of
being a transaction: lock, journal, ledger, audit trail, plans, comparing, printing. The share of
that must stay under 10 % of the whole. Writes of lock, ledger and audit trail go to the database,
and still count as ours. Loading Python's modules is no part of a release; it is printed beside.

It runs in a copy of the project with a twin of its own, on loopback, where providers answer in a
millisecond or two: with real ones our share is smaller.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import pkgutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
RUNS = 7
AIM = 0.10
Interval = tuple[float, float]


def main() -> None:
    """Deploy several times, and print our share of each and of the middle one."""
    sys.path.insert(0, str(PROJECT))
    from benchmarks import installed

    installed.require()
    from tests.support.house import temporary_house

    with temporary_house() as house:
        house.inv("deploy.local", "--message", "warm up")
        figures = house.root.parent / "figures.json"
        found = [measured(house.root, figures) for _ in range(RUNS)]
    print("release, s   others, s   ours, s    ours    of it lock, ledger, audit, s")
    for whole, ours, written, _ in found:
        print(row(whole, ours, written))
    middle = sorted(found, key=lambda figures: figures[1] / figures[0])[RUNS // 2]
    print(f"\n{row(*middle[:3])}   the middle one, aim < {AIM:.0%}")
    print(f"beside: loading modules {statistics.median(f[3] for f in found):.2f} s")


def row(whole: float, ours: float, written: float) -> str:
    """Print one release's figures."""
    return (
        f"{whole:10.2f}   {whole - ours:9.2f}   {ours:7.3f}   {ours / whole:5.1%}   {written:10.3f}"
    )


def measured(root: Path, figures: Path) -> tuple[float, float, float, float]:
    """Deploy once; return the seconds of the release, of ours, of writing, of loading modules."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("INVOKE_")}
    subprocess.run(
        [sys.executable, __file__, "--inside", str(figures)],
        cwd=root,
        env=environment,
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    whole, ours, written, loading = json.loads(figures.read_text())
    return whole, ours, written, loading


def inside(figures: Path) -> None:
    """Deploy in this process, with every call to others timed."""
    sys.path.insert(0, str(Path.cwd()))
    import requests

    from xswarm_deploy.cli import program
    from xswarm_deploy.release import audit, deployment, ledger, lock
    from xswarm_deploy.release.current import current
    from xswarm_deploy.release.transaction import transaction
    from xswarm_deploy.steps import backup

    others: list[Interval] = []
    written: list[Interval] = []
    whole: list[Interval] = []
    began = time.perf_counter()
    load_all()
    loading = time.perf_counter() - began
    watch(requests.Session, "send", others)
    watch(requests.Session, "request", others)
    watch(backup, "apply", others)
    watch(subprocess, "run", others)
    for owner, name in (
        (ledger.Ledger, "_write"),
        (ledger, "prepare"),
        (ledger, "records"),
        (ledger, "unended"),
        (ledger, "entries"),
        (lock, "acquire"),
        (lock.Lease, "release"),
        (audit.Trail, "add"),
        (audit, "last"),
    ):
        watch(owner, name, written, as_ours=True)

    @contextmanager
    def timed_release(*given: Any, **named: Any) -> Iterator[Any]:
        outermost, began = current() is None, time.perf_counter()
        with transaction(*given, **named) as running:
            yield running
        if outermost:
            whole.append((began, time.perf_counter()))

    setattr(deployment, "transaction", timed_release)  # noqa: B010 - it is imported there
    watch(deployment, "report_success", whole)
    sys.argv = ["inv", "deploy.local"]
    try:
        program.main()
    finally:
        seconds = length(whole)
        ours = seconds - length(within(others, whole))
        figures.write_text(json.dumps([seconds, ours, length(written), loading]))


def load_all() -> None:
    """Load what a release loads."""
    import xswarm_deploy

    for package in ("release", "steps", "services", "database", "bundling", "verification"):
        path = [str(Path(str(xswarm_deploy.__file__)).parent / package)]
        for module in pkgutil.walk_packages(path, f"xswarm_deploy.{package}."):
            importlib.import_module(module.name)
    importlib.import_module("turso_python")


_ours: ContextVar[bool] = ContextVar("ours", default=False)


def watch(owner: Any, name: str, into: list[Interval], *, as_ours: bool = False) -> None:
    """Time every call of a function; what is sent for the ledger is nobody else's time."""
    call: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(call)
    def timed(*given: Any, **named: Any) -> Any:
        if _ours.get() or threading.current_thread().name == "lease":
            return call(*given, **named)
        token = _ours.set(as_ours)
        began = time.perf_counter()
        try:
            return call(*given, **named)
        finally:
            into.append((began, time.perf_counter()))
            _ours.reset(token)

    setattr(owner, name, timed)


def within(intervals: Sequence[Interval], spans: Sequence[Interval]) -> list[Interval]:
    """Return the parts of intervals that lie in spans."""
    cut = [(max(start, span[0]), min(end, span[1])) for start, end in intervals for span in spans]
    return [(start, end) for start, end in cut if start < end]


def length(intervals: Sequence[Interval]) -> float:
    """Return the seconds that intervals cover together, however they overlap."""
    covered, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


if __name__ == "__main__":
    inside(Path(sys.argv[2])) if sys.argv[1:2] == ["--inside"] else main()
