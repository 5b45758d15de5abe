"""What git knows of a checkout; a machine without git releases all the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

from xswarm_deploy import child


def output(root: Path, *arguments: str) -> str:
    """Return what a git command prints; nothing where it fails, or git is not installed."""
    try:
        ended = _run(root, *arguments)
    except FileNotFoundError:
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""


def refusal(root: Path, *arguments: str) -> str:
    """Return why a git command failed; empty if it did not."""
    try:
        ended = _run(root, *arguments)
    except FileNotFoundError:
        return "git is not installed"
    return ended.stderr.strip() or f"exit code {ended.returncode}" if ended.returncode else ""


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env=child.environment(),
    )
