"""A process is waited for while it computes, and not for longer than it may."""

from __future__ import annotations

import asyncio
import math
import sys
from pathlib import Path

import pytest

from xswarm_twin.edge.children import TOO_LONG, Children, Command, StartFailed

COMPUTE = "import os, sys, time\nwhile time.process_time() < {}: pass\n"
LISTEN = """os.write(int(sys.argv[1]), b'{"event": "listen", "socket": "http", "port": 7}\\n')\n"""
SLEEP = "time.sleep(60)"


def started(source: str, tmp_path: Path, cpu: float = math.inf) -> dict[str, int]:
    """Return the ports of a program that has half a second to listen, or longer."""

    async def whole() -> dict[str, int]:
        children = Children()
        line = lambda told: (sys.executable, "-c", source, str(told))  # noqa: E731
        command = Command(line, tmp_path, sockets=("http",), cpu=cpu)
        try:
            child = await children.start(command, lambda _: None, patience=0.5)
            await child.stop()
            return dict(child.ports)
        finally:
            await children.close()

    return asyncio.run(whole())


def test_one_that_computes_is_waited_for_longer(tmp_path: Path) -> None:
    assert started(COMPUTE.format(0.6) + LISTEN + SLEEP, tmp_path) == {"http": 7}


def test_one_that_does_nothing_is_not(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="it did not listen"):
        started(COMPUTE.format(0) + SLEEP, tmp_path)


@pytest.mark.slow
def test_one_that_computes_for_ever_is_ended(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="it did not listen within 5 s"):
        started(COMPUTE.format(1000), tmp_path)
    with pytest.raises(StartFailed, match=TOO_LONG):
        started(COMPUTE.format(1000), tmp_path, cpu=0.8)
