"""Custody of the folder: one command at a time, and nothing of others is deleted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from xswarm_twin import folder, state_directory
from xswarm_twin.errors import Refused
from xswarm_twin.folder import Folder


@pytest.fixture
def home(tmp_path: Path) -> Folder:
    return folder.of(tmp_path)


def nothing() -> None:
    """Print nothing."""


def test_it_is_for_its_owner_only(home: Folder) -> None:
    state_directory.make(home)
    assert home.path.stat().st_mode & 0o777 == 0o700


def test_git_never_commits_it(home: Folder) -> None:
    state_directory.make(home)
    assert (home.path / ".gitignore").read_text() == "*\n"


def test_delete_takes_all(home: Folder) -> None:
    state_directory.make(home)
    home.log("sqld").write_text("x")
    assert state_directory.delete(home)
    assert not home.path.exists()
    assert not state_directory.delete(home)


def test_a_folder_of_somebody_else_is_refused(home: Folder) -> None:
    home.path.mkdir()
    (home.path / "thesis.txt").write_text("x")
    for act in (state_directory.make, state_directory.delete):
        with pytest.raises(Refused, match="is not a sandbox"):
            act(home)
    assert (home.path / "thesis.txt").read_text() == "x"


def test_a_link_is_refused_even_to_a_sandbox(home: Folder, tmp_path: Path) -> None:
    other = Folder(tmp_path / "elsewhere" / ".sandbox")
    state_directory.make(other)
    home.path.symlink_to(other.path)
    with pytest.raises(Refused, match="is not a sandbox"):
        state_directory.delete(home)
    assert other.logs.is_dir()


def test_a_file_in_its_place_is_refused(home: Folder) -> None:
    home.path.write_text("x")
    with pytest.raises(Refused, match="is not a sandbox"):
        state_directory.make(home)


def test_a_second_command_waits_for_the_first(home: Folder) -> None:
    order: list[str] = []
    waits = threading.Event()

    def second() -> None:
        with state_directory.locked(home, waits.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with state_directory.locked(home, nothing):
        thread.start()
        assert waits.wait(60)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_whoever_waited_through_a_reset_holds_the_new_lock(home: Folder) -> None:
    state_directory.make(home)
    waits, entered, leave = threading.Event(), threading.Event(), threading.Event()

    def second() -> None:
        with state_directory.locked(home, waits.set):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=second)
    with state_directory.locked(home, nothing):
        thread.start()
        assert waits.wait(60)
        state_directory.delete(home)
    assert entered.wait(60)
    third = threading.Event()
    contender = threading.Thread(
        target=lambda: state_directory.locked(home, third.set).__enter__(), daemon=True
    )
    contender.start()
    assert third.wait(60), "the third must wait for the second"
    leave.set()
    thread.join()
    contender.join(5)
