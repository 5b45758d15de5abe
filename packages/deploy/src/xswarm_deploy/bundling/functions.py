"""A Pages site with Functions: its code has to be bundled, so it goes up through wrangler.

Functions are a folder ``functions`` beside the site's folder, or ``_worker.js`` in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from xswarm_deploy import fence
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import Refused
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.services.pages import Commit


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
            ", ".join(place.relative_to(folder.parent).as_posix() for place in found(folder)),
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
    from xswarm_deploy.bundling import calling  # most sites have no Functions

    fence.require_held()
    calling.wrangler(
        environment,
        folder.parent,
        *("pages", "deploy", folder.name),
        *("--project-name", environment.settings.project.pages.project, "--branch", commit.branch),
        *("--commit-hash", commit.hash, "--commit-message", commit.message),
        "--commit-dirty=false",
        failed="wrangler did not deploy the Pages Functions",
    )


def _files(place: Path) -> Iterable[Path]:
    return [place] if place.is_file() else (file for file in place.rglob("*") if file.is_file())
