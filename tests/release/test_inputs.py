"""What a release notes of the checkout that it is made from."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from xswarm_deploy.release import inputs
from xswarm_deploy.settings.project import Names
from xswarm_deploy.settings.settings import Settings


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@b.test"]
    ended = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return ended.stdout.strip()


@pytest.mark.needs("git")
def test_a_commit_is_noted_where_the_files_are_its_own(tmp_path: Path) -> None:
    assert inputs.commit(tmp_path) == ""
    git(tmp_path, "init", "-q")
    assert inputs.commit(tmp_path) == ""
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    assert inputs.commit(tmp_path) == git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("2")
    assert inputs.commit(tmp_path) == ""


def test_a_release_in_a_hurry_is_resumed_without_its_flag(
    settings: Callable[..., Settings],
) -> None:
    made = settings()
    fast = replace(made, project=made.project._replace(fast=True))
    other = replace(made, project=made.project._replace(uses=Names("r2")))
    assert inputs._settings(fast) == inputs._settings(made) != inputs._settings(other)
