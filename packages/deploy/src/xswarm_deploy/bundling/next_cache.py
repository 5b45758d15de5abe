"""The pages that Next.js made at build time, as OpenNext keeps them: its incremental cache.

``opennextjs-cloudflare deploy`` writes them into an R2 bucket or a KV namespace before it deploys.
Without them the Worker makes each page anew, which fails where the page reads what only the build
had, such as files. The id of the build is in each key: no other version reads or loses any.

Source: @opennextjs/cloudflare, ``getCacheAssets``, ``computeCacheKey``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.settings.settings import Settings

BUCKET: Final = "NEXT_INC_CACHE_R2_BUCKET"
NAMESPACE: Final = "NEXT_INC_CACHE_KV"
PREFIXES: Final = {BUCKET: "NEXT_INC_CACHE_R2_PREFIX", NAMESPACE: "NEXT_INC_CACHE_KV_PREFIX"}
"""Binding → the variable that says what its keys begin with."""
_PREFIX: Final = "incremental-cache"
_OUTPUT: Final = ".open-next"
_FETCHED: Final = "__fetch"
_SUFFIX: Final = ".cache"


class Entry(NamedTuple):
    """One entry of the cache: its key without the prefix, and the file that holds its value."""

    key: str
    file: Path


def entries(settings: Settings) -> list[Entry]:
    """Return what OpenNext's build left for its cache; empty: another build, or nothing."""
    main = str(wrangler.read(settings).get("main") or "")
    output = (wrangler.file(settings).parent / main).parent
    return sorted(_found(output / "cache")) if output.name == _OUTPUT else []


def key(entry: Entry, prefix: str) -> str:
    """Return the key of an entry in its bucket or namespace.

    Args:
        entry: the entry.
        prefix: as the Worker's variable has it; empty: it has none.
    """
    return re.sub("/+", "/", f"{prefix or _PREFIX}/{entry.key}")


def _found(folder: Path) -> Iterator[Entry]:
    for file in folder.rglob("*"):
        if not file.is_file():
            continue
        first, *others = file.relative_to(folder).as_posix().split("/")
        if first == _FETCHED and len(others) > 1:
            yield Entry(f"{others[0]}/{_hashed(others[1:])}.fetch", file)
        elif others and file.name.endswith(_SUFFIX):
            rest = [*others[:-1], others[-1].removesuffix(_SUFFIX)]
            yield Entry(f"{first}/{_hashed(rest)}.cache", file)


def _hashed(parts: list[str]) -> str:
    return hashlib.sha256(f"/{'/'.join(parts)}".encode()).hexdigest()
