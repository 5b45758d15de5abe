"""The packages a Worker imports: installed beside it, or wrangler cannot bundle it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xswarm_deploy.bundling import python_packages
from xswarm_deploy.errors import Refused
from xswarm_deploy.preflight.looking import Seen
from xswarm_deploy.services import shape

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


class _Package(shape.Wire):
    dependencies: dict[str, object] | None = None


def installed(site: Site, content: Mapping[str, Any]) -> Seen | str:
    """Look for each package that the Worker's own package.json or pyproject.toml names."""
    folder = site.settings.path(site.settings.project.worker.config).parent
    named = _dependencies(folder / "package.json")
    missing = {name: "npm install" for name in named if not _found(folder, name)}
    missing |= dict.fromkeys(python_packages.missing(folder, content), python_packages.INSTALL)
    if missing:
        shown = folder.relative_to(site.settings.root) if _inside(folder, site) else folder
        commands = " && ".join(dict.fromkeys(missing.values()))
        return Seen("fail", f"not installed: {', '.join(missing)}", f"cd {shown} && {commands}")
    return f"{len(named)} installed" if named else "none named"


def _dependencies(file: Path) -> list[str]:
    """Return the names under ``dependencies`` of a package.json; none where there is no file.

    Raises:
        Refused: it cannot be read.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        return sorted(shape.read(content, _Package, file.name).dependencies or {})
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise Refused(f"{file.name} cannot be read", str(error), "correct it") from None


def _found(folder: Path, name: str) -> bool:
    """Look as Node does: in node_modules here, and in those of all folders above."""
    return any((place / "node_modules" / name).is_dir() for place in (folder, *folder.parents))


def _inside(folder: Path, site: Site) -> bool:
    return folder.is_relative_to(site.settings.root)
