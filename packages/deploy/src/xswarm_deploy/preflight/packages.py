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
    top = Path(git.output(root, "rev-parse", "--show-toplevel") or root)
    home = node_packages.home(folder, top)
    named = node_packages.read(home).get("dependencies") or {}
    python_packages.require_for_workers(folder, content)
    missing = node_packages.missing(home, named)
    of_python = python_packages.missing(folder, content)
    if missing or of_python:
        commands = [node_packages.installing(home, top, root)] if missing else []
        commands += [node_packages.typed(python_packages.INSTALL, folder, root)] * bool(of_python)
        evidence = f"not installed: {', '.join([*missing, *of_python])}"
        return Seen("fail", evidence, " && ".join(commands))
    return f"{len(named)} installed" if named else "none named"
