"""The tool, and not the twin, on Windows: as far as Linux can tell (tests/support/windows.py)."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.adoption.repositories import TYPESCRIPT, committed, file, wrangler
from tests.support import windows
from tests.support.project import PROJECT
from xswarm_deploy import child, console, file_lock, output, private
from xswarm_deploy.adoption.changes import FileChange
from xswarm_deploy.bundling import programs
from xswarm_deploy.database import workspace
from xswarm_deploy.release import lock
from xswarm_deploy.settings import references

OF_THE_CHECKOUT = {"xswarm_deploy.tasks.benchmark", "xswarm_deploy.tasks.docs"}
SIGNS = "✓ ✗ → … · ⚠️ █░"


def run(*words: str, folder: Path = PROJECT, ends: int = 0) -> str:
    """Run the tool as it is on Windows, into a pipe; return what it said there."""
    foreign = ("INVOKE_", "DEPLOY_", "CLOUDFLARE_", "GITHUB_", "CI", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.support.windows", *words],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        encoding="cp1252",
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    assert ended.returncode == ends, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_what_windows_lacks_is_what_typeshed_says() -> None:
    assert {"getuid", "fork", "pread", "killpg", "O_NOFOLLOW"} <= windows.missing_names("os")
    assert {"SIGHUP", "SIGKILL"} <= windows.missing_names("signal")
    assert "SIGTERM" not in windows.missing_names("signal")
    assert all(map(windows.is_missing, ("fcntl", "pwd", "resource", "termios")))
    assert not any(map(windows.is_missing, ("msvcrt", "json", "os", "invoke")))


@pytest.mark.slow
def test_every_module_of_the_tool_is_imported_there() -> None:
    here = {
        f"xswarm_deploy.tasks.{path.stem}"
        for path in (PROJECT / "tasks").glob("*.py")
        if path.stem != "__init__"
    }
    imported = set(run().split())
    assert here - imported - OF_THE_CHECKOUT == {
        "xswarm_deploy.tasks.sandbox",
        "xswarm_deploy.tasks.test",
    }
    assert {"xswarm_deploy.release.release", "xswarm_deploy.database.backup"} <= imported


@pytest.mark.slow
def test_somebodys_repository_is_set_up_there(tmp_path: Path) -> None:
    root = tmp_path / "our shop ü"
    file(root, "wrangler.jsonc", wrangler())
    file(root, "src/index.ts", TYPESCRIPT)
    (root / ".gitignore").write_bytes(b"node_modules/\r\n")
    committed(root)
    assert "deploy.prod" in run("--list", folder=root)
    said = run("init", "--yes", "--name", "shop", folder=root)
    assert "+ written: " in said
    assert "next: xswarm deploy.local  (on Linux, macOS or WSL" in said
    assert (root / ".gitignore").read_bytes().startswith(b"node_modules/\r\n")
    assert b"\n" not in (root / ".gitignore").read_bytes().replace(b"\r\n", b"")
    assert "twin: it does not run on Windows" in run("doctor", folder=root)
    said = run("deploy.local", folder=root, ends=6)
    assert "the local twin does not run on Windows" in said
    said = run("production", "check", folder=root, ends=1)
    assert "x WORKER_URL: still the example's placeholder" in said
    assert "next: fix them, then: xswarm production check" in said


def test_a_lock_is_held_once_and_given_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("wb") as mine, path.open("rb") as other:
        assert file_lock.try_lock(mine)
        assert not file_lock.try_lock(other)
    with path.open("rb") as other:
        assert file_lock.try_lock(other)


def test_a_workspace_is_removed_when_nothing_in_it_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows does: it removes no file that is open."""
    removed = shutil.rmtree

    def strict(folder: Path) -> None:
        opened = [link.resolve() for link in Path("/proc/self/fd").iterdir() if link.exists()]
        assert not [each for each in opened if each.is_relative_to(folder)]
        removed(folder)

    monkeypatch.setattr(shutil, "rmtree", strict)
    with workspace.workspace(tmp_path) as made:
        (made / "half").write_text("half")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_that_lacks_the_signs_gets_others_and_its_json_is_whole() -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="cp1252")
    output.prepare(stream)
    said = console.Console(stream)
    said.line(SIGNS)
    said.json({"sign": "✓ größe 🚨"})
    first, rest = written.getvalue().decode("cp1252").split("\n", 1)
    assert first == "+ x -> … · ! #."
    assert json.loads(rest) == {"sign": "✓ größe 🚨"}


def test_programs_of_npm_end_with_cmd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What shutil.which finds by PATHEXT is what is started."""
    monkeypatch.setattr("shutil.which", lambda name, path=None: None if path else f"C:\\{name}.CMD")
    assert child.program("npm") == "C:\\npm.CMD"
    monkeypatch.setattr(programs, "find_spec", lambda _name: None)
    assert programs.node() == Path("C:\\node.CMD")


def test_a_secret_managers_command_keeps_its_backslashes(monkeypatch: pytest.MonkeyPatch) -> None:
    line = 'command:"C:\\Program Files\\op\\op.exe" read D:\\keys\\one'
    monkeypatch.setattr(references, "sys", SimpleNamespace(platform=windows.WINDOWS))
    words = ["C:\\Program Files\\op\\op.exe", "read", "D:\\keys\\one"]
    assert references.command(line) == words


def test_modes_say_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = file(tmp_path, "production.env", "A=1\n")
    env.chmod(0o666)
    assert private.open_to_others(env)
    monkeypatch.setattr(private, "MODES", False)
    assert not private.open_to_others(env)
    private.sync_folder(tmp_path / "no folder is opened")


def test_a_person_without_a_name_in_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pwd() -> str:
        raise ModuleNotFoundError("No module named 'pwd'")

    monkeypatch.setattr("getpass.getuser", no_pwd)
    monkeypatch.setattr(lock, "sys", SimpleNamespace(platform=windows.WINDOWS))
    assert lock.person() == "unknown"


def test_line_ends_of_a_file_stay(tmp_path: Path) -> None:
    path = tmp_path / ".gitignore"
    path.write_bytes(b"a\r\nb\r\n")
    FileChange(path, "a\nb\nc\n").write()
    assert path.read_bytes() == b"a\r\nb\r\nc\r\n"
    assert not FileChange(path, "a\nb\nc\n").needed
