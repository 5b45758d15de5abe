"""Users meet nothing of it: a release, one that fails, canaries good and bad, a rollback."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.deploy.conftest import House
from tests.deploy.load import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

APP = "worker/src/boss/app.py"
PLACE = "        response = await match.route.handler(context)\n"
FAILING = """
        if request.path == "/api/suggestions":
            self.turn = getattr(self, "turn", 0) + 1
            if self.turn % 20 == 0:
                raise RuntimeError("one in twenty fails")
"""
SLOW = """
        if request.path == "/api/suggestions":
            import asyncio
            await asyncio.sleep({seconds})
"""


@pytest.fixture
def gradual(deployed: House) -> House:
    """Give a house whose releases are canaries: 10 %, 50 %, then all."""
    file = deployed.root / "invoke.yaml"
    text = file.read_text()
    steps = "canary: [{percent: 10, soak: 1}, {percent: 50}]"
    lines = [steps if "canary: []" in line else line for line in text.splitlines()]
    file.write_text("\n".join("    " + line if line == steps else line for line in lines) + "\n")
    return deployed


@contextmanager
def edited(house: House, inserted: str) -> Iterator[None]:
    """Insert code before every answer, for a while."""
    file = house.root / APP
    before = file.read_text()
    assert PLACE in before
    file.write_text(before.replace(PLACE, inserted.lstrip("\n") + PLACE))
    try:
        yield
    finally:
        file.write_text(before)


def canary_told(house: House) -> str:
    """Give what the last release's audit events say of canaries."""
    return json.dumps(house.json("deploy.show", house.releases()[0]["release"]))


def middle(url: str) -> float:
    """Measure the median of a route, in seconds."""
    times = []
    with requests.Session() as session:
        for _ in range(80):
            began = time.monotonic()
            assert session.get(url, timeout=10).status_code == 200
            times.append(time.monotonic() - began)
    return statistics.median(times)


def test_an_equal_version_passes_all_steps_and_nobody_notices(gradual: House) -> None:
    first = gradual.version()
    with load(f"{gradual.url}/health", users=2) as users:
        gradual.inv("deploy.local", "--message", "equal")
        second = gradual.version()
        with edited(gradual, FAILING):
            failed = gradual.inv("deploy.local", check=False)
        gradual.inv("rollback", "--version", first, "--yes")
    assert failed.returncode == 3, failed.stdout + failed.stderr
    assert "canary at 10 %" in failed.stderr
    assert "/api/suggestions" in failed.stderr
    assert users.failed == {}
    assert users.total > 100
    assert {first, second} <= users.versions
    assert gradual.version() == first
    assert gradual.json("worker.status")["split"] == {first: 100.0}


def test_one_that_is_30_percent_slower_is_stopped(gradual: House) -> None:
    before = gradual.version()
    seconds = 0.3 * middle(f"{gradual.url}/api/suggestions")
    with edited(gradual, SLOW.format(seconds=seconds)):
        ended = gradual.inv("deploy.local", check=False)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "canary at 10 %" in ended.stderr
    assert gradual.version() == before


def test_a_canary_by_hand_is_promoted_or_aborted(deployed: House) -> None:
    first = deployed.version()
    with load(f"{deployed.url}/health", users=2) as users:
        deployed.inv("worker.canary", "--percent", "25", "--soak", "0", "--message", "by hand")
        split = deployed.json("worker.status")["split"]
        assert sorted(split.values()) == [25.0, 75.0]
        refused = deployed.inv("deploy.local", check=False)
        assert refused.returncode in (2, 3)
        assert "worker.promote" in refused.stderr
        assert deployed.json("worker.status")["split"] == split
        deployed.inv("worker.abort")
        assert deployed.json("worker.status")["split"] == {first: 100.0}
        deployed.inv("worker.canary", "--percent", "25", "--soak", "0")
        deployed.inv("worker.promote")
    (new,) = deployed.json("worker.status")["split"]
    assert new != first
    assert deployed.version() == new
    assert users.failed == {}
