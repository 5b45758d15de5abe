"""The static files of a folder, as Pages and Workers with assets name and hash them."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from mimetypes import MimeTypes
from pathlib import Path
from typing import NamedTuple

from xswarm_deploy import texts
from xswarm_deploy.errors import Refused

LARGEST_FILE = 25 * 1024 * 1024  # bytes; the limit of Pages and of Workers alike
MOST_FILES = 20_000  # of a Pages deployment
MOST_ASSETS = 100_000  # of a Worker's version; on the free plan 20,000
HASH_THREADS = 4  # blake3 and reading release the interpreter lock
HASHED_AT_ONCE = 64  # files of one task: handing over each alone would cost more than it gains

RULES = ("_headers", "_redirects")
IGNORED_BY_PAGES = frozenset({*RULES, "_worker.js", "_routes.json", "functions", ".wrangler"})
IGNORED_ANYWHERE = frozenset({".DS_Store", "node_modules", ".git"})

_TYPES = {
    ".js": "application/javascript",
    ".mjs": "application/javascript",
    ".md": "text/markdown",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/vnd.microsoft.icon",
}


class StaticFile(NamedTuple):
    """One file: its URL path, where it lies, its size in bytes, hash and media type."""

    path: str
    file: Path
    size: int
    hash: str
    media_type: str


def pages_files(directory: Path) -> tuple[StaticFile, ...]:
    """List what a Pages deployment of a folder holds, sorted by path.

    Raises:
        Refused: no such folder, a file above 25 MiB, more than 20,000 files.
    """
    return _listed(directory, _ignored_by_pages, MOST_FILES)


def asset_files(directory: Path) -> tuple[StaticFile, ...]:
    """List the static assets of a Worker, sorted by path; ``.assetsignore`` is heeded.

    Raises:
        Refused: no such folder, a file above 25 MiB, more than 100,000 files.
    """
    return _listed(directory, _assets_ignored(directory), MOST_ASSETS)


def rule_texts(directory: Path) -> dict[str, str]:
    """Return the texts of a folder's ``_headers`` and ``_redirects``, read as wrangler reads them.

    What is no UTF-8 in them is replaced (U+FFFD), and nothing of it is refused.
    """
    places = {name: directory / name for name in RULES}
    return {
        name: file.read_bytes().decode("utf-8", errors="replace")
        for name, file in places.items()
        if file.is_file()
    }


def manifest(files: Iterable[StaticFile]) -> dict[str, str]:
    """Return path → hash, as a Pages deployment takes it."""
    return {file.path: file.hash for file in files}


def content_hash(content: bytes, suffix: str) -> str:
    """Hash as wrangler does: blake3 over base64(content) + extension, 32 hex digits."""
    from blake3 import blake3

    return blake3(base64.b64encode(content) + suffix.lstrip(".").encode()).hexdigest()[:32]


def media_type(name: str) -> str:
    """Return the media type a file is served with."""
    return _media_types().guess_type(name)[0] or "application/octet-stream"


@cache
def _media_types() -> MimeTypes:
    """Return the interpreter's own table with ours: the machine's files would make it vary."""
    types = MimeTypes()
    for suffix, name in _TYPES.items():
        types.add_type(name, suffix)
    return types


def _listed(directory: Path, ignored: Callable[[str], bool], most: int) -> tuple[StaticFile, ...]:
    if not directory.is_dir():
        raise Refused(
            f"there is no folder {directory.name} of static files",
            f"looked for {directory}",
            "correct the folder in invoke.yaml (or build the site first)",
        )
    found = sorted(_walk(str(directory), "", ignored))
    if len(found) > most:
        raise Refused(f"{directory.name} has {len(found)} files", f"at most {most:,} are taken")
    parts = [found[at : at + HASHED_AT_ONCE] for at in range(0, len(found), HASHED_AT_ONCE)]
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        described = pool.map(lambda part: [_hashed(directory, *one) for one in part], parts)
        return tuple(file for part in described for file in part)


Stamp = tuple[int, int, int]
"""What tells that a file was changed: its inode, size and time."""


def _walk(
    directory: str, prefix: str, ignored: Callable[[str], bool], above: tuple[str, ...] = ()
) -> Iterator[tuple[str, Stamp]]:
    """Return the files' relative paths and stamps; links are followed, as wrangler does."""
    above = above or (os.path.realpath(directory),)
    with os.scandir(directory) as entries:
        for entry in entries:
            path = prefix + entry.name
            if ignored(path):
                continue
            if entry.is_symlink():
                _require_leads_on(entry, path, above)
            texts.require_named(path, Path(directory))
            if entry.is_dir():
                inside = (*above, os.path.realpath(entry.path)) if entry.is_symlink() else above
                yield from _walk(entry.path, f"{path}/", ignored, inside)
                continue
            if not entry.is_file():
                raise Refused(
                    f"{path} is no file", "it is a pipe, a socket or a device", "remove it"
                )
            seen = entry.stat()
            yield path, (seen.st_ino, seen.st_size, seen.st_mtime_ns)


def _require_leads_on(link: os.DirEntry[str], path: str, above: tuple[str, ...]) -> None:
    """Refuse a link to nothing, or to a folder that it is in: wrangler ends there, or in a loop."""
    file = Path(link.path)
    if not file.exists():
        told = str(file.readlink())
        raise Refused(f"{path} is a link to nothing", told, "remove it, or make what it links to")
    target = os.path.realpath(file)
    here = (*above, os.path.realpath(file.parent))
    if any(folder == target or folder.startswith(f"{target}{os.sep}") for folder in here):
        raise Refused(f"{path} links to a folder that it is in", target, "remove it")


@cache
def _hashed(directory: Path, path: str, _stamp: Stamp) -> StaticFile:
    """Read and hash a file; again only where its stamp is another one."""
    file = directory / path
    with file.open("rb") as opened:
        content = opened.read()
    if len(content) > LARGEST_FILE:
        size = f"{len(content) / 1024**2:.1f} MiB"
        raise Refused(f"{path} is {size} large", "at most 25 MiB are taken", "put it into R2")
    suffix = file.suffix
    return StaticFile(
        f"/{path}", file, len(content), content_hash(content, suffix), media_type(path)
    )


def _ignored_by_pages(path: str) -> bool:
    return path in IGNORED_BY_PAGES or path.rsplit("/", 1)[-1] in IGNORED_ANYWHERE


def _assets_ignored(directory: Path) -> Callable[[str], bool]:
    always: Mapping[str, bool] = dict.fromkeys((".assetsignore", *RULES), True)
    ignore_file = directory / ".assetsignore"
    if not ignore_file.is_file():
        _require_no_server_code(directory)
        return always.__contains__
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(_patterns(ignore_file))
    return lambda path: path in always or spec.match_file(path)


def _patterns(ignore_file: Path) -> list[str]:
    """Return the lines of a ``.assetsignore``; one that wrangler would not read is refused."""
    try:
        text = ignore_file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Refused(".assetsignore cannot be read", "it is not UTF-8 text", "save it as UTF-8")
    return text.splitlines()


def _require_no_server_code(directory: Path) -> None:
    """Refuse a Pages project's ``_worker.js``: as a static file, anybody could read it.

    Source: wrangler refuses it too, unless there is a ``.assetsignore``.
    """
    name = next((one.name for one in directory.glob("_worker.js*")), "")
    if name:
        raise Refused(
            f"{name} would be published: it is the server code of a Pages project",
            "as a static file anybody could read it",
            f"write {name} into {directory.name}/.assetsignore, or remove it",
        )
