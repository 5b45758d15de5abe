"""What all resources beside the version have in common; each module of this folder is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from xswarm_deploy.model.step import AnyAction

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

Value = Mapping[str, Any]
"""JSON; no secrets. It stands in what a release records of its version."""

STEP: Final = "worker"
"""Whose changes they are."""


class Transition(NamedTuple):
    """A resource as it is, and as it is to become: two payloads of its action.

    Both are whole enough to be put back.
    """

    before: object
    after: object


class Resource(Protocol):
    """One kind of resource: described by the file, compared, set, and read back."""

    ACTION: AnyAction
    """How it stands in plans and journals; both sides and the undo are one type of payload."""

    @staticmethod
    def resource(worker: str) -> str:
        """Return what is changed, in a person's words."""
        ...

    @staticmethod
    def described(content: Mapping[str, Any], worker: str) -> Value | None:
        """Return what the file says; None: it leaves the resource as it is."""
        ...

    @staticmethod
    def transition(site: Site, wanted: Value | None, formerly: Value | None) -> Transition | None:
        """Return what would change; None: nothing. It only reads.

        Args:
            site: the environment.
            wanted: what :meth:`described` returned, now or for an earlier version.
            formerly: the same of the version that is live; None: not recorded.

        Raises:
            Refused: the resource belongs to another Worker, or cannot be found.
        """
        ...

    @staticmethod
    def put(site: Site, value: Any, other: Any) -> None:
        """Make it so; idempotent.

        Args:
            site: the environment.
            value: one side of a transition.
            other: its other side, which tells what may have to be removed.
        """
        ...

    @staticmethod
    def holds(site: Site, value: Any, other: Any) -> bool:
        """Read back whether it is so."""
        ...


def covers(there: Any, wanted: Any) -> bool:
    """Compare as far as something is wanted: the API adds defaults of its own.

    Args:
        there: what the API says.
        wanted: what is to be so.
    """
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        return all(covers(there.get(key), value) for key, value in wanted.items())
    return bool(there == wanted)
