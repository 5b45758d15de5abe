"""The edge on a bad day: what is new reaches it late, and callers that it does not know wait."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

_UNKNOWN: Final = re.compile(
    r"^$|python-requests|python-urllib|aiohttp|httpx|okhttp|go-http-client|libwww|scrapy", re.I
)
CHALLENGE: Final = (
    "<!DOCTYPE html><title>Just a moment...</title><h1>Checking whether you are human</h1>\n"
)


@dataclass
class Degraded:
    """What is late, by how much.

    Args:
        seconds: after a deployment, until overrides apply; after an upload, until its preview
            host answers.
        clock: returns seconds.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    _deployed: dict[str, float] = field(default_factory=dict)
    _uploaded: dict[str, float] = field(default_factory=dict)

    def deployed(self, worker: str) -> None:
        """Take note of a deployment."""
        self._deployed[worker] = self.clock()

    def uploaded(self, version: str) -> None:
        """Take note of a version, the first time."""
        self._uploaded.setdefault(version, self.clock())

    def overrides(self, worker: str) -> bool:
        """Return whether the override header applies to a Worker yet."""
        return self._passed(self._deployed.get(worker))

    def previews(self, version: str) -> bool:
        """Return whether a version's preview host answers yet."""
        return self._passed(self._uploaded.get(version))

    def challenges(self, headers: Mapping[str, str]) -> bool:
        """Return whether a caller is shown a challenge: a rule for unknown user agents is on."""
        return bool(_UNKNOWN.search(headers.get("User-Agent", "")))

    def _passed(self, since: float | None) -> bool:
        return since is None or self.clock() - since >= self.seconds
