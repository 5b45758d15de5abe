"""What git knows of a checkout; a machine without git releases all the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from xswarm_deploy import child

_MISSING: Final = "git is not installed"


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
        return _MISSING
    return ended.stderr.strip() or f"exit code {ended.returncode}" if ended.returncode else ""


def unread(root: Path) -> tuple[str, str]:
    """Return why git reads nothing of a checkout that is there, and the way on; empty: it does.

    In a job's container, and on a machine of several people, the folder is often another user's.
    """
    if not any((each / ".git").exists() for each in (root.absolute(), *root.absolute().parents)):
        return "", ""
    said = refusal(root, "rev-parse", "--git-dir")
    if said == _MISSING:
        return "", ""
    way_on = re.search(r"git config --global --add safe\.directory .+", said)
    first = said.partition("\n")[0].removeprefix("fatal: ")
    return first, way_on[0] if way_on else f"git -C {root} status" if first else ""


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
