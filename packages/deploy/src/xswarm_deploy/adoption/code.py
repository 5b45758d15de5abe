"""What a Worker's own code tells: the paths that it answers to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from xswarm_deploy.verification import sources

MOST: Final = 20  # routes that a release asks for
_PLAIN: Final = re.compile(r"/[\w.~/-]*+")  # no parameter, no wildcard
_CHANGING: Final = re.compile(
    r"logout|signout|sign-out|log-out|unsubscribe|delete|remove|destroy|cron|webhook|callback|confirm"
    r"|(?:^|/|-)(?:put|send|enqueue|publish|trigger|run|start|stop|reset|clear|purge|flush|seed|migrate"
    r"|sync|pay|charge|init|setup|backfill|refresh|rotate|revoke|invalidate|create|update|execute"
    r"|restart|reload|rebuild|reindex|poll|retry|import|generate|bind)(?:/|-|$)",
    re.IGNORECASE,
)
"""Paths that do something when they are asked for, by their names."""


def routes(folder: Path) -> list[str]:
    """Return the paths that code below a folder answers to by GET, as far as it says so plainly.

    Paths with parameters are left out, and those whose name says that asking changes something.

    Args:
        folder: of the Worker.
    """
    found = sources.in_code(folder, folder)
    paths = {one.path for one in found if one.method == "GET"}
    return sorted(path for path in paths if path != "/" and _is_harmless(path))


def _is_harmless(path: str) -> bool:
    return _PLAIN.fullmatch(path) is not None and not _CHANGING.search(path)
