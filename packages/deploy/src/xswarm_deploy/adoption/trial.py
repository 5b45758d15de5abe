"""The first release of a repository on the twin, and what its routes answer there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from xswarm_deploy import child
from xswarm_deploy.settings import dotenv, settings

_SECONDS: Final = 10.0  # for one answer
_LEFT_OUT: Final = (404, 429)
"""Answers that say nothing of a route: there is none at this path, or too much was asked."""
BROKEN: Final = 500
"""From this status on a route does not work, at least on the twin."""

POSSIBLE: Final = sys.platform != "win32"
"""Whether the twin runs on this system."""


def run(root: Path, *words: str) -> int:
    """Run a command of this tool in a folder, on this terminal, and return its exit code."""
    return subprocess.run(child.tool(*words), cwd=root, check=False).returncode


def answers(root: Path, paths: Iterable[str]) -> dict[str, int]:
    """Ask the Worker on the twin, and return path → status of the routes it has.

    Args:
        root: the project's folder.
        paths: what is asked, by GET.
    """
    import requests

    address = _address(root)
    found = {}
    for path in paths if address else ():
        try:
            reply = requests.get(f"{address}{path}", timeout=_SECONDS, allow_redirects=False)
        except requests.RequestException:
            continue
        if reply.status_code not in _LEFT_OUT:
            found[path] = reply.status_code
    return found


def _address(root: Path) -> str:
    file = root / settings.ENDPOINTS
    if not file.is_file():
        return ""
    return dotenv.parsed(file.read_text(encoding="utf-8"), file.name).get("WORKER_URL", "")
