"""A release that was: what steps may know of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

TOOL: Final = "tool"
"""The fact that tells which version of this tool began a release."""
OF_VERSION: Final = ("digest", "variables", "secrets", "commit", "crons", "unversioned", "objects")
"""What is true of a version, whichever release puts it live."""


class Record(NamedTuple):
    """One release as the ledger knows it.

    Args:
        release: its id.
        environment: which one.
        kind: ``deploy``, ``rollback``, or a step's name.
        status: running, undoing, succeeded, rolled back, not rolled back.
        created: UTC.
        finished: UTC; empty while it runs.
        author: who.
        message: a person's words for it.
        version: the Worker's version that it put live, if any.
        facts: what going back to it needs.
        phases: its parts that change anything, in their order.
        phase: the last of them that was planned.
        worker: the Worker's name; empty where it was not yet noted.
        number: the order in which the database took them; later ones have a higher one.
    """

    release: str
    environment: str
    kind: str
    status: str
    created: str
    finished: str
    author: str
    message: str
    version: str
    facts: Mapping[str, Any] = MappingProxyType({})
    phases: tuple[str, ...] = ()
    phase: str = ""
    worker: str = ""
    number: int = 0


def noted(records: Iterable[Record], version: str) -> dict[str, Any]:
    """Return what the release that made a version noted of it; empty where none did.

    Args:
        records: newest first.
        version: its id.
    """
    for record in records:
        if version and record.version == version and "digest" in record.facts:
            return {name: record.facts[name] for name in OF_VERSION if name in record.facts}
    return {}
