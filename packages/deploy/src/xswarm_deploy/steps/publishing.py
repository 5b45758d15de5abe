"""What must not be published: private files, and files that hold a secret of the environment.

A folder named by mistake (``deployment/config``), or a build that copies too much, would put
them on the internet. The check looks, and a release looks again before it uploads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Final

from xswarm_deploy import secret
from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused
from xswarm_deploy.services.files import StaticFile, asset_files, pages_files, rule_texts
from xswarm_deploy.settings.settings import Settings

PRIVATE: Final = (
    *(".env", "*.env", ".env.*", "*.env.*", ".dev.vars", ".dev.vars.*", ".npmrc", ".netrc"),
    *(".pypirc", ".htpasswd", ".git-credentials", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"),
    *("*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.tfstate", "*.tfstate.backup"),
)
"""Names of files that hold credentials, in lower case."""
FOLDERS: Final = frozenset(
    {".git", ".svn", ".hg", ".ssh", ".aws", ".gnupg", ".wrangler", ".sandbox", ".deployments"}
)
"""Names of folders whose content is nobody else's."""
_POINTER: Final = b"version https://git-lfs.github.com/spec/"
EXAMPLES: Final = (".example", ".sample", ".template")
_KEY: Final = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|AGE-SECRET-KEY-1"
)


def require_public(files: Iterable[StaticFile], rules: Sequence[str] = ()) -> None:
    """Refuse to publish what is private.

    Args:
        files: what would be published.
        rules: the texts of ``_headers`` and ``_redirects``.

    Raises:
        Refused: a file's name or content is private; the first is named, and never its content.
    """
    found = private(files, rules)
    if found:
        raise Refused(
            "this would be published",
            "; ".join(found[:5]) + (f"; {len(found) - 5} more" if len(found) > 5 else ""),
            "take it out of the folder, or correct the folder (deploy.pages.directory in"
            " invoke.yaml, assets.directory in wrangler's file), then: inv check",
        )


def private(files: Iterable[StaticFile], rules: Sequence[str] = ()) -> list[str]:
    """Return what must not be published: each path, and why."""
    told = [(file.path, _why(file.path, file.file, file.hash, secret.count())) for file in files]
    told += [("the rules", _holds(text.encode())) for text in rules]
    return [f"{path}: {why}" for path, why in told if why]


def published(settings: Settings) -> tuple[list[StaticFile], list[str]]:
    """Return all files and rules that a release would publish: the site's and the Worker's.

    Raises:
        Refused: a folder breaks a limit, or wrangler's configuration cannot be read.
    """
    project = settings.project
    assets = wrangler.read(settings).get("assets") or {}
    site = settings.path(project.pages.directory) if project.pages.directory else None
    beside = wrangler.file(settings).parent
    own = beside / str(assets["directory"]) if assets.get("directory") else None
    files = [
        *(pages_files(site) if site and site.is_dir() else ()),
        *(asset_files(own) if own and own.is_dir() else ()),
    ]
    told = [text for folder in (site, own) if folder for text in rule_texts(folder).values()]
    return files, told


@cache
def _why(path: str, file: Path, _hash: str, _secrets: int) -> str:
    """Return why a file is private; asked again where it, or what is secret, has changed."""
    if told := _by_name(path):
        return told
    target = _target(path, file)
    if target and (told := _by_name(target)):
        return f"it links to {target}: {told}"
    return _holds(file.read_bytes())


def _by_name(path: str) -> str:
    """Return why a file of such a path is private; empty: its name tells nothing."""
    parts = path.lower().strip("/").split("/")
    folder = next((part for part in parts if part in FOLDERS), "")
    if folder:
        return f"{folder} is private"
    example = parts[-1].endswith(EXAMPLES)
    private = not example and any(fnmatchcase(parts[-1], pattern) for pattern in PRIVATE)
    return "files of this name hold credentials" if private else ""


def _target(path: str, file: Path) -> str:
    """Return what a file's links lead to, from the folder that is published; empty: no link does.

    A key that a link publishes under another name is found by its own one, whoever's it is.
    """
    place = file.as_posix()
    folder, (above, _, name) = _real(place.removesuffix(path)), place.rpartition("/")
    real = _real(place) if file.is_symlink() else f"{_real(above)}/{name}"
    return "" if real == f"{folder}{path}" else os.path.relpath(real, folder).replace(os.sep, "/")


@cache
def _real(path: str) -> str:
    """Return where a path leads; a folder is asked once, however many files it has."""
    return os.path.realpath(path).replace(os.sep, "/")


def _holds(content: bytes) -> str:
    if content.startswith(_POINTER):
        return "it is a pointer of Git LFS, and not the file: git lfs pull"
    name = secret.contained(content)
    if name:
        return f"it holds the value of {name}"
    return "it holds a private key" if _KEY.search(content) else ""
