"""How traffic is split among versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Split = Mapping[str, float]
"""Version → its percentage of the traffic; 0 is a version that stands beside."""


def met(split: Split) -> dict[str, float]:
    """Return the versions of a split that users meet, each with its percentage."""
    return {version: percent for version, percent in split.items() if percent > 0}


class Pair(NamedTuple):
    """The two versions that share the traffic during a canary."""

    old: str
    new: str
