"""A Worker's package.json: what it depends on, whether that is installed, and by which program."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.services import shape

FILE: Final = "package.json"
_PLUG_AND_PLAY: Final = ".pnp.cjs"
_LOCKS: Final[Mapping[str, str]] = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
}


class _Package(shape.Wire):
    dependencies: dict[str, object] | None = None
    devDependencies: dict[str, object] | None = None  # noqa: N815 - npm's name
    scripts: dict[str, object] | None = None
    packageManager: str | None = None  # noqa: N815


def read(folder: Path) -> Mapping[str, Any]:
    """Return a folder's package.json; empty where there is none.

    Raises:
        Refused: it cannot be read, or a part that is relied upon has another shape.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8-sig"))
        shape.read(content, _Package, FILE)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise Refused(f"{folder / FILE} cannot be read", str(error), "correct it") from None
    found: Mapping[str, Any] = content
    return found


def typed(command: str, place: Path, folder: Path) -> str:
    """Return a command as it is typed in one folder to run in another.

    Args:
        command: empty: none.
        place: where it is to run.
        folder: where it is typed.
    """
    shown = Path(os.path.relpath(place, folder)).as_posix()
    return f"(cd {shlex.quote(shown)} && {command})" if command and shown != "." else command


def home(folder: Path, top: Path) -> Path:
    """Return the folder of the package that another is of: the nearest package.json upwards.

    Args:
        folder: of the wrangler configuration, which may stand below its package.
        top: of the repository; without a package.json up to there, the folder itself.
    """
    above = (folder, *folder.parents)
    within = above[: above.index(top) + 1] if top in above else above[:1]
    return next((each for each in within if (each / FILE).is_file()), folder)


def linked(folder: Path) -> dict[str, Path]:
    """Return name → folder of the packages of a workspace that one is made from, however far.

    A package manager links those; what comes from elsewhere lies in some node_modules.

    Args:
        folder: of the package.

    Raises:
        Refused: a package.json cannot be read.
    """
    found: dict[str, Path] = {}
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        for name in read(here).get("dependencies") or {}:
            above = (each / "node_modules" / name for each in (here, *here.parents))
            place = next((each for each in above if each.is_symlink()), None)
            other = place.resolve() if place else None
            if other and other.is_dir() and "node_modules" not in other.parts and name not in found:
                found[name] = other
                waiting.append(other)
    return found


def manager(folder: Path, top: Path) -> str:
    """Return the package manager: what package.json says, else the nearest lock file; else npm.

    Args:
        folder: of the Worker.
        top: of the repository.

    Raises:
        Refused: a package.json on the way cannot be read.
    """
    for each in (folder, *folder.parents):
        named = str(read(each).get("packageManager") or "").partition("@")[0]
        if named:
            return named
        for lock, program in _LOCKS.items():
            if (each / lock).is_file():
                return program
        if each == top:
            break
    return "npm"


def lock(folder: Path, top: Path) -> Path | None:
    """Return the nearest lock file, from a folder up to the top of its repository."""
    for each in (folder, *folder.parents):
        found = next((each / name for name in _LOCKS if (each / name).is_file()), None)
        if found or each == top:
            return found
    return None


def pinned(folder: Path, top: Path) -> str:
    """Return the version of the package manager that package.json names; empty: it names none."""
    for each in (folder, *folder.parents):
        named = str(read(each).get("packageManager") or "").partition("@")[2]
        if named or each == top:
            return named.partition("+")[0]
    return ""


def installing(home: Path, top: Path, typed_in: Path) -> str:
    """Return what installs packages: of a workspace all of them, where its lock file is.

    Args:
        home: the folder of the package.json.
        top: of the repository.
        typed_in: where the command is typed.
    """
    found = lock(home, top)
    return typed(f"{manager(home, top)} install", found.parent if found else home, typed_in)


def uninstalled(home: Path) -> list[str]:
    """Return the packages of a package.json that are not installed, those of builds and tests too.

    Args:
        home: its folder.
    """
    package = read(home)
    kinds = (package.get("dependencies") or {}, package.get("devDependencies") or {})
    return missing(home, [name for kind in kinds for name in kind])


def is_plug_and_play(folder: Path) -> bool:
    """Return whether Yarn keeps the packages of a folder in archives, and no node_modules."""
    return any((each / _PLUG_AND_PLAY).is_file() for each in (folder, *folder.parents))


def missing(folder: Path, named: Iterable[str]) -> list[str]:
    """Return the packages that are not installed, here or in a folder above, as Node looks.

    Yarn's Plug'n'Play keeps them elsewhere, where esbuild finds them.
    """
    if is_plug_and_play(folder):
        return []
    above = (folder, *folder.parents)
    return sorted(
        name
        for name in set(named)
        if not any((each / "node_modules" / name).is_dir() for each in above)
    )
