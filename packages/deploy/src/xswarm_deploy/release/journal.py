"""The write-ahead journal of one release: on disk before each change, fsynced."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xswarm_deploy.private import make_folder
from xswarm_deploy.secret import redact


@dataclass(frozen=True)
class Journal:
    """Append events to ``.deployments/<release>/journal.jsonl``, each durable when written."""

    path: Path

    @classmethod
    def begin(cls, folder: Path) -> Journal:
        """Make the release's folder, for its owner alone, and its journal."""
        make_folder(folder)
        return cls(folder / "journal.jsonl")

    def append(self, *events: Mapping[str, Any]) -> None:
        """Write events, atomically, and wait until the disk has them.

        Args:
            events: JSON; secrets in it are redacted.
        """
        lines = [json.dumps(event, ensure_ascii=False, sort_keys=True) + "\n" for event in events]
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, redact("".join(lines)).encode())
            os.fsync(handle)
        finally:
            os.close(handle)

    def read(self) -> list[dict[str, Any]]:
        """Return the events; a last line that was torn by a crash is left out."""
        if not self.path.exists():
            return []
        events = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                break
        return events
