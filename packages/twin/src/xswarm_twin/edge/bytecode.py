"""Compiled Python modules by the content of their sources, for all versions together.

A Worker's vendored packages hardly change from version to version; compiling them again would
take most of a version's start. CPython trusts a compiled file whose source has the remembered
size and time of change, so a source's time is set by its content alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

_EPOCH = 1_000_000_000
_SECONDS = 500_000_000


class Bytecode:
    """Keep compiled modules in a folder.

    Args:
        folder: where they are kept; may be removed at any time between starts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / str(sys.implementation.cache_tag)

    def offer(self, source: Path) -> None:
        """Make a source's time that of its content, and lay what was compiled of it beside it."""
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        moment = _EPOCH + int(digest[:12], 16) % _SECONDS
        os.utime(source, (moment, moment))
        kept = self._folder / digest
        if kept.is_file():
            target = _compiled(source)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(kept, target)

    def gather(self, folder: Path) -> None:
        """Keep what an interpreter has compiled in a folder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for source in folder.rglob("*.py"):
            compiled = _compiled(source)
            kept = self._folder / hashlib.sha256(source.read_bytes()).hexdigest()
            if compiled.is_file() and not kept.is_file():
                self._keep(compiled, kept)

    def _keep(self, compiled: Path, kept: Path) -> None:
        """Copy under a name of its own first: versions that start at once compile the same."""
        handle, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
        os.close(handle)
        shutil.copyfile(compiled, name)
        Path(name).replace(kept)


def _compiled(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))
