"""The packages of a Python Worker: ``pywrangler`` puts them into ``python_modules``.

Those of a ``requirements.txt`` a release vendors itself, as far as they are pure Python.

Source: Cloudflare, Python Workers, Packages.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.errors import Refused

FOLDER: Final = "python_modules"
INSTALL: Final = "uv run pywrangler sync"
_PURE: Final = {"pydantic_core": "fastapi<0.116, pydantic<2"}
"""What is compiled in all its versions → what does without it, and has no compiled code."""
_COMPILED: Final = (".so", ".pyd", ".dylib")
_OF_THE_RUNTIME: Final = ("emscripten", "wasm32")
"""What the name of an extension for Pyodide, on which Workers run, has."""
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*")
_NOT_VENDORED: Final = frozenset(
    {"xswarm-monitoring", "webtypy", "workers-py", "workers-runtime-sdk"}
)
"""What a release brings itself, the runtime has, or only types need."""


def missing(folder: Path, content: Mapping[str, Any]) -> list[str]:
    """Return the packages that pyproject.toml names while none is installed beside the Worker."""
    return [] if (folder / FOLDER).is_dir() else named(folder, content)


def named(folder: Path, content: Mapping[str, Any]) -> list[str]:
    """Return the packages that pywrangler installs for a Worker, from its pyproject.toml.

    Args:
        folder: of the wrangler configuration.
        content: what it says.
    """
    ours = (folder / "requirements.txt").is_file()
    if ours or not str(content.get("main") or "").endswith(".py"):
        return []
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8-sig"))
        wanted = project.get("project", {}).get("dependencies") or []
    except (OSError, ValueError, AttributeError):
        return []
    found = (_NAME.match(str(one).strip()) for one in wanted)
    names = (match[0].lower().replace("_", "-") for match in found if match)
    return sorted(name for name in names if name not in _NOT_VENDORED)


def require_pure(folder: Path, named: Path) -> None:
    """Refuse packages that are compiled for this machine: they run here, and on no Worker.

    Args:
        folder: where they were installed to.
        named: the file that names them.

    Raises:
        Refused: it names them, with the way on.
    """
    names = _compiled(folder)
    if names:
        raise Refused(
            f"{', '.join(names)} cannot run in a Worker",
            f"{named.name} brings it compiled for this machine; Workers run Python on WebAssembly",
            f"{_pinned(names)}name the packages in pyproject.toml, remove {named.name}, and beside"
            f" wrangler's file: {INSTALL}",
        )


def require_for_workers(folder: Path, content: Mapping[str, Any]) -> None:
    """Refuse packages beside a Python Worker that are compiled for this machine.

    ``pip install --target python_modules`` brings them; the twin, which is CPython, would run them.

    Args:
        folder: of the wrangler configuration.
        content: what it says.

    Raises:
        Refused: it names them, with the way on.
    """
    modules = folder / FOLDER
    of_python = str(content.get("main") or "").endswith(".py") and modules.is_dir()
    names = _compiled(modules) if of_python else []
    if names:
        raise Refused(
            f"{', '.join(names)} cannot run in a Worker",
            f"{FOLDER} has it compiled for this machine; Workers run Python on WebAssembly",
            f"beside wrangler's file: rm -r {FOLDER} && {INSTALL}",
        )


def _compiled(folder: Path) -> list[str]:
    found = (
        file.relative_to(folder).parts[0]
        for file in folder.rglob("*")
        if file.suffix in _COMPILED and not any(mark in file.name for mark in _OF_THE_RUNTIME)
    )
    return sorted({name.partition(".")[0] for name in found})


def _pinned(names: list[str]) -> str:
    """Return the way on that needs no other tool, where there is one."""
    known = [_PURE[name] for name in names if name in _PURE]
    return f"name {', '.join(known)}, which are pure Python; or " if known else ""
