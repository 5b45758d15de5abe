"""Measure a sync of 30 secrets (`python benchmarks/secrets_sync.py`).

Compared is what both do: 30 values become a version that is live, from a cold start of the
program to its end. The peer is `wrangler secret bulk`; at least 5 times faster. `inv secrets`
adds what the peer has not: the lock, the journal, and the verification before the traffic
moves; its whole time is printed for those who ask what that costs.
Everything runs in a copy of the project with a twin of its own, which is ended at the end.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks.deployments import Wrangler, median, row, wall  # noqa: E402 - the path first
from tests.deploy.conftest import House, build  # noqa: E402 - the path first

SECRETS, RUNS = 30, 7
# The step's own call, as `inv secrets` makes it, and the traffic to the version it made.
SYNC = """
import json, sys
from pathlib import Path
import yaml
from deployment.secret import Secret
from deployment.settings import load
from deployment.steps import secrets, worker
from deployment.steps.site import Site
from deployment.steps.step import Change

root = Path.cwd()
values = yaml.safe_load((root / "invoke.yaml").read_text())["deploy"]
site = Site(load("local", values, root, {}), facts={"release": "benchmark"})
site.staged.update({name: Secret(text, name) for name, text in json.load(sys.stdin).items()})
live = worker.live_split(site)
change = Change("secrets", "30 secrets", "update", after={"over": next(iter(live))})
version = secrets.apply(site, change)["version"]
worker.shift(site, {version: 100.0}, "benchmark")
"""


def main() -> None:
    """Print each figure beside its peer's, and their ratio."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        house = build(Path(folder) / "house")
        try:
            compare(house, Path(folder))
        finally:
            house.inv("sandbox.down")


def compare(house: House, scratch: Path) -> None:
    """Send by turns, with other values each time."""
    house.inv("deploy.local", "--message", "warm up")
    wrangler = Wrangler(house, scratch)
    file = scratch / "secrets.json"
    ours, theirs, whole = [], [], []
    for _ in range(RUNS):
        values = fresh()
        ours.append(wall(lambda: sync(house, values)))  # noqa: B023 - called at once
        file.write_text(json.dumps(fresh()))
        theirs.append(wall(lambda: wrangler.run("secret", "bulk", str(file), "--name", "boss-ai")))
        house.inv("deploy.local")
        change_one(house)
        whole.append(wall(lambda: house.inv("secrets")))
    row("sync of 30 secrets, s", median(ours), "wrangler bulk", median(theirs), "≤ 0.20 ×")
    row("inv secrets, s", median(whole), "wrangler bulk", median(theirs), "(verified, too)")


def sync(house: House, values: dict[str, str]) -> None:
    """Send secrets by a program of its own; they go by its standard input."""
    command = [sys.executable, "-c", SYNC]
    text = json.dumps(values)
    done = subprocess.run(
        command, cwd=house.root, input=text, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)


def fresh() -> dict[str, str]:
    """Give thirty new values."""
    return {f"BENCHMARK_{number}": secrets.token_hex(16) for number in range(SECRETS)}


def change_one(house: House) -> None:
    """Give the twin's environment another token."""
    file = house.root / ".sandbox/endpoints.env"
    kept = [line for line in file.read_text().splitlines() if not line.startswith("ADMIN_TOKEN=")]
    file.write_text("\n".join([*kept, f"ADMIN_TOKEN={secrets.token_hex(24)}", ""]))


if __name__ == "__main__":
    main()
