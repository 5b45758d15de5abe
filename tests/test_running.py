"""Who is not waited for any more ends with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from xswarm_deploy import running
from xswarm_deploy.bundling import bundle
from xswarm_deploy.cli import building
from xswarm_deploy.errors import Unavailable
from xswarm_deploy.settings import references
from xswarm_twin import errors as twin_errors
from xswarm_twin import install

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shells of POSIX")

ENV = {"PATH": os.environ["PATH"]}
# As npm's script does: a program that starts another one, which starts the one that works.
TICKING = "trap '' INT TERM; while :; do echo >> {0}; sleep 0.02; done"
NESTED = 'sh -c "sh -c \\"' + TICKING + '\\" & wait" & wait'


@pytest.fixture
def ticks(tmp_path: Path) -> Path:
    return tmp_path / "ticks"


def begun(ticks: Path) -> None:
    deadline = time.monotonic() + 30
    while not ticks.is_file() or not ticks.stat().st_size:
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.02)


def goes_on(ticks: Path) -> bool:
    size = ticks.stat().st_size
    time.sleep(0.2)
    return ticks.stat().st_size > size


def test_what_is_said_comes_back() -> None:
    said = r"printf 'caf\351 a\r\nb'; echo no >&2; exit 3"
    ended = running.run(said, env=ENV, shell=True)
    assert ended.returncode == 3
    assert ended.stderr == "no\n"
    assert ended.stdout == "caf\ufffd a\nb"
    joined = running.run("echo one; echo two >&2", env=ENV, shell=True, joined=True)
    assert (joined.stdout, joined.stderr) == ("one\ntwo\n", "")


def test_at_its_time_limit_it_ends_with_all_below_it(ticks: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        running.run(NESTED.format(ticks), env=ENV, shell=True, timeout=0.7)
    assert not goes_on(ticks)


@pytest.mark.slow
def test_where_there_is_no_proc_it_does_too(ticks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_PROC", ticks.parent / "nowhere")
    with pytest.raises(subprocess.TimeoutExpired):
        running.run(NESTED.format(ticks), env=ENV, shell=True, timeout=0.7)
    assert not goes_on(ticks)


def test_nobody_else_is_ended(ticks: Path) -> None:
    with subprocess.Popen(["sh", "-c", TICKING.format(ticks)], env=ENV) as other:
        try:
            begun(ticks)
            with pytest.raises(subprocess.TimeoutExpired):
                running.run("sleep 30 & wait", env=ENV, shell=True, timeout=0.1)
            assert goes_on(ticks)
        finally:
            other.kill()


def test_a_second_ctrl_c_leaves_nothing_that_is_only_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted() -> dict[int, int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "_parents", interrupted)
    with subprocess.Popen(["sleep", "30"], env=ENV) as begun:
        try:
            with pytest.raises(KeyboardInterrupt):
                running.end(begun.pid)
            assert begun.wait(10) == -signal.SIGKILL
        finally:
            begun.kill()


INTERRUPTED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.test_running import ACTS
ACTS[{act!r}]({command!r}, Path({folder!r}))
"""


def _build(command: str, folder: Path) -> None:
    building.build(command, folder, "", folder)


def _bundle(command: str, folder: Path) -> None:
    bundle.run(["sh", "-c", command], env=ENV, cwd=folder)


def _reference(command: str, folder: Path) -> None:
    references._run("X", ["sh", "-c", command], folder, 60.0)


def _twin(command: str, folder: Path) -> None:
    install._run(["sh", "-c", command], "it", "again", ENV)


ACTS: dict[str, Callable[[str, Path], None]] = {
    "a build": _build,
    "the bundler": _bundle,
    "a reference": _reference,
    "the twin's installer": _twin,
}


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS)
def test_at_ctrl_c_it_ends_with_all_below_it(act: str, ticks: Path) -> None:
    """As a runner of CI sends it: to the first process alone."""
    root = str(Path(__file__).resolve().parents[1])
    code = INTERRUPTED.format(
        tests=root, act=act, command=NESTED.format(ticks), folder=str(ticks.parent)
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, stderr=subprocess.DEVNULL
    ) as asked:
        try:
            begun(ticks)
            asked.send_signal(signal.SIGINT)
            asked.wait(30)
            assert not goes_on(ticks)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(asked.pid, signal.SIGKILL)


@pytest.mark.slow
def test_the_bundlers_limit_is_told(ticks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "SECONDS", 0.7)
    with pytest.raises(Unavailable, match="did not end"):
        _bundle(NESTED.format(ticks), ticks.parent)
    assert not goes_on(ticks)


@pytest.mark.slow
def test_so_is_that_of_what_gives_a_secret(ticks: Path) -> None:
    with pytest.raises(Unavailable, match="no answer in"):
        references._run("X", ["sh", "-c", NESTED.format(ticks)], ticks.parent, 0.7)
    assert not goes_on(ticks)


def test_the_twins_installer_tells_what_failed(tmp_path: Path) -> None:
    with pytest.raises(twin_errors.Unavailable, match="could not be installed") as caught:
        install._run(["sh", "-c", "echo why; exit 3"], "it", "again", ENV)
    assert "why" in str(caught.value)
