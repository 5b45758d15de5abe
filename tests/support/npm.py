"""npm, which installs what tests need of Node's packages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from xswarm_deploy import child


def install(folder: Path) -> None:
    """Install a folder's packages as its lock file pins them, unless it has them."""
    if (folder / "node_modules/.package-lock.json").is_file():  # what npm writes last
        return
    npm = child.program("npm")
    assert npm, f"npm is needed to install the packages of {folder}"
    path = f"{Path(npm).parent}{os.pathsep}{os.environ['PATH']}"  # npm looks for Node
    given = {**os.environ, "PATH": path}
    subprocess.run([npm, "ci", "--silent"], cwd=folder, check=True, timeout=300, env=given)
