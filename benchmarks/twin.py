"""Measure the twin beside ``wrangler dev`` (`python benchmarks/twin.py`).

Both serve the same Worker from the same folder, one after the other, several times: seconds from
the command to the Worker's first answer; then the memory of all their processes (resident, and the
proportional share where the system tells it), and what they compute while nobody asks them. The
twin is more: Cloudflare's API, libSQL's server and the providers' stand-ins are in its figures,
and its first answer is one of a Worker that was uploaded and deployed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

import psutil  # noqa: E402 - the path first
import requests  # noqa: E402 - the path first

from benchmarks.deployments import median, row  # noqa: E402 - the path first

RUNS = 3
IDLE = 20.0  # seconds
PATIENCE = 120.0
NAME = "shop"
CODE = "export default { fetch: () => new Response('hello') };"
CONFIG = {"name": NAME, "main": "index.js", "compatibility_date": "2026-01-01", "workers_dev": True}
BIN = PROJECT / "node_modules/.bin"
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # node is there
    "WRANGLER_SEND_METRICS": "false",
    "CI": "true",
}


@dataclass(frozen=True)
class Figures:
    """What one run took: seconds, MiB resident, MiB of its own share, percent of a core."""

    start: float
    resident: float
    share: float
    idle: float


def main() -> None:
    """Print the twin's figures beside its peer's."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-twin-"))
    try:
        (folder / "index.js").write_text(CODE)
        (folder / "wrangler.json").write_text(json.dumps(CONFIG))
        (folder / "node_modules").symlink_to(PROJECT / "node_modules")
        runs = [(of_twin(folder), of_dev(folder)) for _ in range(RUNS + 1)][
            1:
        ]  # the first warms up
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name, field in (("first answer, s", "start"), ("memory, MiB", "resident")):
        compare(name, field, runs, "(to know)")
    compare("memory, own share", "share", runs, "(to know)")
    compare("idle, % of a core", "idle", runs, "(to know)")


def compare(name: str, field: str, runs: list[tuple[Figures, Figures]], aim: str) -> None:
    """Print the medians of one figure."""
    ours, theirs = (median([getattr(pair[side], field) for pair in runs]) for side in (0, 1))
    row(name, ours, "wrangler dev", max(theirs, 0.01), aim)


def of_twin(folder: Path) -> Figures:
    """Measure the twin: up, the Worker deployed, its first answer."""
    shutil.rmtree(folder / ".sandbox", ignore_errors=True)
    command = [str(Path(sys.executable).with_name("xswarm-twin")), "--folder", str(folder)]
    began = time.perf_counter()
    subprocess.run([*command, "up", "--worker", NAME], check=True, capture_output=True)
    try:
        known = endpoints(folder)
        deployed = subprocess.run(
            [str(BIN / "wrangler"), "deploy"],
            cwd=folder,
            env={**ENVIRONMENT, **known},
            check=False,
            capture_output=True,
            text=True,
        )
        if deployed.returncode:
            raise SystemExit(deployed.stdout + deployed.stderr)
        answered(known["WORKER_URL"])
        took = time.perf_counter() - began
        supervisor = json.loads((folder / ".sandbox/state.json").read_text())["pid"]
        return figures(took, lambda: family(supervisor))
    finally:
        subprocess.run([*command, "down"], check=True, capture_output=True)


def of_dev(folder: Path) -> Figures:
    """Measure ``wrangler dev``."""
    port = free_port()
    command = [str(BIN / "wrangler"), "dev", "--port", str(port), "--inspector-port", "0"]
    began = time.perf_counter()
    started = subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        answered(f"http://127.0.0.1:{port}")
        return figures(time.perf_counter() - began, lambda: family(started.pid))
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        started.wait()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def endpoints(folder: Path) -> dict[str, str]:
    """Return the twin's addresses and keys."""
    lines = (folder / ".sandbox/endpoints.env").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    return {name: value.strip("\"'") for name, value in pairs}


def answered(url: str) -> None:
    """Wait for the Worker's answer."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if requests.get(url, timeout=5).text == "hello":
                return
        except requests.RequestException:
            pass
        time.sleep(0.05)
    raise SystemExit(f"✗ {url} did not answer within {PATIENCE:.0f} s")


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it has started."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def figures(start: float, processes: Callable[[], list[psutil.Process]]) -> Figures:
    """Look at processes that nobody asks anything."""
    time.sleep(2)
    before = computed(processes())
    time.sleep(IDLE)
    there = processes()
    resident = sum(one.memory_info().rss for one in there)
    share = sum(getattr(one.memory_full_info(), "pss", one.memory_info().rss) for one in there)
    return Figures(start, resident / 2**20, share / 2**20, (computed(there) - before) / IDLE * 100)


def computed(processes: list[psutil.Process]) -> float:
    """Return the seconds of computing of processes."""
    return sum(sum(one.cpu_times()[:2]) for one in processes)


if __name__ == "__main__":
    main()
