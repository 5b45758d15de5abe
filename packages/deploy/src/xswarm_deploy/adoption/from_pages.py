"""How a Pages project becomes a Worker: its files as assets, its functions as code.

Source: Cloudflare, Workers, Migrate from Pages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.adoption import places, tree
from xswarm_deploy.bundling import node_packages, programs

FUNCTIONS: Final = "functions-worker"
"""The folder of the code that is made of a project's functions."""
COMPILE: Final = f"npx wrangler pages functions build --outdir {FUNCTIONS}"
_ADDS: Final = {
    "npm": "npm install --save-dev",
    "pnpm": "pnpm add --save-dev",
    "yarn": "yarn add --dev",
    "bun": "bun add --dev",
}
_OUTPUT: Final = "pages_build_output_dir"
_USUAL: Final = ("dist", "public", "build", "out")
_BUILT: Final = {"react-scripts": "build", "vite": "dist", "astro": "dist"}
"""Package → where its build puts the files; ``public`` is what it takes in."""


def way(folder: Path, directory: str, written: Path | None = None) -> str:
    """Return what to do: commands, and what is written into the configuration.

    Args:
        folder: of the Pages project.
        directory: that it publishes; empty: the usual one that is there.
        written: its own configuration, whose variables and bindings stay; None: it has none.
            One without a directory names code that is not there.
    """
    replaced = _OUTPUT if directory else "main"
    directory = directory or _there(folder)
    main, assets = _parts(folder, directory)
    command = f"{' && '.join(_commands(folder))}, and " if main else ""
    if written is None:
        name, date = places.slug(folder.name), programs.newest_date()
        made = {"name": name, "compatibility_date": date, **main, "assets": assets}
        return f"make a Worker of it: {command}write wrangler.jsonc: {json.dumps(made)}"
    lines = _toml(main, assets) if written.suffix == ".toml" else _json(main, assets)
    return f"make a Worker of it: {command}in {written.name} write in place of {replaced}: {lines}"


def _commands(folder: Path) -> Iterator[str]:
    """Yield what makes the Worker of its functions, which may be made of what a build makes."""
    manager = node_packages.manager(folder, tree.top(folder))
    package = node_packages.read(folder)
    named = {**(package.get("dependencies") or {}), **(package.get("devDependencies") or {})}
    if programs.is_outdated(folder) or (package and "wrangler" not in named):
        yield f"{_ADDS[manager]} wrangler@4"  # an older one reads ``assets`` in another way
    if "build" in (package.get("scripts") or {}):
        yield f"{manager} run build"
    yield COMPILE


def compiling(folder: Path, content: Mapping[str, Any]) -> str:
    """Return the command that makes the Worker of its functions anew; empty: it is not made so.

    Args:
        folder: of the configuration.
        content: what it says.
    """
    made = Path(str(content.get("main") or "")) == Path(FUNCTIONS) / "index.js"
    return COMPILE if made and (folder / "functions").is_dir() else ""


def _there(folder: Path) -> str:
    package = node_packages.read(folder)
    named = {*(package.get("dependencies") or {}), *(package.get("devDependencies") or {})}
    built = next((made for name, made in _BUILT.items() if name in named), "")
    there = (name for name in _USUAL if (folder / name / "index.html").is_file())
    return built or next(there, _USUAL[0])


def _parts(folder: Path, directory: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return ``main``, if it has functions, and ``assets``, which they are asked before."""
    if not (folder / "functions").is_dir():
        return {}, {"directory": directory}
    assets = {"directory": directory, "binding": "ASSETS"}  # a function that hands on asks for it
    return {"main": f"{FUNCTIONS}/index.js"}, {
        **assets,
        "run_worker_first": _first(folder / directory),
    }


def _first(site: Path) -> list[str] | bool:
    """Return which paths functions are asked for: as ``_routes.json`` says, else all of them."""
    try:
        routes = json.loads((site / "_routes.json").read_text(encoding="utf-8-sig"))
        included, excluded = routes["include"], routes.get("exclude", [])
        return [*map(str, included), *(f"!{path}" for path in excluded)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return True


def _json(main: Mapping[str, str], assets: Mapping[str, Any]) -> str:
    return json.dumps({**main, "assets": assets})[1:-1]


def _toml(main: Mapping[str, str], assets: Mapping[str, Any]) -> str:
    inner = ", ".join(f"{name} = {json.dumps(value)}" for name, value in assets.items())
    outer = [f"{name} = {json.dumps(value)}" for name, value in main.items()]
    return ", and the line ".join([*outer, f"assets = {{ {inner} }}"])
