"""Frameworks' own minimal applications, from ``init`` to a rollback on a twin of their own.

``python -m tests.adoption.frameworks [NAME…]`` takes each of ``tests/fixtures/frameworks`` the way
of a team: npm installs, ``xswarm init`` finds, builds and makes the first release; a change and a
second release; ``verify``; ``rollback``. It prints a line for each. They are written as the
frameworks' pages on Cloudflare Workers say; :mod:`tests.adoption.templates` takes repositories that
are there already.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.adoption.repositories import committed, file, git
from tests.adoption.templates import GOOD, NPM, last_words
from tests.adoption.test_own_repository import Repository, opened

APPLICATIONS: Final = Path(__file__).parents[1] / "fixtures/frameworks"
FIRST: Final = "First of all"
"""What the root of each answers; a second release says something else."""
SECOND: Final = "Second of all"
_IGNORED: Final = (
    *("node_modules", "dist", "build", ".output", ".next", ".open-next", ".svelte-kit", ".astro"),
    *(".nuxt", ".nitro", ".wrangler", ".react-router", ""),
)


def through(name: str, root: Path) -> str:
    """Take a copy of an application through all of it; return why it failed, or nothing."""
    shutil.copytree(APPLICATIONS / name, root)
    file(root, ".gitignore", "\n".join(_IGNORED))
    installed = subprocess.run(
        [str(NPM), "install", "--no-audit", "--no-fund"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if installed.returncode:
        return f"npm install: {last_words(installed.stderr)}"
    committed(root)
    with opened(root) as repository:
        try:
            _released(repository)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return last_words(str(error))
    return ""


def _released(repository: Repository) -> None:
    repository.xswarm("init", "--yes", "--ci", "none")
    first = repository.live()
    assert FIRST in repository.get().text, "the first release does not answer"
    _change(repository.root)
    repository.xswarm("deploy.local")
    repository.xswarm("verify")
    assert SECOND in repository.get().text, "the second release does not answer"
    repository.xswarm("rollback", "--version", first, "--yes")
    assert FIRST in repository.get().text, "the first release does not answer again"


def _change(root: Path) -> None:
    for name in git(root, "grep", "-l", FIRST).splitlines():
        path = root / name
        path.write_text(path.read_text().replace(FIRST, SECOND))
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "changed")


def main(names: list[str]) -> int:
    """Take each through; print how each fared, and return how many failed."""
    failed = 0
    for name in names or sorted(path.name for path in APPLICATIONS.iterdir()):
        with tempfile.TemporaryDirectory(prefix="framework-") as scratch:
            why = through(name, Path(scratch) / name)
        print(f"{name}: {why or GOOD}", flush=True)  # noqa: T201
        failed += bool(why)
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
