"""Measure how much of its requests' time verification takes (`python benchmarks/verify.py`).

Everything is asked at once, so the whole takes less than its requests do one after the other.
The peer is the sum of the times of the same requests in the same run. Printed for the full
verification, as the gate before the traffic runs it, and for `--quick`.
Everything runs in a copy of the project with a twin of its own, which is ended at the end.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

from benchmarks.deployments import median, row  # noqa: E402 - the path first
from tests.support.house import House, temporary_house  # noqa: E402 - the path first

RUNS = 7
# Runs in the copy of the project; prints seconds in all, and seconds of all requests.
ONE_RUN = """
import sys, time
from pathlib import Path
import yaml
from xswarm_deploy.services.http import Http
from xswarm_deploy.settings.settings import load
from xswarm_deploy.steps import traffic
from xswarm_deploy.verification import verify
from xswarm_deploy.site import Site
from xswarm_deploy.verification.asker import Asker

spent = []

def timed(method):
    def call(*given, **named):
        began = time.perf_counter()
        try:
            return method(*given, **named)
        finally:
            spent.append(time.perf_counter() - began)
    return call

Asker.once, Http.call = timed(Asker.once), timed(Http.call)
root = Path.cwd()
values = yaml.safe_load((root / "invoke.yaml").read_text())["deploy"]
site = Site(load("local", values, root, {}))
target = verify.dark(site, next(iter(traffic.live_split(site))))
spent.clear()
began = time.perf_counter()
report = verify.run(site, target, quick=sys.argv[1] == "quick")
print(time.perf_counter() - began, sum(spent), len(spent))
sys.exit(not report.ok)
"""


def main() -> None:
    """Print each figure beside the sum of its requests, and their ratio."""
    with temporary_house() as house:
        house.inv("deploy.local", "--message", "warm up")
        for kind in ("full", "quick"):
            compare(house, kind)


def compare(house: House, kind: str) -> None:
    """Verify several times, each in a new process."""
    walls, sums, requests = zip(*(verified(house, kind) for _ in range(RUNS)), strict=True)
    peer = f"{median(requests):.0f} requests"
    row(f"verify {kind}, s", median(walls), peer, median(sums), "≤ 1 ×")


def verified(house: House, kind: str) -> tuple[float, float, float]:
    """Return the seconds of one verification, of its requests, and their number."""
    command = [sys.executable, "-c", ONE_RUN, kind]
    done = subprocess.run(command, cwd=house.root, text=True, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    whole, requests, number = done.stdout.split()
    return float(whole), float(requests), float(number)


if __name__ == "__main__":
    main()
