"""Releases on a bad day: each ends wholly old or wholly new, and its users notice nothing.

``DEGRADED=20`` makes twenty, every other one of a Worker that fails; the suite makes one. All calls
are refused for seconds here where Cloudflare refuses them for minutes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.deploy.load import Load, load
from tests.deploy.test_canary_load import edited
from tests.deploy.world import observe
from tests.support.house import House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

RUNS = int(os.environ.get("DEGRADED", "1"))
LATE, LIMITED = (3, 20) if RUNS > 1 else (1, 5)  # seconds
CHANGED = "\n        self.degraded = {}\n"
BROKEN = '\n        raise RuntimeError("broken {}")\n'


@contextmanager
def bad_day(house: House) -> Iterator[Load]:
    """Let production have one while users ask for the version."""
    state = json.loads((house.root / ".sandbox/state.json").read_text())
    keys = json.loads((house.root / ".sandbox/credentials.json").read_text())
    url = f"http://127.0.0.1:{state['ports']['api']}/__sandbox/profile"
    headers = {"Authorization": f"Bearer {keys['CLOUDFLARE_API_TOKEN']}"}
    profile = {"name": "degraded", "seconds": LATE, "limited": LIMITED}
    with load(f"{house.url}/health", users=1) as users:
        requests.put(url, json=profile, headers=headers, timeout=60).raise_for_status()
        try:
            yield users
        finally:
            requests.delete(url, headers=headers, timeout=60).raise_for_status()


@pytest.mark.parametrize("run", range(RUNS))
def test_a_release_on_a_bad_day_is_whole_or_was_never(deployed: House, run: int) -> None:
    sound = run % 2 == 0
    before, first = observe(deployed.root), deployed.version()
    with (
        edited(deployed, (CHANGED if sound else BROKEN).format(run)),
        bad_day(deployed) as users,
    ):
        ended = deployed.inv("deploy.local", check=False)
    told = ended.stdout + ended.stderr
    now = deployed.version()
    if sound:
        assert (ended.returncode, now != first) == (0, True), told
        assert deployed.json("worker.status")["split"] == {now: 100.0}
    else:
        assert (ended.returncode, now) == (3, first), told
        assert observe(deployed.root) == before
    assert users.failed == {}
    assert users.versions <= {first, now}
