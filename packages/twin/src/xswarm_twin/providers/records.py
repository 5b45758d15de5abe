"""A stand-in's state: one JSON file, written wholly or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xswarm_twin import files


class Records:
    """Hold named tables of objects; what was changed is saved by :meth:`save`.

    Args:
        path: the file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tables: dict[str, dict[str, Any]] = files.read_object(path)

    def table(self, name: str, first: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return one table, id to object, in the order they were made.

        Args:
            name: the table's.
            first: what a table that was never there holds.
        """
        return self._tables.setdefault(name, dict(first or {}))

    def save(self) -> None:
        """Write everything."""
        files.write(self._path, json.dumps(self._tables))
