"""The static files of a Worker itself: ``assets`` in its wrangler configuration.

wrangler's dry run leaves them out of the body it writes, because they are uploaded before
it: here they are listed, uploaded, and named in the version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.frozen import frozen
from xswarm_deploy.services.files import RULES, StaticFile, asset_files, manifest
from xswarm_deploy.settings.settings import Settings

KEYS: Final = ("html_handling", "not_found_handling", "base_path", "run_worker_first")


@frozen
class Static:
    """What a Worker serves as files, and how.

    Args:
        files: all of them.
        config: how they are served.
        alone: whether the Worker has no code.
    """

    files: tuple[StaticFile, ...]
    config: Mapping[str, Any]
    alone: bool = False

    @property
    def digest(self) -> str:
        """Return a hash of all of it."""
        held = json.dumps([manifest(self.files), self.config], sort_keys=True)
        return hashlib.sha256(held.encode()).hexdigest()


def described(settings: Settings) -> Static | None:
    """List the Worker's static files; None where its configuration names no folder of them.

    Raises:
        Refused: no such folder, a file above 25 MiB, more than 100,000 files.
    """
    file = wrangler.file(settings)
    content = wrangler.read(settings)
    assets = content.get("assets") or {}
    if not assets.get("directory"):
        return None
    folder = file.parent / str(assets["directory"])
    config = {key: assets[key] for key in KEYS if key in assets}
    alone = content.get("main") is None
    return Static(asset_files(folder), {**config, **_rules(folder)}, alone)


def _rules(folder: Path) -> dict[str, str]:
    files = {name: folder / name for name in RULES}
    return {
        name: file.read_text(encoding="utf-8") for name, file in files.items() if file.is_file()
    }
