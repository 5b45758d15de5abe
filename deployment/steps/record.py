"""A release that was: what steps may know of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Record:
    """One release as the ledger knows it."""

    release: str
    environment: str
    kind: str
    status: str
    created: str
    finished: str
    author: str
    message: str
    version: str
    facts: Mapping[str, Any] = field(default_factory=dict)
