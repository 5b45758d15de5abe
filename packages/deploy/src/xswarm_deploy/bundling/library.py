"""The monitoring library, for a Python Worker that names it: the version beside this tool."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import xswarm_monitoring
from xswarm_deploy import texts

NAME: Final = "xswarm-monitoring"
FOLDER: Final = Path(xswarm_monitoring.__file__).parent
_NAMED: Final = re.compile(rf"\s*{NAME}\s*(?:$|[=<>!~;#@\[])", re.IGNORECASE)


def is_named(requirements: Path) -> bool:
    """Return whether a requirements file names the library."""
    return any(map(_NAMED.match, texts.read(requirements, "utf-8-sig").splitlines()))


def others(requirements: Path) -> list[str]:
    """Return the lines of a requirements file that pip installs: all but the library's."""
    lines: Iterable[str] = texts.read(requirements, "utf-8-sig").splitlines()
    return [line for line in lines if not _NAMED.match(line)]


def vendor(modules: Path) -> None:
    """Copy the library into a Worker's folder of vendored modules."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(FOLDER, modules / FOLDER.name, ignore=ignored, dirs_exist_ok=True)
