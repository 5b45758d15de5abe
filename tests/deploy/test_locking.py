"""One deployer at a time: races, and locks put on and taken off by hand."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.deploy.world import observe, site_of
from tests.support.house import House
from xswarm_deploy.database.client import Database
from xswarm_deploy.release import lock
from xswarm_deploy.release.lock import Holder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

RACES = int(os.environ.get("DEPLOY_RACES", "2"))
LOCKED = 5


def test_of_two_at_the_same_moment_one_wins_and_the_other_changes_nothing(deployed: House) -> None:
    for _ in range(RACES):
        before, releases = deployed.version(), len(deployed.releases())
        both = [deployed.start("deploy.local", "--message", name) for name in ("one", "two")]
        outputs = [each.communicate(timeout=240)[0] for each in both]
        codes = [each.returncode for each in both]
        assert sorted(codes) == [0, LOCKED], outputs
        loser = outputs[codes.index(LOCKED)]
        assert re.search(r"why: +\S+@\S+ since .* UTC \(\d+ s\): deploy 2", loser), loser
        assert "nothing was changed" in loser
        assert len(deployed.releases()) == releases + 1
        assert deployed.version() != before


def test_the_loser_is_told_what_the_winner_is_doing(deployed: House) -> None:
    winner = deployed.start("deploy.local")
    try:
        with caught_in_the_act(deployed, winner):
            told = deployed.json("local", "deploy.status")
            ended = deployed.inv("local", "webhooks", check=False)
        assert ended.returncode == LOCKED
        assert f"now: {told['doing']}" in ended.stderr, ended.stderr
        assert told["locked_by"] in ended.stderr
        assert told["locked_since"] in ended.stderr
        assert told["interrupted"] == []
    finally:
        output, _ = winner.communicate(timeout=240)
    assert winner.returncode == 0, output


@contextmanager
def caught_in_the_act(house: House, running: subprocess.Popen[str]) -> Iterator[Holder]:
    """Stop a release while it changes something, and let it go on after the block."""
    with site_of(house.root).database as database:
        held = _doing(database, running)
    os.killpg(running.pid, signal.SIGSTOP)
    try:
        yield held
    finally:
        os.killpg(running.pid, signal.SIGCONT)


def _doing(database: Database, running: subprocess.Popen[str]) -> Holder:
    while running.poll() is None:
        held = lock.holder(database)
        if held and held.doing:
            return held
        time.sleep(0.002)
    raise AssertionError("it ended before it did anything")


def test_a_lock_by_hand_keeps_everybody_out(deployed: House) -> None:
    before = observe(deployed.root)
    deployed.inv("local", "deploy.lock", "--message", "a hotfix is being looked at")
    try:
        ended = deployed.inv("deploy.local", check=False)
        assert ended.returncode == LOCKED
        assert "a hotfix is being looked at" in ended.stderr
        assert "deploy.unlock" in ended.stderr
        again = deployed.inv("local", "deploy.lock", "--message", "me too", check=False)
        assert again.returncode == LOCKED
        told = deployed.json("local", "deploy.status")
        assert told["locked_for"] == "a hotfix is being looked at"
        refused = deployed.inv("local", "deploy.unlock", check=False)
        assert refused.returncode == 2
        assert "--yes" in refused.stderr
        assert deployed.json("local", "deploy.status")["locked_for"]
    finally:
        deployed.inv("local", "deploy.unlock", "--yes")
    assert deployed.json("local", "deploy.status")["lock"] == "free"
    assert "nothing to do" in deployed.inv("local", "deploy.unlock", "--yes").stdout
    assert observe(deployed.root) == before
    events = [event["event"] for event in deployed.json("local", "audit")]
    assert events[-2:] == ["lock", "unlock"]


def test_who_lost_the_lock_stops_and_leaves_the_rest_to_the_next(deployed: House) -> None:
    before = observe(deployed.root)
    running = deployed.start("deploy.local")
    try:
        with (
            caught_in_the_act(deployed, running) as held,
            site_of(deployed.root).database as database,
        ):
            assert lock.take_off(database, held)
    finally:
        output, _ = running.communicate(timeout=240)
    assert running.returncode in (4, LOCKED), output
    assert "lost its lock" in output
    ended = deployed.inv("local", "deploy.abort")
    assert "is undone" in ended.stdout
    assert observe(deployed.root) == before


def test_a_reason_is_needed(deployed: House) -> None:
    ended = deployed.inv("local", "deploy.lock", "--message", "", check=False)
    assert ended.returncode == 2
