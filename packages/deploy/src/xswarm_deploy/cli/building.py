"""What comes before a release: wrangler is there, and the Worker is built."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from xswarm_deploy import git, running
from xswarm_deploy.bundling import node_packages, programs
from xswarm_deploy.console import Console
from xswarm_deploy.errors import StepFailed, Unavailable
from xswarm_deploy.private import make_folder
from xswarm_deploy.secret import redact
from xswarm_deploy.settings import handed_on
from xswarm_deploy.settings.settings import Settings

LOG: Final = ".deployments/build.log"
_FIRST: Final = 8  # lines of a build that failed, from the first that names an error
_LAST: Final = 12
_FRAME: Final = re.compile(r"^\s+at .*[\d>)]\s*$|^\s*$")
_WRONG: Final = re.compile(
    # not a file of that name, such as a page's: error-404.css
    r"(?<!\b0 )(?<![-./\w])(?:errors?|failed)\b(?![-./]\w)|Error:"
    r"|: (?:command )?not found$|\bCannot find\b",
    re.IGNORECASE,
)
_built: set[tuple[Path, str]] = set()


def prepare(settings: Settings) -> None:
    """Install wrangler where there is none, and run ``deploy.worker.build``; once a process.

    Raises:
        Unavailable: wrangler cannot be installed.
        StepFailed: the build failed; its last lines are given.
    """
    worker = settings.project.worker
    folder = settings.path(worker.config).parent
    if (folder, worker.environment) in _built:
        return
    _built.add((folder, worker.environment))
    _ensure_wrangler(folder, settings.root)
    if worker.build:
        build(worker.build, folder, worker.environment, settings.root)


def build(command: str, folder: Path, environment: str, root: Path) -> None:
    """Run what makes a Worker, and show how long it takes.

    Args:
        command: as its shell runs it.
        folder: where it runs.
        environment: the part under ``env`` that it builds; empty: the top level.
        root: the project's folder; of a build that failed, all that it said is kept there.

    Raises:
        StepFailed: it failed; the lines that say why are given.
    """
    with Console(sys.stderr).step("build") as line:
        _build(command, folder, environment, root / LOG)
        line.detail = command


def _ensure_wrangler(folder: Path, root: Path) -> None:
    try:
        programs.wrangler(folder)
    except Unavailable:
        console = Console(sys.stderr)
        console.line("· installing wrangler (once)", "dim")
        with console.step("wrangler") as line:
            line.detail = programs.version(programs.install(root))


def _build(command: str, folder: Path, environment: str, log: Path) -> None:
    ended = running.run(  # noqa: S604 - as wrangler runs its own: "npm ci && npm run build"
        command,
        shell=True,
        joined=True,
        cwd=folder,
        env=_environment(folder, environment),
    )
    if ended.returncode:
        said = redact(ended.stdout)
        make_folder(log.parent)
        log.write_text(said, encoding="utf-8")
        why = f"{_told(said)}\n(all of it: {LOG})"
        raise StepFailed(f"the build failed: {command}", why, _way_on(command, folder, log))


def _way_on(command: str, folder: Path, log: Path) -> str:
    """Return what installs the packages, where a fresh clone has none; else the build, by hand."""
    root = log.parents[1]
    top = Path(git.output(folder, "rev-parse", "--show-toplevel") or root)
    home = node_packages.home(folder, top)
    if lacking := node_packages.uninstalled(home):
        return f"{node_packages.installing(home, top, Path.cwd())}  ({lacking[0]} is not there)"
    return f"cd {folder} && {command}"


def _told(said: str) -> str:
    """Return the lines that say why: about the first error, and the last; no stack frames."""
    lines = [line for line in said.splitlines() if not _FRAME.match(line)]
    last = max(len(lines) - _LAST, 0)
    begin = next((n for n, line in enumerate(lines[:last]) if _WRONG.search(line)), last)
    told = lines[begin : min(begin + _FIRST, last)]
    between = ["…"] if begin + _FIRST < last else []
    return "\n".join([*told, *between, *lines[last:]])


def _environment(folder: Path, part: str) -> dict[str, str]:
    """Return this process's environment without what this tool reads of it: keys, above all."""
    path = programs.search_path(folder)
    kept = handed_on.environment()
    return {**kept, "PATH": path, "CI": "1", **({"CLOUDFLARE_ENV": part} if part else {})}
