"""The files of a repository, as they lie there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xswarm_deploy import git
from xswarm_deploy.errors import Refused

CONFIGURATIONS: Final = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")
"""In the order in which wrangler itself looks for them."""
_MADE: Final = frozenset(
    {"node_modules", "python_modules", "dist", "build", "out", "target", "vendor", "__pycache__"}
)
"""Folders of what was installed or built; what begins with a dot is left out, too."""
_DEEPEST: Final = 5  # folders below the start


def top(start: Path) -> Path:
    """Return the top of the git checkout that a folder is in; without git the folder itself."""
    found = git.output(start, "rev-parse", "--show-toplevel")
    return Path(found) if found else start


def require_read(start: Path) -> None:
    """Refuse to look at a checkout that git does not read: its top and branch would be guessed.

    Raises:
        Refused: it does not, such as one of another user.
    """
    why, way_on = git.unread(start)
    if why:
        raise Refused("git does not read the checkout", why, way_on)


def beside(config: Path) -> list[Path]:
    """Return the configurations beside one that wrangler finds by itself; it takes the first."""
    named = config.name in CONFIGURATIONS
    others = (config.with_name(name) for name in CONFIGURATIONS if name != config.name)
    return [file for file in others if named and file.is_file()]


def is_made(file: Path) -> bool:
    """Return whether a fresh clone would lack a file: it is not there, or git ignores it."""
    return not file.exists() or bool(git.output(file.parent, "check-ignore", str(file)))


def files(folder: Path, *, deepest: int = _DEEPEST) -> Iterator[Path]:
    """Return the files below a folder, sorted; not what was installed or built there."""
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(
            n for n in folders if n not in _MADE and n[0] != "." and depth < deepest
        )
        yield from (Path(place) / name for name in sorted(names))
