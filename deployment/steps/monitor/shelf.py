"""Keep the book of alerts: in the database, and in a file while the database is away."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployment.monitoring import book as books
from deployment.monitoring.storage import Execute

if TYPE_CHECKING:
    from deployment.database.client import Database


def execute(database: Database) -> Execute:
    """Give what the monitoring runs its statements by."""

    async def run(sql: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return [row.values_in_order for row in database.execute(sql, parameters).rows]

    return run


@dataclass(frozen=True)
class FileShelf:
    """Keep the book in a file; of two rounds at the same instant both may tell.

    Args:
        path: the file; it and its folder are made when first needed.
    """

    path: Path

    async def load(self) -> tuple[int, str]:
        """Give the book's revision and text; 0 and an empty text where there is none."""
        if not self.path.exists():
            return 0, ""
        kept = json.loads(self.path.read_text(encoding="utf-8"))
        return kept["revision"], kept["book"]

    async def save(self, revision: int, text: str) -> bool:
        """Save the book where it is still of a revision; tells whether it was."""
        if (await self.load())[0] != revision:
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = self.path.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps({"revision": revision + 1, "book": text}), encoding="utf-8")
        written.chmod(0o600)
        written.replace(self.path)
        return True

    async def forget(self) -> None:
        """Delete the file once nothing in it is still to be told."""
        _, text = await self.load()
        book = books.load(text) if text else books.Book()
        if not (book.entries or book.events or book.undelivered):
            self.path.unlink(missing_ok=True)
