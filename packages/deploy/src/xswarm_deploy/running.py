"""Run a program of others to its end; who is not waited for any more ends with all it has started.

A shell, npm, or the script that starts Node is often only the first of several processes. Where it
alone is ended, at a time limit or Ctrl-C, what it started goes on: a build that writes its files
under the next one. They stay in this process's group, so that Ctrl-C of a terminal, and a runner
that ends a whole group, reach them as before.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Required, TypedDict, Unpack

_PROC: Final = Path("/proc")


class Options(TypedDict, total=False):
    """How a program runs.

    Args:
        env: all of its environment.
        cwd: where it runs.
        shell: whether a shell reads the command.
        joined: both of its outputs are one.
        timeout: seconds; None: as long as it takes.
    """

    env: Required[Mapping[str, str]]
    cwd: Path | None
    shell: bool
    joined: bool
    timeout: float | None


def run(
    command: str | Sequence[str], **options: Unpack[Options]
) -> subprocess.CompletedProcess[str]:
    """Run a program that asks nothing, and return what it said; what is no UTF-8 is replaced.

    Args:
        command: the program and its arguments; a text for a shell.
        options: how it runs.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took longer, and was ended.
    """
    ended = captured(command, **options)
    said, complained = map(_text, (ended.stdout, ended.stderr))
    return subprocess.CompletedProcess(command, ended.returncode, said, complained)


def captured(
    command: str | Sequence[str], **options: Unpack[Options]
) -> subprocess.CompletedProcess[bytes]:
    """Do the same as :func:`run`, and return what it said as bytes."""
    with (
        subprocess.Popen(
            command,
            env=options["env"],
            cwd=options.get("cwd"),
            shell=options.get("shell", False),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if options.get("joined") else subprocess.PIPE,
        ) as process,
        ended(process),
    ):
        said, complained = process.communicate(timeout=options.get("timeout"))
    return subprocess.CompletedProcess(command, process.returncode, said, complained)


class ended:  # noqa: N801 - reads as the statement that it is
    """End a process, and all below it, where a block that waits for it is left by an exception.

    Args:
        process: started by this one.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __enter__(self) -> None:
        """Begin to wait."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End them, where the waiting failed."""
        if kind is not None and self._process.poll() is None:
            end(self._process.pid)


def end(pid: int) -> None:
    """End a process and all that it has started, and these in turn.

    Each is stopped before those below it are looked up, so that none is started unseen; one whose
    parent has ended belongs to nobody, and could not be found any more.

    Args:
        pid: of a process that this one has started, and not yet waited for.
    """
    if sys.platform == "win32":
        tree = ["taskkill", "/F", "/T", "/PID", str(pid)]
        subprocess.run(tree, check=False, capture_output=True, env=dict(os.environ))
        return
    found: list[int] = []
    some = [pid]
    try:
        while some:
            found += some
            _signal(some, signal.SIGSTOP)
            parents = _parents()
            some = [child for child, parent in parents.items() if parent in some]
    finally:  # a second Ctrl-C leaves none behind that is only stopped
        _signal(found, signal.SIGKILL)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(OSError):  # it has just ended, or is another user's
            os.kill(pid, number)


def _parents() -> dict[int, int]:
    """Return the parent of each process of this machine, as far as they are shown."""
    if _PROC.is_dir():
        return dict(filter(None, map(_of_proc, _PROC.glob("[0-9]*"))))
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    pairs = (line.split() for line in listed.stdout.splitlines())
    return {int(pair[0]): int(pair[1]) for pair in pairs if len(pair) == 2}


def _of_proc(folder: Path) -> tuple[int, int] | None:
    """Return a process and its parent; None: it has ended."""
    try:  # proc_pid_stat(5): after the name its state, then its parent
        fields = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        return int(folder.name), int(fields.rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _text(said: bytes | None) -> str:
    return (said or b"").decode("utf-8", "replace").replace("\r\n", "\n")
