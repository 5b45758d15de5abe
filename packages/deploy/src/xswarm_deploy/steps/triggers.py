"""The Worker's cron triggers: ``triggers.crons`` in its wrangler configuration.

They belong to the Worker, not to a version: they are set once the new version has the
traffic, so that whom they tell is there. Each version's are noted, so that a rollback to it
brings them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.frozen import frozen
from xswarm_deploy.model.step import Action, Change

if TYPE_CHECKING:
    from xswarm_deploy.environment import Environment
    from xswarm_deploy.settings.settings import Settings


STEP: Final = "worker"
"""Whose changes they are."""


@frozen
class Crons:
    """The Worker's cron triggers, all of them."""

    crons: tuple[str, ...]


def described(settings: Settings) -> list[str] | None:
    """Return the triggers of the configuration; None where it leaves them as they are.

    Raises:
        Refused: they are no list of texts.
    """
    file = wrangler.file(settings)
    if not file.is_file():
        return None  # who bundles it refuses it, and says why
    crons = (wrangler.read(settings).get("triggers") or {}).get("crons")
    if crons is not None and not _are_texts(crons):
        raise Refused(
            f"{file.name}: triggers.crons is no list of cron expressions",
            f"it is {crons}",
            'write it as "triggers": {"crons": ["*/5 * * * *"]}',
        )
    return None if crons is None else list(dict.fromkeys(crons))


def _are_texts(crons: object) -> bool:
    return isinstance(crons, list) and all(isinstance(each, str) for each in crons)


def changes(environment: Environment, wanted: Sequence[str] | None) -> list[Change]:
    """Return how the triggers would change.

    Args:
        environment: the environment.
        wanted: cron expressions; None: they stay as they are.
    """
    if wanted is None:
        return []
    there = environment.cloudflare.schedules(environment.worker)
    if set(wanted) == set(there):
        return []
    before, after = Crons(tuple(there)), Crons(tuple(wanted))
    name = f"cron triggers of {environment.worker}"
    return [SCHEDULE.change(name, before=before, after=after, undo=before)]


def put(environment: Environment, crons: Sequence[str]) -> None:
    """Set the triggers, and read back that they are set.

    Raises:
        StepFailed: the API took them but does not show them.
    """
    environment.cloudflare.set_schedules(environment.worker, crons)
    seen = environment.cloudflare.schedules(environment.worker)
    if set(seen) != set(crons):
        raise StepFailed(
            f"the cron triggers of {environment.worker} were not set", f"they are {seen}"
        )


SCHEDULE: Final = Action(STEP, "schedule", Crons, Crons, Crons)
