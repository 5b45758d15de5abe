"""Keep the tools: ``inv tools.install``, ``inv tools.lock``."""

from __future__ import annotations

import subprocess
import sys

from invoke.context import Context
from invoke.tasks import task

from xswarm_deploy import child
from xswarm_deploy.bundling import programs
from xswarm_deploy.cli import context
from xswarm_deploy.console import Console
from xswarm_deploy.errors import Unavailable
from xswarm_deploy.sbom import document

_LOCKED = ("requirements", "requirements-sandbox", "requirements-test")


@task
def install(_c: Context) -> None:
    """Install wrangler anew, exactly as package-lock.json says."""
    with Console().step("wrangler") as line:
        line.detail = programs.version(programs.install(context.ROOT))


@task(help={"upgrade": "take the newest versions that fit"})
def lock(_c: Context, upgrade: bool = False) -> None:
    """Write requirements*.txt anew from requirements*.in: pinned, with hashes."""
    for name in _LOCKED:
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--universal",
            "--python-version",
            "3.11",
            "--generate-hashes",
            "--no-emit-index-url",
            "--no-annotate",
            "--custom-compile-command",
            "./inv tools.lock",
            "--output-file",
            f"{name}.txt",
            f"{name}.in",
        ]
        command += ["--upgrade"] if upgrade else []
        ended = subprocess.run(command, cwd=context.ROOT, env=child.installer(), check=False)
        if ended.returncode:
            what, why = f"{name}.txt could not be written", f"uv ended with {ended.returncode}"
            raise Unavailable(what, f"{why}, see above", "inv tools.lock")


@task
def sbom(_c: Context) -> None:
    """Print all packages with versions, licences and hashes, as CycloneDX JSON."""
    Console().json(document(context.ROOT))
