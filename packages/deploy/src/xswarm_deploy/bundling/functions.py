"""A Pages site with Functions: its code has to be bundled, so it goes up through wrangler.

Functions are a folder ``functions`` of the Pages project, or ``_worker.js`` in the site's folder.

Source: Cloudflare, Pages, Functions; wrangler's ``pages deploy``, which is run in the project.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from xswarm_deploy import fence
from xswarm_deploy.bundling import node_packages
from xswarm_deploy.environment import Environment
from xswarm_deploy.errors import Refused
from xswarm_deploy.services.pages import Commit

_CONFIGURATIONS: Final = ("wrangler.toml", "wrangler.json", "wrangler.jsonc")
_BUILD: Final = ("pages", "functions", "build", "--minify")  # minified: without paths of its own


def project(site: Path, root: Path) -> Path:
    """Return the folder of a Pages project: where ``wrangler pages deploy`` is run.

    It is the nearest above the site with ``functions``, a wrangler configuration or a package.json
    that names anything; a build's output may be folders deep (``build/client``).

    Args:
        site: the folder that is published.
        root: of the repository's project; nothing above it is looked at.
    """
    above = (each for each in site.parents if each == root or each.is_relative_to(root))
    return next((each for each in above if _is_project(each)), site.parent)


def found(site: Path, root: Path) -> tuple[Path, ...]:
    """Return where a site's Functions are: their folder, their file, or both; empty: none.

    Args:
        site: the folder that is published.
        root: of the repository's project.
    """
    places = (project(site, root) / "functions", site / "_worker.js")
    return tuple(place for place in places if place.exists())


def digest(site: Path, root: Path) -> str:
    """Return a hash of all Functions and how they run; the empty string where there are none.

    wrangler bundles them for it, so that what they import counts, wherever it is.

    Raises:
        Refused: wrangler cannot bundle them.
    """
    places = found(site, root)
    if not any(True for place in places for _ in _files(place)):
        return ""
    top = project(site, root)
    beside = (*(top / name for name in _CONFIGURATIONS), site / "_routes.json")
    written = _hash([*places, *(file for file in beside if file.is_file())])
    return hashlib.sha256(f"{written} {_bundled(top, site, written)}".encode()).hexdigest()


def configuration(site: Path, root: Path) -> Path | None:
    """Return wrangler's configuration of a Pages project with Functions; None: there is none.

    Args:
        site: the folder that is published.
        root: of the repository's project.
    """
    files = (project(site, root) / name for name in _CONFIGURATIONS)
    return next((file for file in files if file.is_file()), None) if found(site, root) else None


def deploy(environment: Environment, site: Path, commit: Commit) -> None:
    """Let wrangler bundle and deploy; the token travels in its environment alone.

    Args:
        environment: the environment.
        site: the folder that is published.
        commit: what it is made from.

    Raises:
        StepFailed: wrangler's last words say why.
    """
    from xswarm_deploy.bundling import calling  # most sites have no Functions

    fence.require_held()
    top = project(site, environment.settings.root)
    calling.wrangler(
        environment,
        top,
        *("pages", "deploy", site.relative_to(top).as_posix()),
        *("--project-name", environment.settings.project.pages.project, "--branch", commit.branch),
        *("--commit-hash", commit.hash, "--commit-message", commit.message),
        "--commit-dirty=false",
        failed="wrangler did not deploy the Pages Functions",
    )


def _is_project(folder: Path) -> bool:
    marks = ("functions", *_CONFIGURATIONS)
    if any((folder / name).exists() for name in marks):
        return True
    return bool(node_packages.read(folder).keys() - {"type", "private"})  # a build writes these


@cache
def _bundled(top: Path, site: Path, _written: str) -> str:
    """Return a hash of what wrangler makes of them; a folder ``_worker.js`` goes up as it is."""
    import tempfile  # with shutil, bz2 and lzma: 5 ms, and few sites have functions

    from xswarm_deploy.bundling import bundle, programs

    command = [str(programs.node()), str(programs.wrangler(top)), *_BUILD]
    with tempfile.TemporaryDirectory(prefix="functions-") as scratch:
        made = Path(scratch) / "made"
        ended = bundle.run(
            [*command, "--outdir", str(made), "--build-output-directory", str(site)],
            cwd=top,
            env=bundle.environment(Path(scratch)),
        )
        if ended.returncode:
            raise Refused(
                "wrangler does not accept the Pages Functions",
                bundle.last_lines(ended.stderr or ended.stdout),
                f"fix them; to see all: cd {top} && npx wrangler pages functions build"
                f" --outdir /tmp/functions --build-output-directory {site.relative_to(top)}",
            )
        return _hash([made]) if made.exists() else ""


def _hash(places: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for place in places:
        for file in sorted(_files(place)):
            name = file.relative_to(place.parent).as_posix()
            whole.update(f"{name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return whole.hexdigest()


def _files(place: Path) -> Iterable[Path]:
    return [place] if place.is_file() else (file for file in place.rglob("*") if file.is_file())
