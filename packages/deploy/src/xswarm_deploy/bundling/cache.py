"""Take what was bundled along: a copy of a project needs nothing installed or bundled anew."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from xswarm_deploy.bundling.bundle import CACHE
from xswarm_deploy.private import make_folder


def copy(root: Path, target: Path) -> None:
    """Copy the cache of a project: bundles and Python packages, each kept by its content's hash.

    Args:
        root: the project; another process may be bundling in it.
        target: its copy.
    """
    if not (root / CACHE).is_dir():
        return
    make_folder(target / CACHE)
    for modules in (root / CACHE).glob("python-modules-*"):
        shutil.copytree(modules, target / CACHE / modules.name, dirs_exist_ok=True)
    for bundle in (root / CACHE).glob("bundle-*"):
        with contextlib.suppress(FileNotFoundError):  # the oldest are removed
            shutil.copy2(bundle, target / CACHE / bundle.name)
