"""Which process holds something, so that its death can be proven, not guessed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE: Final = Path("/proc/self/ns/pid")
_START: Final = 19  # the start time's place in /proc/PID/stat, counted behind the name (proc(5))


def identity() -> str:
    """Name this process: boot, namespace, number, start; empty where the system tells none."""
    started = _started(os.getpid())
    return f"{_here()} {os.getpid()} {started}" if _here() and started else ""


def is_dead(named: str) -> bool:
    """Return whether a process ran on this very system, and ended; False where nobody can know.

    Args:
        named: what :func:`identity` gave to it.
    """
    boot_and_namespace, _, rest = named.partition(" ")
    number, _, started = rest.partition(" ")
    if not boot_and_namespace or boot_and_namespace != _here() or not number.isdecimal():
        return False
    return _started(int(number)) != started and not _is_hidden(int(number))


def _is_hidden(number: int) -> bool:
    """Return whether a process is there that /proc does not show us: another user's (hidepid)."""
    if (_PROC / str(number)).exists():
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is not ours to ask
    return True


def _here() -> str:
    """Name the system's run and the namespace in which process numbers mean something."""
    try:
        return f"{_BOOT.read_text().strip()}/{_NAMESPACE.stat().st_ino}"
    except OSError:
        return ""


def _started(number: int) -> str:
    """Return when a process started, in the system's ticks; empty: there is none, or a dead one."""
    try:
        fields = (_PROC / str(number) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[_START]
