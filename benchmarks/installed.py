"""Whether this Python has what the benchmarks need."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_NEEDED = ("invoke", "requests", "pytest", "uvicorn")  # one of each requirements file, at least


def require() -> None:
    """Go on only where the packages of the tests are installed.

    Raises:
        SystemExit: they are not; the message names the command that installs them.
    """
    missing = [name for name in _NEEDED if not find_spec(name)]
    if missing:
        name = Path(sys.argv[0]).stem
        sys.exit(
            f"✗ {sys.executable} lacks {', '.join(missing)}\n  next: ./inv benchmark --name {name}"
        )
