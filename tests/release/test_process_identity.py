from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_one_that_the_system_hides_from_us_is_not_called_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague's on a machine whose /proc is mounted with hidepid=2 (proc(5))."""
    living = process_identity.identity()
    ended = subprocess.run([sys.executable, "-c", NAMING], capture_output=True, text=True)
    monkeypatch.setattr(process_identity, "_PROC", tmp_path)
    assert not process_identity.is_dead(living)
    assert process_identity.is_dead(ended.stdout.strip())


@pytest.mark.parametrize("named", ["", "another-boot/1 1 2", "nonsense"])
def test_of_others_nobody_knows(named: str) -> None:
    assert not process_identity.is_dead(named)
