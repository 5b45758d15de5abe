"""What git knows of a checkout; a machine without git releases all the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

from xswarm_deploy import child


def output(root: Path, *arguments: str) -> str:
    """Return what a git command prints; nothing where it fails, or git is not installed."""
    command = ["git", "-C", str(root), *arguments]
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=child.environment(),
        )
    except FileNotFoundError:
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""
