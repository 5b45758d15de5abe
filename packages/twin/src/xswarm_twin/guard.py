"""The guard: ends what a supervisor started, when the supervisor is gone.

It reads from a pipe that only its supervisor holds open. The system closes the pipe however
the supervisor ends, also by a signal that nobody can catch.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Final

from xswarm_twin import processes
from xswarm_twin.folder import Folder

DONE: Final = b"done"  # what a supervisor says that has ended everything itself
_PATIENCE: Final = 5.0  # seconds that processes have to end by themselves


def watch(folder: Folder, instance: str) -> None:
    """Wait for the pipe's end; unless all was done, end all of that start of the twin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it goes last, after the pipe has closed
    if sys.stdin.buffer.read() != DONE:
        processes.end(processes.marked(folder, instance), _PATIENCE)


if __name__ == "__main__":
    watch(Folder(Path(sys.argv[1])), sys.argv[2])
