"""A copy of a project to rehearse in: its files as they are, or as a commit has them.

A package of a monorepo is copied with what is beside it in the checkout, for its build and its
imports reach there; what is installed serves the copy, but for packages of the checkout itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xswarm_deploy import child, git
from xswarm_deploy.bundling import cache
from xswarm_deploy.errors import Refused

_MODULES: Final = "node_modules"
_LEFT_OUT: Final = (
    *("production.env", "staging.env", ".git", ".venv", _MODULES, ".sandbox"),
    *(".backups", ".deployments", "__pycache__", ".*_cache", ".hypothesis"),
)


def of_project(root: Path, target: Path) -> Path:
    """Copy a project without its secrets and its history; return its folder in the copy.

    Args:
        root: the project's folder.
        target: of the whole copy; it is not there yet.
    """
    top = _top(root)
    own = target / root.relative_to(top)
    shutil.copytree(root, own, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    for name in _beside(top, root):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(top / name, target / name, follow_symlinks=False)
    return _settled(top, root, target)


def of_commit(root: Path, commit: str, target: Path) -> Path:
    """Check a commit out; return the project's folder in it.

    Args:
        root: the project's folder.
        commit: what ``git archive`` takes.
        target: of the whole copy; it is not there yet.

    Raises:
        Refused: the commit is not here, or has no such project.
    """
    top, another = _top(root), "name another: inv deploy.rehearse --base COMMIT"
    if commit.startswith("-"):  # `git archive --output=FILE` empties a file; a release's record
        raise Refused(f"{commit!r} is no commit", "it would be a flag of git's", another)
    target.mkdir()
    archive = ["git", "archive", commit]
    told, packed = child.environment(), subprocess.PIPE
    ended = subprocess.run(archive, cwd=top, env=told, stdout=packed, stderr=packed, check=False)
    if ended.returncode:
        why = ended.stderr.decode("utf-8", "replace").strip()
        raise Refused(f"commit {commit} is not here", why, f"git fetch, or {another}")
    subprocess.run(["tar", "x"], cwd=target, env=told, input=ended.stdout, check=True)
    own = target / root.relative_to(top)
    if not (own / "invoke.yaml").is_file():
        why = "it was released before invoke.yaml was committed"
        raise Refused(f"commit {commit} has no invoke.yaml", why, another)
    return _settled(top, root, target)


def _top(root: Path) -> Path:
    """Return the top of the checkout that a project is in; without git the project itself."""
    found = git.output(root, "rev-parse", "--show-toplevel")
    return Path(found) if found and root.is_relative_to(found) else root


def _beside(top: Path, root: Path) -> Iterator[str]:
    """Return the files of a checkout that are not the project's own, and that git has or may."""
    if top == root:
        return
    listed = git.output(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        file = top / name
        if not file.is_relative_to(root) and file.is_file() and file.name not in _LEFT_OUT:
            yield name


def _settled(top: Path, root: Path, target: Path) -> Path:
    """Let a copy use what was installed for the project; return the project's folder in it.

    What was bundled, too: it is kept by its content.
    """
    own = target / root.relative_to(top)
    if top != root:  # the copy's top is found as the checkout's is
        git.output(target, "init", "--quiet")
    packages = [top, root, *(file.parent for file in _packages(top))]
    for folder in dict.fromkeys(packages):
        copy = target / folder.relative_to(top)
        there = os.path.lexists(copy / _MODULES)  # it is committed, as some do
        if (folder / _MODULES).is_dir() and copy.is_dir() and not there:
            _link(folder / _MODULES, copy / _MODULES, top, target)
    above = next((f / _MODULES for f in top.parents if (f / _MODULES).is_dir()), None)
    if above and not (target / _MODULES).exists():
        (target / _MODULES).symlink_to(above)
    cache.copy(root, own)
    return own


def _packages(top: Path) -> Iterator[Path]:
    """Return each package.json that git has or may have."""
    listed = git.output(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = filter(None, listed.split("\0"))
    return (top / name for name in names if Path(name).name == "package.json")


def _link(installed: Path, link: Path, top: Path, target: Path) -> None:
    """Link what is installed; a package of the checkout leads to the copy's own.

    Args:
        installed: a folder node_modules, or of a scope below it.
        link: the same of the copy.
        top: of the checkout.
        target: its copy.
    """
    entries = list(installed.iterdir())
    scopes = [each for each in entries if each.name[0] == "@" and not each.is_symlink()]
    inside = {each: _inside(each, top) for each in entries if each.is_symlink()}
    if not scopes and not any(inside.values()):
        link.symlink_to(installed)
        return
    link.mkdir()
    for each in entries:
        here = inside.get(each)
        if each in scopes:
            _link(each, link / each.name, top, target)
        else:
            (link / each.name).symlink_to(target / here if here else each)


def _inside(link: Path, top: Path) -> Path | None:
    """Return which folder of the checkout a link leads to; None: to a package of others."""
    place = link.resolve()
    if not place.is_relative_to(top.resolve()):
        return None
    below = place.relative_to(top.resolve())
    return None if _MODULES in below.parts else below
