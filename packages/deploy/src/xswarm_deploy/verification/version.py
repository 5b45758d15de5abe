"""The version that answers, by the Worker's own word: a route that tells it."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple

from xswarm_deploy.background import started
from xswarm_deploy.loopback import is_loopback
from xswarm_deploy.verification.asker import PAUSE, Answer, Ask, Asker
from xswarm_deploy.verification.target import Target

SETTLE_SECONDS: Final = 60.0  # a deployment reaches all of Cloudflare within seconds
SETTLE_SECONDS_HERE: Final = 12.0  # and a loopback edge at once, unless a fault delays it
FRESH: Final = 3.0  # seconds for which what was asked ahead tells who answers now
_AHEAD: Final = "version"  # what was begun, in the state of the release
TIMES: Final = 3
"""So many answers, all of them, must come from the version before it is said to have spread."""


def patience(asker: Asker) -> float:
    """Return the seconds to wait until a deployment has spread to where we ask."""
    return SETTLE_SECONDS_HERE if is_loopback(asker.target.url) else SETTLE_SECONDS


class _Ahead(NamedTuple):
    """A round that was begun before it is asked for, where, and when (monotonic)."""

    found: Future[str]
    target: Target
    at: float


def ask_ahead(asker: Asker, path: str) -> None:
    """Begin to ask, for :func:`told`, which version answers at this moment.

    Where users are answered the version surely comes; elsewhere it may be none that is deployed,
    and is asked for once.
    """
    target = asker.target
    seconds = 0.0 if target.unseen else patience(asker)
    found = started(lambda: _told(asker, path, (target.version,), seconds), _AHEAD)
    asker.site.state.begun[_AHEAD] = _Ahead(found, target, time.monotonic())


def told(asker: Asker, path: str, expected: tuple[str, ...]) -> str:
    """Return which version answers; what :func:`ask_ahead` found counts where it is good.

    Arguments and result are those of :func:`_told`.
    """
    ahead = asker.site.state.begun.pop(_AHEAD, None)
    target = asker.target
    if isinstance(ahead, _Ahead) and target == ahead.target and expected == (target.version,):
        fresh = time.monotonic() - ahead.at <= FRESH
        if fresh and not ahead.found.exception() and ahead.found.result() == target.version:
            return target.version
    return _told(asker, path, expected, patience(asker))


def _told(asker: Asker, path: str, expected: tuple[str, ...], seconds: float) -> str:
    """Ask until one of the expected versions gives all answers of a round.

    A deployment takes moments to get everywhere. The requests of a round go side by side, over
    connections of their own. Where none of its answers names a version, the waiting ends: this
    version does not tell.

    Args:
        asker: asks the target.
        path: the route that tells the version.
        expected: the versions that may answer; empty: any.
        seconds: how long to ask again while another one answers.

    Returns:
        The version that answered; another one than expected where one still did at the end;
        empty: the answers name none.
    """
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(TIMES, thread_name_prefix="version") as pool:
        while True:
            found = [one.version for one in pool.map(partial(_asked, asker), [path] * TIMES)]
            others = [one for one in found if one and expected and one not in expected]
            alike = not others and found.count("") in (0, TIMES)
            if alike or time.monotonic() >= deadline:
                return (others or found)[-1]
            time.sleep(PAUSE)


def _asked(asker: Asker, path: str) -> Answer:
    return asker.judged(Ask(path), _no_answer)[0]


def _no_answer(answer: Answer) -> str:
    return "" if answer.status else "no answer"
