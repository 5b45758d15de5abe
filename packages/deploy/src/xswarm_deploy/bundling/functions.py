"""A Pages site with Functions: its code has to be bundled, so it goes up through wrangler.

Functions are a folder ``functions`` beside the site's folder, or ``_worker.js`` in it.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from xswarm_deploy import fence
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.services.pages import Commit

SECONDS: Final = 600.0


def found(folder: Path) -> tuple[Path, ...]:
    """Return where a site's Functions are: their folder, their file, or both; empty: none.

    Args:
        folder: the site's folder.
    """
    places = (folder.parent / "functions", folder / "_worker.js")
    return tuple(place for place in places if place.exists())


def digest(places: Iterable[Path]) -> str:
    """Return a hash of all Functions; the empty string where there are none."""
    files = sorted(file for place in places for file in _files(place))
    if not files:
        return ""
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return whole.hexdigest()


def require_served(environment: Environment, folder: Path) -> None:
    """Refuse a site with Functions on the local twin, before anything is changed.

    Raises:
        Refused: the twin serves static files alone.
    """
    if found(folder) and is_loopback(environment.settings.text("CLOUDFLARE_API_BASE_URL")):
        raise Refused(
            "the local twin serves no Pages Functions",
            ", ".join(str(place.relative_to(folder.parent)) for place in found(folder)),
            "leave the site out here: INVOKE_DEPLOY_PAGES_DIRECTORY= inv deploy.local",
        )


def deploy(environment: Environment, folder: Path, commit: Commit) -> None:
    """Let wrangler bundle and deploy; the token travels in its environment alone.

    Args:
        environment: the environment.
        folder: the site's folder.
        commit: what it is made from.

    Raises:
        StepFailed: wrangler's last words say why.
    """
    from xswarm_deploy.bundling import bundle, programs  # most sites have no Functions

    root = environment.settings.root
    command = [
        *(str(programs.node()), str(programs.wrangler(root)), "pages", "deploy", folder.name),
        *("--project-name", environment.settings.project.pages.project, "--branch", commit.branch),
        *("--commit-hash", commit.hash, "--commit-message", commit.message),
        "--commit-dirty=false",
    ]
    fence.require_held()
    with tempfile.TemporaryDirectory(prefix="pages-") as scratch:
        ended = subprocess.run(
            command,
            cwd=folder.parent,
            env=bundle.environment(Path(scratch)) | _credentials(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    if ended.returncode:
        words = bundle.last_lines(ended.stderr or ended.stdout)
        raise StepFailed("wrangler did not deploy the Pages Functions", words)


def _credentials(environment: Environment) -> dict[str, str]:
    settings = environment.settings
    return {
        "CLOUDFLARE_API_TOKEN": settings.secret("CLOUDFLARE_API_TOKEN").reveal(),
        "CLOUDFLARE_ACCOUNT_ID": settings.text("CLOUDFLARE_ACCOUNT_ID"),
        "CLOUDFLARE_API_BASE_URL": settings.text("CLOUDFLARE_API_BASE_URL"),
    }


def _files(place: Path) -> Iterable[Path]:
    return [place] if place.is_file() else (file for file in place.rglob("*") if file.is_file())
