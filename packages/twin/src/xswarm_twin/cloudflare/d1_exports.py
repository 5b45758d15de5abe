"""Exports of D1 databases under way: they are polled until complete, and block the database.

Sources: Cloudflare API, "D1: export" (the database serves no queries meanwhile; an export that is
not polled is cancelled), wrangler's ``d1 export``, and
https://github.com/cloudflare/workers-sdk/issues/9578 (what is answered meanwhile).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from xswarm_twin.cloudflare.envelope import Refusal

PATIENCE: Final = 10.0
"""Seconds after which an export that nobody polls is cancelled."""

_UNDER_WAY: Final = "Currently processing a long-running export."


@dataclass(frozen=True)
class Export:
    """One export.

    Args:
        bookmark: what it is polled by.
        filename: of the SQL.
        ends: when it is cancelled, by the monotonic clock, seconds.
    """

    bookmark: str
    filename: str
    ends: float = field(default_factory=lambda: time.monotonic() + PATIENCE)


class Exports:
    """The exports under way, by the id of their database."""

    def __init__(self) -> None:
        self._held: dict[str, Export] = {}

    def begin(self, database: str, export: Export) -> None:
        """Block a database for an export."""
        self._held[database] = export

    def finish(self, database: str, bookmark: str) -> Export:
        """End an export that was polled, and return it.

        Raises:
            Refusal: there is none of this bookmark.
        """
        found = self._under_way(database)
        if found is None or found.bookmark != bookmark:
            raise Refusal(400, 7400, "Not currently exporting anything.")
        return self._held.pop(database)

    def require_none(self, database: str, *, for_export: bool = False) -> None:
        """Refuse what a database does not do while it is exported."""
        if self._under_way(database) is not None:
            more = " Cannot start a new export until that completes or times out."
            raise Refusal(400, 7500, _UNDER_WAY + (more if for_export else ""))

    def _under_way(self, database: str) -> Export | None:
        found = self._held.get(database)
        if found is not None and found.ends < time.monotonic():
            del self._held[database]
            return None
        return found
