"""Measure a sync of 30 secrets (`python benchmarks/secrets_sync.py`).

Compared is what both do: 30 values become a version that is live, on a Worker in JavaScript.
The peer is `wrangler secret bulk`, which is a program to start wherever it is used; ours is a
call inside the release, by then under way: at least 5 times faster. Two more rows say what
ours costs as a program of its own: the sync alone, and `inv secrets`, which adds the lock, the
journal, and the verification before the traffic moves.
Everything runs in a copy of the project with a twin of its own, which is ended at the end.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from benchmarks import installed  # noqa: E402 - the path first

installed.require()

from benchmarks.deployments import Wrangler, median, row, wall  # noqa: E402 - the path first
from tests.support.house import House, temporary_house  # noqa: E402 - the path first

SECRETS, RUNS = 30, 7
NAME = "hello-javascript"
# The step's own call, as `inv secrets` makes it, and the traffic to the version it made.
SYNC = """
import json, sys, time
from pathlib import Path
import yaml
from xswarm_deploy.secret import Secret
from xswarm_deploy.model.state import ReleaseState
from xswarm_deploy.settings.settings import load
from xswarm_deploy.steps import secrets, traffic
from xswarm_deploy.site import Site

root = Path.cwd()
values = yaml.safe_load((root / "invoke.yaml").read_text())["deploy"]
values["worker"]["name"] = "hello-javascript"
site = Site(load("local", values, root, {}), ReleaseState({"release": "benchmark"}))
site.staged.update({name: Secret(text, name) for name, text in json.load(sys.stdin).items()})
site.cloudflare
began = time.perf_counter()
live = traffic.live_split(site)
change = secrets.UPDATE.change("30 secrets", after=secrets.Sent(over=next(iter(live))))
version = secrets.apply(site, change)["version"]
traffic.shift(site, {version: 100.0}, "benchmark")
print(time.perf_counter() - began)
"""
CHOSEN: dict[str, Any] = {
    "INVOKE_DEPLOY_WORKER_NAME": NAME,
    "INVOKE_DEPLOY_WORKER_CONFIG": "tests/fixtures/javascript/wrangler.jsonc",
}


def main() -> None:
    """Print each figure beside its peer's, and their ratio."""
    with temporary_house() as house:
        compare(house, house.root.parent)


def compare(house: House, scratch: Path) -> None:
    """Send by turns, with other values each time."""
    house.inv("deploy.local", "--message", "warm up")
    house.inv("deploy.local", "--message", "warm up", **CHOSEN)
    wrangler = Wrangler(house, scratch)
    file = scratch / "secrets.json"
    inside, ours, theirs, whole = [], [], [], []
    for _ in range(RUNS):
        ours.append(wall(lambda: inside.append(sync(house, fresh()))))
        file.write_text(json.dumps(fresh()))
        theirs.append(wall(lambda: wrangler.run("secret", "bulk", str(file), "--name", NAME)))
        house.inv("deploy.local", **CHOSEN)
        change_one(house)
        whole.append(wall(lambda: house.inv("secrets", **CHOSEN)))
    peer = median(theirs)
    row("30 in a release, s", median(inside), "wrangler bulk", peer, "≤ 0.20 ×")
    row("30 from cold, s", median(ours), "wrangler bulk", peer, "(to know)")
    row("inv secrets, s", median(whole), "wrangler bulk", peer, "(verified, too)")


def sync(house: House, values: dict[str, str]) -> float:
    """Send secrets, which go by standard input; return the seconds of the calls alone."""
    command = [sys.executable, "-c", SYNC]
    text = json.dumps(values)
    done = subprocess.run(
        command, cwd=house.root, input=text, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout)


def fresh() -> dict[str, str]:
    """Return thirty new values."""
    return {f"BENCHMARK_{number}": secrets.token_hex(16) for number in range(SECRETS)}


def change_one(house: House) -> None:
    """Set another token in the twin's environment."""
    file = house.root / ".sandbox/endpoints.env"
    kept = [line for line in file.read_text().splitlines() if not line.startswith("ADMIN_TOKEN=")]
    file.write_text("\n".join([*kept, f"ADMIN_TOKEN={secrets.token_hex(24)}", ""]))


if __name__ == "__main__":
    main()
