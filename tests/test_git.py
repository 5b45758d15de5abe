from __future__ import annotations

from pathlib import Path

import pytest

from tests.adoption.repositories import committed, file
from xswarm_deploy import child, git
from xswarm_deploy.adoption import doctor, found, tree
from xswarm_deploy.errors import Refused
from xswarm_deploy.release import inputs, release
from xswarm_deploy.steps import pages


def test_a_machine_without_git_releases_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    release.author.cache_clear()
    assert release.author()
    release.author.cache_clear()
    assert inputs.commit(tmp_path) == ""
    assert pages.commit_hash(tmp_path) == ""


def test_a_checkout_of_another_user_is_told_as_git_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git's own tests let it take every folder for another's by this variable (git, t0033)."""
    another = "GIT_TEST_ASSUME_DIFFERENT_OWNER"
    file(tmp_path, "a", "a")
    committed(tmp_path)
    assert git.unread(tmp_path) == ("", "")
    monkeypatch.setattr(child, "_NEEDED", (*child._NEEDED, another))
    monkeypatch.setenv(another, "1")
    why, way_on = git.unread(tmp_path)
    assert why.startswith("detected dubious ownership")
    assert way_on == f"git config --global --add safe.directory {tmp_path}"
    with pytest.raises(Refused, match="git does not read the checkout"):
        found.look(tmp_path, None)
    assert tree.top(tmp_path) == tmp_path  # a release goes on
    assert doctor._git(tmp_path)[2] == way_on


def test_a_folder_without_git_is_no_checkout_that_is_not_read(tmp_path: Path) -> None:
    assert git.unread(tmp_path) == ("", "")
    assert tree.top(tmp_path) == tmp_path
