"""Return about the runtime what it truly knows.

A Worker's load, processor count and process id are made up by its runtime, so they are
not told; memory is told where the system gives it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_STATM = Path("/proc/self/statm")


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
    memory = resident_memory()
    return given if memory is None else given | {"memory_bytes": memory}


def resident_memory() -> int | None:
    """Return the bytes of memory this process holds; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    import resource

    pages = int(_STATM.read_text().split()[1])
    return pages * resource.getpagesize()
