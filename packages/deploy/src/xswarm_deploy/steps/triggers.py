"""The Worker's cron triggers: ``triggers.crons`` in its wrangler configuration.

They belong to the Worker, not to a version: they are set once the new version has the
traffic, so that whom they tell is there. Each version's are noted, so that a rollback to it
brings them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xswarm_deploy.errors import Refused, StepFailed
from xswarm_deploy.model.step import Change

if TYPE_CHECKING:
    from xswarm_deploy.settings.settings import Settings
    from xswarm_deploy.site import Site


def described(settings: Settings) -> list[str] | None:
    """Return the triggers of the configuration; None where it leaves them as they are.

    Raises:
        Refused: they are no list of texts.
    """
    from xswarm_deploy.bundling import wrangler  # only who deploys reads it

    file = settings.path(settings.project.worker.config)
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


def changes(site: Site, step: str, wanted: Sequence[str] | None) -> list[Change]:
    """Return how the triggers would change.

    Args:
        site: the environment.
        step: whose change it is.
        wanted: cron expressions; None: they stay as they are.
    """
    if wanted is None:
        return []
    there = site.cloudflare.schedules(site.worker)
    if set(wanted) == set(there):
        return []
    told = [{"crons": list(crons)} for crons in (there, wanted)]
    name = f"cron triggers of {site.worker}"
    return [Change(step, name, "schedule", before=told[0], after=told[1], undo=told[0])]


def put(site: Site, crons: Sequence[str]) -> None:
    """Set the triggers, and read back that they are set.

    Raises:
        StepFailed: the API took them but does not show them.
    """
    site.cloudflare.set_schedules(site.worker, crons)
    seen = site.cloudflare.schedules(site.worker)
    if set(seen) != set(crons):
        raise StepFailed(f"the cron triggers of {site.worker} were not set", f"they are {seen}")
