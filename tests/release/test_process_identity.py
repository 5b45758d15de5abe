from __future__ import annotations

import subprocess
import sys

import pytest

from xswarm_deploy.release import process_identity

NAMING = "from xswarm_deploy.release import process_identity as p; print(p.identity())"


def test_this_process_lives() -> None:
    assert process_identity.identity()
    assert not process_identity.is_dead(process_identity.identity())


def test_one_that_ended_here_is_dead() -> None:
    ended = subprocess.run([sys.executable, "-c", NAMING], capture_output=True, text=True)
    assert process_identity.is_dead(ended.stdout.strip())


def test_a_number_that_was_given_again_is_another_process() -> None:
    here, number, started = process_identity.identity().split(" ")
    assert process_identity.is_dead(f"{here} {number} {int(started) + 1}")


@pytest.mark.parametrize("named", ["", "another-boot/1 1 2", "nonsense"])
def test_of_others_nobody_knows(named: str) -> None:
    assert not process_identity.is_dead(named)
