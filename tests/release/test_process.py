from __future__ import annotations

import subprocess
import sys

import pytest

from xswarm_deploy.release import process

NAMING = "from xswarm_deploy.release import process; print(process.identity())"


def test_this_process_lives() -> None:
    assert process.identity()
    assert not process.is_dead(process.identity())


def test_one_that_ended_here_is_dead() -> None:
    ended = subprocess.run([sys.executable, "-c", NAMING], capture_output=True, text=True)
    assert process.is_dead(ended.stdout.strip())


def test_a_number_that_was_given_again_is_another_process() -> None:
    here, number, started = process.identity().split(" ")
    assert process.is_dead(f"{here} {number} {int(started) + 1}")


@pytest.mark.parametrize("named", ["", "another-boot/1 1 2", "nonsense"])
def test_of_others_nobody_knows(named: str) -> None:
    assert not process.is_dead(named)
