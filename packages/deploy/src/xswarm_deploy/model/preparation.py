"""What of a step's changes is made before their turn, beside the steps that come first.

Only what no user meets may be: a version without traffic, files that no deployment names, a look.
The change itself, at its turn, takes what came of it, or does it where there is none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from xswarm_deploy.background import started
from xswarm_deploy.console import Progress
from xswarm_deploy.errors import DeployError, Refused, StepFailed

T = TypeVar("T")


class Abandoned(DeployError):
    """The release for which something was made ahead is being undone."""


@dataclass
class Preparation:
    """Make something in a thread of its own, until its turn comes or the release is undone.

    Args:
        progress: where it is shown how far it is, from its turn on.
    """

    progress: Progress
    _made: Future[object] = field(default_factory=Future)
    _turn: threading.Event = field(default_factory=threading.Event)
    _abandoned: threading.Event = field(default_factory=threading.Event)

    def begin(self, make: Callable[[], object], name: str) -> None:
        """Begin to make it.

        Args:
            make: what is done; an error is the change's, which tries once more where that may help.
            name: of the thread.
        """
        self._made = started(make, name)

    def told(self, what: str, done: int, total: int | None, unit: str) -> None:
        """Hear how far it is; show that to a person once it is waited for.

        Raises:
            Abandoned: nobody wants it any more.
        """
        if self._abandoned.is_set():
            raise Abandoned("the release is being undone")
        if self._turn.is_set():
            self.progress(what, done, total, unit)

    def abandon(self) -> None:
        """Let it end at the next that it tells."""
        self._abandoned.set()

    def wait(self) -> None:
        """Return once it has ended, whatever came of it."""
        self._made.exception()

    def require_possible(self) -> None:
        """Wait for what comes of it.

        Raises:
            StepFailed: it cannot be made.
            Refused: it must not be.
        """
        self._turn.set()
        error = self._made.exception()
        if isinstance(error, StepFailed | Refused):
            raise error

    def result(self, kind: type[T]) -> T | None:
        """Wait for what came of it.

        Args:
            kind: what it is.

        Returns:
            None where nothing of that kind was made: the change has to do it.

        Raises:
            StepFailed: it cannot be made, and would not be by trying again.
            Refused: it must not be.
        """
        self.require_possible()
        try:
            made = self._made.result()
        except DeployError:
            return None
        return made if isinstance(made, kind) else None
