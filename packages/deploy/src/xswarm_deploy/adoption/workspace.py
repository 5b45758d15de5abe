"""A package of a monorepo: which packages beside it must be built before its Worker is.

Sources: npm, Workspaces; pnpm, Filtering; Yarn, Workspaces; Turborepo, run; Nx, run-many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from xswarm_deploy.adoption import tree
from xswarm_deploy.adoption.changes import relative
from xswarm_deploy.bundling import jsonc, node_packages
from xswarm_deploy.errors import Refused

_PNPM: Final = "pnpm-workspace.yaml"
_TURBO: Final = "turbo.json"
_NX: Final = "nx.json"
_RUNNERS: Final[Mapping[str, str]] = {"pnpm": "pnpm exec", "yarn": "yarn", "bun": "bunx"}
Packages = dict[str, Path]
"""Name → folder of each package of a workspace."""


def build(folder: Path, top: Path, own: str, manager: str, files: str = "") -> str:
    """Return what builds a package, after those of its workspace that it is made from.

    Args:
        folder: of the package.
        top: of the repository.
        own: what builds the package by itself; empty: nothing.
        manager: npm, pnpm, yarn or bun.
        files: the folder of its static files, from there; another package may make them.

    Raises:
        Refused: a file of the workspace cannot be read.
    """
    root = _root(folder, top)
    known = packages(root) if root else {}
    before = list(_unbuilt(folder, known, {folder}))
    site = _maker(folder / files, folder, known) if files else None
    of_site = [*_unbuilt(site, known, {folder, *before}), site] if site else []
    if root is None or not (before or of_site):
        return own
    script = f"{manager} run build"
    with_own = own == script or own.startswith(f"{script} && ")
    itself = [folder] if with_own else []
    every = list(dict.fromkeys([*before, *of_site, *itself]))
    selected = [_selected(folder, with_own=with_own)] if before or with_own else []
    selected += [_selected(site, with_own=True)] if site else []
    commands = _together(root, folder, every, selected, manager)
    rest = own.removeprefix(script).removeprefix(" && ") if with_own else own
    return " && ".join(part for part in (*commands, rest) if part)


def place(folder: Path, top: Path) -> Path:
    """Return where the packages of one are installed from: beside the lock file, else the root.

    ``npm ci`` in a package of a workspace leaves out what the root depends on, such as turbo and
    typescript (npm, Workspaces: commands run in the context of that package).
    """
    lock = node_packages.lock(folder, top)
    return lock.parent if lock else _root(folder, top) or folder


def packages(root: Path) -> Packages:
    """Return the packages of a workspace.

    Raises:
        Refused: a file of it cannot be read.
    """
    patterns = _patterns(root)
    left_out = {f for p in patterns if p[0] == "!" for f in _folders(root, p.removeprefix("!"))}
    found: Packages = {}
    for folder in (f for p in patterns if p[0] != "!" for f in _folders(root, p)):
        name = str(node_packages.read(folder).get("name") or "")
        if name and folder not in left_out:
            found.setdefault(name, folder)
    return found


def caches_builds(folder: Path, top: Path) -> Path | None:
    """Return the turbo.json by which builds are kept for all environments alike; None: none is."""
    root = _root(folder, top)
    file = root / _TURBO if root else None
    if file is None or not file.is_file():
        return None
    return None if "CLOUDFLARE_ENV" in file.read_text(encoding="utf-8", errors="replace") else file


def _root(folder: Path, top: Path) -> Path | None:
    for each in folder.parents:
        if (each / _PNPM).is_file() or "workspaces" in node_packages.read(each):
            return each
        if each == top:
            break
    return None


def _patterns(root: Path) -> list[str]:
    file = root / _PNPM
    if file.is_file():
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise Refused(f"{file} cannot be read", str(error), "correct it") from None
        named = content.get("packages") if isinstance(content, Mapping) else None
    else:
        named = node_packages.read(root).get("workspaces")
        named = named.get("packages") if isinstance(named, Mapping) else named
    plain = (one.removeprefix("./").rstrip("/") for one in named or () if isinstance(one, str))
    return [one for one in plain if one]


def _folders(root: Path, pattern: str) -> Iterator[Path]:
    for file in sorted(root.glob(f"{pattern}/{node_packages.FILE}")):
        if "node_modules" not in file.relative_to(root).parts:
            yield file.parent


def _unbuilt(folder: Path, known: Packages, seen: set[Path]) -> Iterator[Path]:
    """Yield the packages that one is made from and that must be built, in their order."""
    package = node_packages.read(folder)
    named = {**(package.get("devDependencies") or {}), **(package.get("dependencies") or {})}
    for name in named:
        other = known.get(name)
        if other and other not in seen:
            seen.add(other)
            yield from _unbuilt(other, known, seen)
            if _is_made(other):
                yield other


def _is_made(folder: Path) -> bool:
    """Return whether a package's code is there only after its script ``build``."""
    package = node_packages.read(folder)
    if "build" not in (package.get("scripts") or {}):
        return False
    return tree.is_made(folder / (_entry(package) or "index.js"))


def _entry(package: Mapping[str, Any]) -> str:
    """Return the file that a package is imported by."""
    exports = package.get("exports")
    while isinstance(exports, Mapping) and exports:
        kinds = (".", "workerd", "import", "module", "default", next(reversed(exports)))
        exports = next(exports[kind] for kind in kinds if kind in exports)
    found = exports or package.get("module") or package.get("main")
    return found if isinstance(found, str) else ""


def _maker(files: Path, folder: Path, known: Packages) -> Path | None:
    """Return the other package whose build makes a folder of files; None: there is none."""
    place = files.resolve()
    found = next((one for one in known.values() if place.is_relative_to(one.resolve())), None)
    if found is None or found == folder or not tree.is_made(files):
        return None
    return found if "build" in (node_packages.read(found).get("scripts") or {}) else None


def _selected(folder: Path, *, with_own: bool) -> str:
    """Return the filter of pnpm and turbo for what a package is made from, or for it, too."""
    name = str(node_packages.read(folder).get("name") or "")
    return f"{name}..." if with_own else f"{name}^..."


def _together(
    root: Path, folder: Path, every: list[Path], selected: list[str], manager: str
) -> list[str]:
    """Return the commands that build packages, in their order.

    Args:
        root: of the workspace.
        folder: where the commands are typed.
        every: package's folder.
        selected: the same, as filters.
        manager: npm, pnpm, yarn or bun.
    """
    named = all(one[0] not in ".^" for one in selected)  # a package may have no name
    runner = _RUNNERS.get(manager, "npx")
    if named and _has_task(root / _TURBO):
        filters = " ".join(f'"--filter={one}"' for one in selected)
        return [f"{runner} turbo run build {filters}"]
    if (root / _NX).is_file():
        names = ",".join(str(node_packages.read(each).get("name")) for each in every)
        return [f"{runner} nx run-many --targets=build --projects={names}"]
    if named and manager == "pnpm":
        filters = " ".join(f'--filter "{one}"' for one in selected)
        return [f"pnpm {filters} run build"]
    return [_alone(each, folder, manager) for each in every]


def _alone(package: Path, folder: Path, manager: str) -> str:
    """Return the command that builds one package, typed in the folder of another."""
    if package == folder:
        return f"{manager} run build"
    if manager == "yarn":
        return f"yarn workspace {node_packages.read(package).get('name')} run build"
    place = Path(relative(package, folder)).as_posix()
    option = "--cwd" if manager == "bun" else "--prefix"
    return f"{manager} run {option} {place} build"


def _has_task(turbo: Path) -> bool:
    """Return whether a turbo.json knows the task ``build``."""
    try:
        content = jsonc.loads(turbo.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise Refused(f"{turbo} cannot be read", str(error), "correct it") from None
    tasks = content.get("tasks") or content.get("pipeline") or {}
    return "build" in tasks
