"""Exports and imports of D1 databases under way: polled until complete, they block the database.

Sources: Cloudflare API, "D1: export" and "D1: import" (the database serves no queries meanwhile; an
export that is not polled is cancelled), wrangler's ``d1 export`` and ``d1 execute --file``, and
https://github.com/cloudflare/workers-sdk/issues/9578 (what is answered meanwhile).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from xswarm_twin.cloudflare.envelope import Refusal

PATIENCE: Final = 10.0
"""Seconds after which an export that nobody polls is cancelled."""
_DELAY: Final = 1.0
"""Seconds that a poll waits for the end of an import before it says that there is none yet."""

Kind = Literal["export", "import"]


@dataclass
class Transfer:
    """One export or import.

    Args:
        kind: which of them.
        bookmark: what it is polled by.
        filename: of the SQL.
        work: an import: what runs the statements, and returns what they did.
        ends: when an export is cancelled, by the monotonic clock, seconds.
    """

    kind: Kind
    bookmark: str
    filename: str
    work: asyncio.Task[dict[str, Any]] | None = None
    ends: float = field(default_factory=lambda: time.monotonic() + PATIENCE)

    @property
    def under_way(self) -> bool:
        """Return whether the database waits for it."""
        return time.monotonic() <= self.ends if self.work is None else not self.work.done()

    async def told(self) -> dict[str, Any]:
        """Return how far an import is: ``active``, ``complete`` with its result, or ``error``."""
        told: dict[str, Any] = {"success": True, "type": self.kind, "messages": []}
        told["at_bookmark"] = self.bookmark
        if self.work is None or not (await asyncio.wait([self.work], timeout=_DELAY))[0]:
            return told | {"status": "active"}
        failed = self.work.exception()
        if failed is None:
            return told | {"status": "complete", "result": self.work.result()}
        return told | {"success": False, "status": "error", "error": str(failed)}


class Transfers:
    """The last export or import of each database, by its id."""

    def __init__(self) -> None:
        self._held: dict[str, Transfer] = {}

    def begin(self, database: str, transfer: Transfer) -> None:
        """Block a database for a transfer."""
        self._held[database] = transfer

    def find(self, database: str, kind: Kind, bookmark: str) -> Transfer:
        """Return the transfer that is polled; a complete export is one no longer.

        Raises:
            Refusal: there is none of this bookmark.
        """
        found = self._held.get(database)
        known = found is not None and (found.kind, found.bookmark) == (kind, bookmark)
        if found is None or not known or (kind == "export" and not found.under_way):
            raise Refusal(400, 7400, f"Not currently {kind}ing anything.")
        if kind == "export":
            del self._held[database]
        return found

    def require_none(self, database: str, kind: str = "") -> None:
        """Refuse what a database does not do meanwhile, a query or another transfer of a kind."""
        found = self._held.get(database)
        if found is not None and found.under_way:
            more = f" Cannot start a new {kind} until that completes or times out."
            message = f"Currently processing a long-running {found.kind}."
            raise Refusal(400, 7500, message + (more if kind else ""))
