"""What every step of a release has in common: the change as data, and four verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from xswarm_deploy.site import Site

Facts = Mapping[str, Any]
"""JSON: strings, numbers, booleans, None, lists and mappings of them; no secrets."""


class Change(NamedTuple):
    """What a step would do to one resource, before it is done.

    Args:
        step: the step's name, as in ``inv <step>``.
        resource: what is changed, in a person's words, e.g. ``worker boss-ai``.
        action: ``create``, ``update``, ``delete`` or ``apply``.
        before: the resource as it is (JSON, no secrets); None where there is none.
        after: the resource as it will be (JSON, no secrets).
        undo: what undoing needs (JSON); None where it cannot be undone.
        irreversible: why it cannot be undone, or only by restoring a backup.
    """

    step: str
    resource: str
    action: str
    before: Any = None
    after: Any = None
    undo: Any = None
    irreversible: str = ""

    @property
    def moves_traffic(self) -> bool:
        """Return whether users meet other code after it; with a share of 0 % they do not."""
        if self.step == "worker" and self.action in ("shift", "leap"):
            return met(self.before["split"]) != met(self.after["split"])
        return (self.step, self.action) == ("worker", "open")

    @property
    def is_schema(self) -> bool:
        """Return whether it makes the schema another one; code may run on one of them only."""
        return self.step in ("migrate", "restore")

    def as_json(self) -> dict[str, Any]:
        """Return the change as it stands in plan and journal."""
        return self._asdict()


def met(split: Mapping[str, float]) -> dict[str, float]:
    """Return the versions of a split that users meet, each with its percentage."""
    return {version: percent for version, percent in split.items() if percent > 0}


class Step(Protocol):
    """The four verbs; each module of xswarm_deploy.steps that changes anything has them."""

    NAME: str

    def plan(self, site: Site) -> Sequence[Change]:
        """Observe (reads only) and say what would change; empty: nothing to do."""
        ...

    def apply(self, site: Site, change: Change) -> Facts:
        """Make one change, idempotently, and return what undo and later steps need."""
        ...

    def undo(self, site: Site, change: Change, outcome: Facts) -> None:
        """Bring the resource back to ``change.before``, idempotently, and read it back.

        ``outcome`` is what apply gave, or empty where its reply was lost.
        """
        ...
