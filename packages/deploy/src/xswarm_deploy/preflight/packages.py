"""The packages a Worker imports: installed beside it, or wrangler cannot bundle it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xswarm_deploy import git
from xswarm_deploy.bundling import node_packages, python_packages
from xswarm_deploy.preflight.looking import Seen

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


def installed(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Look for each package that the Worker's package.json or pyproject.toml names.

    Raises:
        Refused: one is compiled for this machine.
    """
    root = site.settings.root
    folder = site.settings.path(site.settings.project.worker.config).parent
    named = node_packages.read(folder).get("dependencies") or {}
    python_packages.require_for_workers(folder, content)
    missing = dict.fromkeys(node_packages.missing(folder, named), "")
    if missing:
        missing = dict.fromkeys(missing, f"{node_packages.manager(folder, _top(root))} install")
    missing |= dict.fromkeys(python_packages.missing(folder, content), python_packages.INSTALL)
    if missing:
        shown = folder.relative_to(root) if folder.is_relative_to(root) else folder
        there = [] if str(shown) == "." else [f"cd {shown}"]
        commands = " && ".join([*there, *dict.fromkeys(missing.values())])
        return Seen("fail", f"not installed: {', '.join(missing)}", commands)
    return f"{len(named)} installed" if named else "none named"


def _top(root: Path) -> Path:
    """Return the top of the repository, where a monorepo has its lock file."""
    return Path(git.output(root, "rev-parse", "--show-toplevel") or root)
