"""The version that answers, by the Worker's own word: a route that tells it."""

from __future__ import annotations

import time
from typing import Final

from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.verification.asker import PAUSE, Answer, Ask, Asker

SETTLE_SECONDS: Final = 60.0  # a deployment reaches all of Cloudflare within seconds
SETTLE_SECONDS_HERE: Final = 12.0  # and a loopback edge at once, unless a fault delays it
TIMES: Final = 3
"""So many answers in a row must come from the version before it is said to have spread."""


def patience(asker: Asker) -> float:
    """Return the seconds to wait until a deployment has spread to where we ask."""
    return SETTLE_SECONDS_HERE if is_loopback(asker.target.url) else SETTLE_SECONDS


def seen(answer: Answer) -> str:
    """Return the version that an answer names, or the empty string."""
    return str(answer.fields.get("version", ""))


def told(asker: Asker, path: str, expected: tuple[str, ...]) -> str:
    """Ask until one of the expected versions answers several times in a row.

    A deployment takes moments to get everywhere. An answer that names no version ends the waiting
    when it comes as often: this version does not tell.

    Args:
        asker: asks the target.
        path: the route that tells the version.
        expected: the versions that may answer; empty: any.

    Returns:
        The version that answered last; empty: the answers name none.
    """
    deadline = time.monotonic() + patience(asker)
    good = silent = 0
    while True:
        found = seen(asker.judged(Ask(path), _no_answer)[0])
        good = good + 1 if found and (found in expected or not expected) else 0
        silent = 0 if found else silent + 1
        if TIMES in (good, silent) or time.monotonic() >= deadline:
            return found
        if not good:
            time.sleep(PAUSE)


def _no_answer(answer: Answer) -> str:
    return "" if answer.status else "no answer"
