"""Processes of the twin: which are its own, and how they end, all of them.

Every process of a twin inherits one environment variable that names the twin's folder and
the start of it. A pid alone says little: it may belong to another program by now. The
variable is looked up in the system's own record of the process, so that whatever a part
started in turn is found too, and nothing else ever is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xswarm_twin.folder import Folder
from xswarm_twin.state import State, read

if TYPE_CHECKING:
    import psutil

VARIABLE: Final = "DEPLOYMENT_SANDBOX"
_PASSED: Final = (
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV"),
    "XSWARM_TWIN_CALLS",  # how many calls the API takes: xswarm_twin.cloudflare.quota
    "XSWARM_TWIN_PYTHON",  # which host Python Workers have: xswarm_twin.edge.python_host
)
_INSISTENCE: Final = 5.0  # seconds until a killed process must be gone
_ASKED: Final = 1.0  # seconds an installer has to end by itself
_PAUSE: Final = 0.01  # seconds between two looks
_SAME: Final = 2.0  # seconds; a process's start is a calculation with the system's clock


def environment(folder: Folder, *of: str) -> dict[str, str]:
    """Return what a process inherits: no key of the person's shell, and the twin's mark.

    Args:
        folder: the twin's.
        of: the start of the twin it belongs to, then the part.
    """
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return passed | {VARIABLE: _mark(folder, *of), "PYTHONUNBUFFERED": "1"}


def marked(folder: Folder, *of: str) -> list[psutil.Process]:
    """Find the living processes of a twin, or of one start or part of it, but this one."""
    import psutil

    wanted = _mark(folder, *of)
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and (_mark_of(process) or "").startswith(wanted)
    ]


def recorded(folder: Folder, state: State) -> list[psutil.Process]:
    """Find what a state names and what still is the same process."""
    entries = [(process.pid, process.started) for process in state.processes]
    entries.append((state.pid, state.started))
    found = (identify(folder, pid, started) for pid, started in entries)
    return [process for process in found if process]


def moved(folder: Folder, recorded: State) -> list[psutil.Process]:
    """Find what was started where the folder was before it was moved, and still has its files.

    A copy of a twin's folder has the same record: what runs where that one was made is not its own.
    """
    supervisor = _process(recorded.pid, recorded.started)
    mark = (_mark_of(supervisor) if supervisor else "") or ""
    start = f"#{recorded.instance}#"
    before = Folder(Path(mark.rpartition(start)[0]))
    if start not in mark or before == folder or read(before).instance == recorded.instance:
        return []
    return marked(before, recorded.instance)


def identify(folder: Folder, pid: int, started: float) -> psutil.Process | None:
    """Return a twin's process that lives and began at that time; None: the pid is another's.

    Args:
        folder: the twin's; a mark that can be read must be its.
        pid: its number; 0 is nobody's.
        started: seconds since 1970, as :func:`began` gave it.
    """
    process = _process(pid, started)
    return process if process and _may_be_ours(folder, process) else None


def _process(pid: int, started: float) -> psutil.Process | None:
    """Return the process that has a pid and began at that time; None: there is none any more."""
    import psutil

    if pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < _SAME
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def below(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Find what processes started in turn; it may run without the mark."""
    import psutil

    found: list[psutil.Process] = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return found


def end_tree(pid: int) -> None:
    """End a child of this process that is not waited for any more, with all it has started."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        child = psutil.Process(pid)
        end([child, *below([child])], _ASKED)


def began(pid: int) -> float:
    """Return when the system started a process, seconds since 1970; 0 when it is gone."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def end(found: Iterable[psutil.Process], patience: float) -> int:
    """End processes: ask, wait, then insist; return how many there were.

    Args:
        found: the processes.
        patience: seconds they have to end by themselves.
    """
    import psutil

    processes = list({process.pid: process for process in found}.values())
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, _INSISTENCE)):
        for process in filter(_alive, processes):
            # psutil refuses a pid that was given to another process meanwhile.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _wait(lambda: not any(map(_alive, processes)), seconds)
    return len(processes)


def _wait(done: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so; a zombie that nobody reaps yet counts as ended."""
    limit = time.monotonic() + seconds
    while not done() and time.monotonic() < limit:
        time.sleep(_PAUSE)


def _mark(folder: Folder, *of: str) -> str:
    return "".join(f"{item}#" for item in (str(folder.path), *of))


def _may_be_ours(folder: Folder, process: psutil.Process) -> bool:
    mark = _mark_of(process)
    return mark is None or mark.startswith(_mark(folder))


def _mark_of(process: psutil.Process) -> str | None:
    """Read a process's mark; empty when it has none or is gone, None when it may not be read."""
    import psutil

    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        return str(process.environ().get(VARIABLE, ""))
    except psutil.AccessDenied:
        return None
    except (psutil.Error, OSError):
        return ""


def _alive(process: psutil.Process) -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
