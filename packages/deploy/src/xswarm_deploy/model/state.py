"""What one release knows and holds while it runs; it is the release's own, and handed to steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from xswarm_deploy.console import Progress, no_progress

if TYPE_CHECKING:
    from xswarm_deploy.model.preparation import Preparation
    from xswarm_deploy.model.record import Record
    from xswarm_deploy.model.step import Change
    from xswarm_deploy.secret import Secret

T = TypeVar("T")


def _not_verified(_version: str) -> bool:
    return False


@dataclass
class ReleaseState:
    """What is known of a release under way, or of one that is only planned.

    Args:
        facts: JSON gathered from the outcomes of this release, e.g. ``version``.
        staged: secrets that exist only in memory until the Worker's version carries them.
        progress: told how far a long step is.
        history: returns the earlier releases of the environment, newest first.
        uploads: whether this release uploads a Worker version, which then carries the secrets.
        begun: what steps have begun to make before their turn, by the step's name.
        prepared: what of the steps' changes is being made before their turn, by the step's name.
        verified: returns whether a version was verified at 0 % of the traffic moments before.
        made: the changes that it made or began to make, which is known while they are undone.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    staged: dict[str, Secret] = field(default_factory=dict, repr=False)
    progress: Progress = no_progress
    history: Callable[[], Sequence[Record]] = tuple
    uploads: bool = False
    begun: dict[str, object] = field(default_factory=dict)
    prepared: dict[str, Preparation] = field(default_factory=dict)
    verified: Callable[[str], bool] = _not_verified
    made: Sequence[Change] = ()

    def abandon(self) -> None:
        """End what is being made before its turn: the release is undone."""
        for preparation in self.prepared.values():
            preparation.abandon()

    def taken(self, step: str, kind: type[T]) -> T | None:
        """Return, once, what was made of a step's changes before their turn; None: nothing was.

        Args:
            step: its name.
            kind: what it is that the step made.
        """
        preparation = self.prepared.get(step)
        if preparation is None:
            return None
        made = preparation.result(kind)
        del self.prepared[step]
        return made

    def require_prepared(self) -> None:
        """Wait for all that is being made before its turn, before users notice anything.

        Raises:
            StepFailed: something cannot be made, such as a version that does not start.
            Refused: something must not be.
        """
        for preparation in self.prepared.values():
            preparation.require_possible()
