"""What the stand-ins received in place of people: mail, text messages, chat messages."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


class Received:
    """Keep it on disk, a JSON line each, for its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, provider: str, content: Any) -> None:
        """Record one thing."""
        line = json.dumps({"time": time.time(), "provider": provider, "content": content})
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def of(self, provider: str) -> list[dict[str, Any]]:
        """Return what a provider received, oldest first."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8").splitlines()
        entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [entry for entry in entries if entry["provider"] == provider]
