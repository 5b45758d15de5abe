"""What comes before a release: wrangler is there, and the Worker is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from xswarm_deploy.bundling import programs
from xswarm_deploy.console import Console
from xswarm_deploy.errors import StepFailed, Unavailable
from xswarm_deploy.secret import redact
from xswarm_deploy.settings import handed_on
from xswarm_deploy.settings.settings import Settings

_LINES: Final = 20  # of a build that failed
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
        with Console(sys.stderr).step("build") as line:
            _build(worker.build, folder, worker.environment)
            line.detail = worker.build


def _ensure_wrangler(folder: Path, root: Path) -> None:
    try:
        programs.wrangler(folder)
    except Unavailable:
        console = Console(sys.stderr)
        console.line("· installing wrangler (once)", "dim")
        with console.step("wrangler") as line:
            line.detail = programs.version(programs.install(root))


def _build(command: str, folder: Path, environment: str) -> None:
    ended = subprocess.run(  # noqa: S602 - as wrangler runs its own: "npm ci && npm run build"
        command,
        shell=True,
        cwd=folder,
        env=_environment(folder, environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if ended.returncode:
        last = redact("\n".join(ended.stdout.strip().splitlines()[-_LINES:]))
        raise StepFailed(f"the build failed: {command}", last, f"cd {folder} && {command}")


def _environment(folder: Path, part: str) -> dict[str, str]:
    """Return this process's environment without what this tool reads of it: keys, above all."""
    path = programs.search_path(folder)
    kept = handed_on.environment()
    return {**kept, "PATH": path, "CI": "1", **({"CLOUDFLARE_ENV": part} if part else {})}
