"""Times that always rise: clients sort by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_STEP = timedelta(microseconds=1)


class Clock:
    """The time as Cloudflare writes it, each one later than all before.

    Args:
        latest: the latest time that was ever given, as text; empty when none was.
    """

    def __init__(self, latest: str = "") -> None:
        self._latest = (
            datetime.fromisoformat(latest) if latest else datetime.min.replace(tzinfo=UTC)
        )

    def now(self) -> str:
        """Return the present time, with microseconds."""
        self._latest = max(datetime.now(UTC), self._latest + _STEP)
        return self._latest.isoformat(timespec="microseconds").replace("+00:00", "Z")
