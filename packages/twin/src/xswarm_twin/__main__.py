"""Run the supervisor of one twin, detached: ``python -m xswarm_twin FOLDER``."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from xswarm_twin import components, state
from xswarm_twin.folder import Folder
from xswarm_twin.supervision import Watch


def main(path: str) -> None:
    """Leave the terminal, then watch the parts that the twin's state names."""
    if os.fork():
        os._exit(0)
    os.setsid()
    asyncio.run(_watch(Folder(Path(path))))


async def _watch(folder: Folder) -> None:
    planned = state.read(folder)
    await Watch(folder, planned, components.build(folder, planned)).run()


if __name__ == "__main__":
    main(sys.argv[1])
