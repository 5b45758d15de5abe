"""Return about the runtime what it truly knows.

A Worker's load, processor count and process id are made up by its runtime, so they are
not told; memory is told where the system gives it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_STATM = Path("/proc/self/statm")
_MEMINFO = Path("/proc/meminfo")
_CGROUPS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where a container reads how much it may have: control groups of version 2, and of 1."""


def facts(born: float, now: float) -> dict[str, Any]:
    """Return the runtime's facts.

    Args:
        born: when this process, or isolate, began to measure, seconds since 1970.
        now: seconds since 1970.
    """
    given: dict[str, Any] = {
        "runtime": f"{sys.implementation.name} {sys.version.split()[0]}",
        "platform": sys.platform,
        "uptime_seconds": round(now - born, 3),
    }
    memory, limit = resident_memory(), memory_limit()
    told = {"memory_bytes": memory, "memory_limit_bytes": limit}
    return given | {name: value for name, value in told.items() if value is not None}


def resident_memory() -> int | None:
    """Return the bytes of memory this process holds; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    import resource

    pages = int(_STATM.read_text().split()[1])
    return pages * resource.getpagesize()


def memory_limit() -> int | None:
    """Return the bytes of memory this process may hold: its container's, or the machine's.

    None where the system does not tell.
    """
    if sys.platform != "linux":
        return None
    texts = [_text(path).strip() for path in _CGROUPS]
    found = [int(text) for text in texts if text.isdecimal()]  # "max": there is no limit
    machine = _machine()
    return min([*found, *([machine] if machine else [])], default=None)


def _machine() -> int:
    lines = _text(_MEMINFO).splitlines()
    kibibytes = [line.split()[1] for line in lines if line.startswith("MemTotal:")]
    return int(kibibytes[0]) << 10 if kibibytes else 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
