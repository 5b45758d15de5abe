"""Remedies are typed as they stand: by the wrapper, for the environment that is acted on."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.test_tasks import all_tasks
from xswarm_deploy import errors, tasks
from xswarm_deploy.errors import Refused, disk_refusal, typed
from xswarm_deploy.secret import Secret


@pytest.mark.parametrize(
    ("remedy", "said"),
    [
        ("inv rollback", "./inv production rollback"),
        ("./inv rollback", "./inv production rollback"),
        ("fix them, then: inv check", "fix them, then: ./inv production check"),
        (
            "inv deploy.status; inv deploy.show 1",
            "./inv production deploy.status; ./inv production deploy.show 1",
        ),
        ("INVOKE_A=b inv deploy.abort", "INVOKE_A=b ./inv production deploy.abort"),
        ("inv backup --format db, or sql", "./inv production backup --format db, or sql"),
        ("inv staging check", "./inv staging check"),
        ("inv deploy.prod", "./inv deploy.prod"),
        ("inv sandbox.up", "./inv sandbox.up"),
        ("inv init", "./inv init"),
        ("inv tools.install", "./inv tools.install"),
        ("/opt/project/inv tools.install", "/opt/project/inv tools.install"),
        ("./inv --list", "./inv --list"),
        ("ask whoever runs it", "ask whoever runs it"),
    ],
)
def test_a_remedy_names_the_environment(remedy: str, said: str) -> None:
    errors.act_on("production")
    assert typed(remedy) == said
    assert Refused("no", "", remedy).render().endswith(f"next: {said}")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("/usr/bin/xswarm", "xswarm rollback"),
        ("/usr/bin/inv", "inv rollback"),
        ("-c", "./inv rollback"),
        ("", "./inv rollback"),
    ],
)
def test_a_remedy_names_the_program_that_was_typed(
    program: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "check"])
    assert typed("inv rollback") == typed("./inv rollback") == said


def test_where_none_was_named_none_is_typed() -> None:
    assert typed("inv rollback") == "./inv rollback"


def test_what_needs_no_environment_exists() -> None:
    names = {name for name, _ in all_tasks(tasks.ns)}
    alone = (*errors._NAMING_ITS_OWN, *errors._EVERYWHERE_THE_SAME)
    assert [a for a in alone if a not in names and a not in tasks.ns.collections] == []


def test_what_the_disk_refuses_is_an_error_of_ours() -> None:
    refused = disk_refusal(OSError(errno.EROFS, "Read-only file system", ".deployments"))
    assert str(refused) == ".deployments cannot be used: Read-only file system"
    assert disk_refusal(OSError(errno.ENOENT, "No such file", "x")) is None
    assert disk_refusal(OSError(errno.EACCES, "Permission denied")) is None
    blocked = disk_refusal(FileExistsError(errno.EEXIST, "File exists", ".backups"))
    assert str(blocked) == ".backups cannot be used: File exists"


def test_what_sqlite_cannot_write_is_one_too() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("PRAGMA max_page_count = 2")
        database.execute("CREATE TABLE t (a)")
        with pytest.raises(sqlite3.OperationalError) as full:
            database.execute("INSERT INTO t VALUES (zeroblob(100000))")
        with pytest.raises(sqlite3.OperationalError) as wrong:
            database.execute("SELECT nothing")
    refused = disk_refusal(full.value)
    assert refused
    assert str(refused) == "a file on this machine cannot be used: database or disk is full"
    assert "make room" in refused.remedy
    assert disk_refusal(wrong.value) is None


def test_limits_of_a_process_are_told_with_what_raises_them() -> None:
    many = disk_refusal(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
    assert many
    assert (str(many), many.remedy[:14]) == (
        "no more files can be opened: Too many open files",
        "ulimit -n 4096",
    )
    for error in (RuntimeError("can't start new thread"), MemoryError()):
        refused = disk_refusal(error)
        assert refused
        assert "raise the limit" in refused.remedy
    assert disk_refusal(RuntimeError("another")) is None


def test_a_folder_that_cannot_be_copied_is_told_by_its_first_file(tmp_path: Path) -> None:
    def full(_from: str, to: str) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), to)

    source = tmp_path / "from"
    source.mkdir()
    (source / "one").touch()
    with pytest.raises(shutil.Error) as caught:
        shutil.copytree(source, tmp_path / "to", copy_function=full)
    refused = disk_refusal(caught.value)
    assert str(refused) == f"{tmp_path / 'to/one'} cannot be used: No space left on device"
    assert disk_refusal(shutil.Error([("a", "b", "another reason")])) is None


def test_an_error_is_redacted_where_it_is_made() -> None:
    Secret("canary-of-an-error", "CANARY")
    said = "it is\x1b[2J canary-of-an-error"
    error = Refused(said, said, said)
    for text in (error.render(), str(error), str(error.message), repr(error)):
        assert "canary" not in text
        assert "\x1b" not in text


def test_no_text_of_anothers_looks_like_a_line_of_ours() -> None:
    shown = Refused("it failed\n✓ released", "why\n  next: ./inv rollback", "inv check").render()
    assert [line for line in shown.splitlines() if not line.startswith("        ")] == [
        "✗ it failed",
        "  why:  why",
        "  next: ./inv check",
    ]
