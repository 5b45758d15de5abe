"""Users meet nothing of it: a release, one that fails, canaries good and bad, a rollback."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.deploy.load import load, wrk
from tests.support.house import House, ask_canaries_one_route

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


@pytest.fixture(scope="module")
def gradual(deployed: House) -> House:
    """Return a house whose releases are canaries: 10 %, 50 %, then all; they ask one route."""
    ask_canaries_one_route(deployed.root, "/api/suggestions")
    file = deployed.root / "invoke.yaml"
    text = file.read_text()
    assert "canary: [] " in text
    steps = "canary: [{percent: 10, soak: 1}, {percent: 50}]"
    file.write_text(text.replace("canary: [] ", f"{steps} ", 1))
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


def middle(url: str) -> float:
    """Measure the median of a route, in seconds."""
    times = []
    with requests.Session() as session:
        for _ in range(80):
            began = time.monotonic()
            assert session.get(url, timeout=60).status_code == 200
            times.append(time.monotonic() - began)
    return statistics.median(times)


def test_one_that_is_30_percent_slower_is_stopped(gradual: House) -> None:
    before = gradual.version()
    noticed = 0.010  # less than 5 ms stops nobody
    seconds = max(0.3 * middle(f"{gradual.url}/api/suggestions"), noticed)
    with edited(gradual, SLOW.format(seconds=seconds)):
        ended = gradual.inv("deploy.local", check=False)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "canary at 10 %" in ended.stderr
    assert gradual.version() == before


@pytest.mark.needs("wrk")
def test_wrk_meets_no_failure_whatever_happens(gradual: House) -> None:
    """An equal version that passes all steps, one that fails at the first, one that never
    starts, and a rollback.
    """
    first = gradual.version()
    main = gradual.root / "worker/src/main.py"
    text = main.read_text()
    with wrk(f"{gradual.url}/health/live") as users:
        gradual.inv("deploy.local", "--message", "under load")
        second = gradual.version()
        with edited(gradual, FAILING):
            canary = gradual.inv("deploy.local", check=False)
        main.write_text(f"{text}raise RuntimeError('broken at import')\n")
        try:
            broken = gradual.inv("deploy.local", check=False)
        finally:
            main.write_text(text)
        gradual.inv("rollback", "--version", first, "--yes")
    assert (canary.returncode, broken.returncode) == (3, 3), canary.stderr + broken.stderr
    assert "canary at 10 %" in canary.stderr
    assert "/api/suggestions" in canary.stderr
    assert "broken at import" in broken.stderr
    assert (second != first, gradual.version()) == (True, first)
    assert gradual.json("worker.status")["split"] == {first: 100.0}
    assert users.failed == "", users.said
    assert users.requests > 1000


def test_a_canary_by_hand_is_promoted_or_aborted(gradual: House) -> None:
    first = gradual.version()
    with load(f"{gradual.url}/health", users=2) as users:
        gradual.inv("worker.canary", "--percent", "25", "--soak", "0", "--message", "by hand")
        split = gradual.json("worker.status")["split"]
        assert sorted(split.values()) == [25.0, 75.0]
        refused = gradual.inv("deploy.local", check=False)
        assert refused.returncode == 1
        assert "worker.promote" in refused.stdout
        assert gradual.json("worker.status")["split"] == split
        gradual.inv("worker.abort")
        assert gradual.json("worker.status")["split"] == {first: 100.0}
        gradual.inv("worker.canary", "--percent", "25", "--soak", "0")
        gradual.inv("worker.promote")
    (new,) = gradual.json("worker.status")["split"]
    assert new != first
    assert gradual.version() == new
    assert users.failed == {}
