"""The command that builds a Worker is a person's own, and runs as its shell would run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from xswarm_deploy.cli import building
from xswarm_deploy.errors import StepFailed


def test_commands_are_joined_as_people_join_them(tmp_path: Path) -> None:
    building._build('echo "a b" > one && cp one two', tmp_path, "staging")
    assert (tmp_path / "two").read_text() == "a b\n"


def test_the_part_of_wranglers_file_is_known_to_it(tmp_path: Path) -> None:
    building._build("echo $CLOUDFLARE_ENV $CI > told", tmp_path, "staging")
    assert (tmp_path / "told").read_text() == "staging 1\n"


def test_what_fails_ends_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="the build failed: echo no such file && false") as told:
        building._build("echo no such file && false", tmp_path, "")
    assert "no such file" in told.value.why
    assert str(tmp_path) in told.value.remedy
