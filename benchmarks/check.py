"""Measure the check against its slowest look (`python benchmarks/check.py`).

Every provider answers in 300 ms: the faults of the twin make it so. Everything is looked at
at once, so the whole takes about as long as the look that takes longest: at most 1.3 times.
The sum of all looks is printed, too: what they would take one after the other.
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

RUNS, SLOW, TIMES = 7, "slow:0.3", "100000"
PROVIDERS = ("anthropic", "openai", "stripe", "sendgrid", "twilio", "slack")
# Runs in the copy of the project; prints seconds in all, of the slowest look, of all looks.
ONE_RUN = """
import sys, time
from pathlib import Path
import yaml
from xswarm_deploy.settings.settings import load
from xswarm_deploy.preflight import check
from xswarm_deploy.site import Site

root = Path.cwd()
values = yaml.safe_load((root / "invoke.yaml").read_text())["deploy"]
site = Site(load("local", values, root, {}))
began = time.perf_counter()
report = check.run(site)
took = time.perf_counter() - began
looks = [finding.milliseconds / 1000 for finding in report.findings]
print(took, max(looks), sum(looks))
sys.exit(not report.ok)
"""


def main() -> None:
    """Print the figure beside the slowest look, and their ratio."""
    with temporary_house() as house:
        house.inv("deploy.local", "--message", "warm up")
        slow(house)
        compare(house)


def slow(house: House) -> None:
    """Let every provider take its 300 ms, and Cloudflare, too."""
    for provider in PROVIDERS:
        house.inv("sandbox.fault", provider, SLOW, "--times", TIMES)
    house.inv("sandbox.fault", "cloudflare", SLOW, "--times", TIMES, "--path", ".")


def compare(house: House) -> None:
    """Check several times, each in a new process."""
    walls, slowest, sums = zip(*(checked(house) for _ in range(RUNS)), strict=True)
    row("check, s", median(walls), "its slowest look", median(slowest), "≤ 1.3 ×")
    row("check, s", median(walls), "sum of its looks", median(sums), "(to know)")


def checked(house: House) -> tuple[float, float, float]:
    """Return the seconds of one check, of its slowest look, and of all looks together."""
    command = [sys.executable, "-c", ONE_RUN]
    done = subprocess.run(command, cwd=house.root, text=True, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    whole, slowest, looks = done.stdout.split()
    return float(whole), float(slowest), float(looks)


if __name__ == "__main__":
    main()
