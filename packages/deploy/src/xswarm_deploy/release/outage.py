"""Undoing through an outage: wait until what does not answer does, and try again.

A release that fails because a provider is out would fail to be undone for the same reason, and
leave a mixed world. Undoing is idempotent, so it is repeated, with progress, until it succeeds or
a person stops it (Ctrl-C); without a terminal, until the outage has lasted ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from xswarm_deploy.console import Console
from xswarm_deploy.database.errors import DatabaseError
from xswarm_deploy.errors import DeployError
from xswarm_deploy.services.clock import SYSTEM_CLOCK, Clock
from xswarm_deploy.services.errors import RateLimited, ServiceUnavailable, UnexpectedReply
from xswarm_deploy.services.patience import UNDO_SECONDS

_FIRST: Final = 2.0  # seconds before the second try; each further pause is half as long again
_LONGEST: Final = 30.0
_STEP: Final = 0.5  # seconds between two looks whether a person has had enough

_waiting: list[Waiting] = []


@dataclass
class Waiting:
    """Repeat what an outage stopped.

    Args:
        console: where a person sees what is waited for.
        clock: time and sleep.
        given_up: whether a person stopped the waiting; then nothing is waited for any more.
    """

    console: Console
    clock: Clock = field(default=SYSTEM_CLOCK)
    given_up: bool = False
    _since: float | None = None

    def repeat(self, act: Callable[[], str]) -> str:
        """Act, and again while the reason that it failed is an outage; return what it said.

        Raises:
            DeployError: it failed for another reason, or the outage outlasted the patience.
        """
        pause = _FIRST
        while True:
            try:
                said = act()
            except DeployError as error:
                if not is_outage(error) or not self._wait(error, pause):
                    raise
            else:
                self._since = None
                return said
            pause = min(_LONGEST, pause * 1.5)

    def pause(self, seconds: float) -> None:
        """Sleep; a person who presses Ctrl-C meanwhile ends the waiting."""
        _waiting.append(self)
        try:
            self.clock.sleep(seconds)
        finally:
            _waiting.remove(self)

    def _wait(self, error: DeployError, pause: float) -> bool:
        """Wait before another try; return whether there is to be one."""
        now = self.clock.monotonic()
        if self._since is None:
            self._since = now
        asked = error.retry_after if isinstance(error, RateLimited) else None
        until = now + max(pause, asked or 0.0)
        if not self.console.stream.isatty() and until - self._since > UNDO_SECONDS:
            return False
        _waiting.append(self)
        try:
            while not self.given_up and (left := until - self.clock.monotonic()) > 0:
                what = (
                    f"{error.what} ({error.why}): undoing goes on when it answers; Ctrl-C ends it"
                )
                self.console.waiting(what, left)
                self.clock.sleep(min(_STEP, left))
        finally:
            _waiting.remove(self)
        return not self.given_up


def give_up() -> bool:
    """End the waiting under way, as a person asks; return whether there was any."""
    for waiting in _waiting:
        waiting.given_up = True
    return bool(_waiting)


def is_outage(error: DeployError) -> bool:
    """Return whether waiting may help: no answer, a failure over there, or a limit of the rate."""
    if isinstance(error, DatabaseError):
        return error.kind == "unavailable"
    if isinstance(error, UnexpectedReply):
        return False
    return isinstance(error, ServiceUnavailable | RateLimited)
