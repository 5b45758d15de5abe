"""The Workflows that the Worker defines: ``workflows`` of its configuration.

A workflow that the file no longer names stays, as with wrangler: with it all of its instances
would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.frozen import frozen
from xswarm_deploy.model.step import Action
from xswarm_deploy.steps.unversioned.resource import STEP, Transition, Value, covers

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


@frozen
class Workflows:
    """Workflows, each with its definition; None: there is none of that name."""

    definitions: Mapping[str, Mapping[str, object] | None]


def _told(after: Workflows) -> str:
    return ", ".join(after.definitions)


ACTION: Final = Action(STEP, "workflows", Workflows, Workflows, Workflows, describe=_told)
_OPTIONS: Final = ("limits", "concurrency", "default_retention", "jurisdiction")


def resource(worker: str) -> str:
    """Return what is changed, in a person's words."""
    return f"workflows of {worker}"


def described(content: Mapping[str, Any], worker: str) -> Value | None:
    """Return name → definition of the Worker's own; None where the file names none."""
    own = [
        one for one in content.get("workflows") or () if one.get("script_name") in (None, worker)
    ]
    return {str(one["name"]): _definition(one) for one in own} or None


def transition(site: Site, wanted: Value | None, formerly: Value | None) -> Transition | None:
    """Return what would change; None: nothing.

    The API does not tell limits and schedules of a workflow; whether those changed is told by
    what the live version's release recorded.

    Raises:
        Refused: a workflow of that name is another Worker's.
    """
    earlier = formerly or {}
    there = {name: _there(site, name) for name in wanted or ()}
    changed = {
        name: definition
        for name, definition in (wanted or {}).items()
        if not _holds(there[name], definition) or earlier.get(name) != definition
    }
    before = {
        name: earlier.get(name) or there[name] if there[name] is not None else None
        for name in changed
    }
    return Transition(Workflows(before), Workflows(changed)) if changed else None


def put(site: Site, value: Workflows, _other: Workflows) -> None:
    """Register each workflow, or delete the one that a release had created."""
    for name, definition in value.definitions.items():
        if definition is None:
            site.cloudflare.workflows.delete(name)
        else:
            described_ = {"script_name": site.worker, **definition}
            site.cloudflare.workflows.put(name, described_)


def holds(site: Site, value: Workflows, _other: Workflows) -> bool:
    """Read back whether it is so, as far as the API tells."""
    return all(
        _holds(_there(site, name), definition) for name, definition in value.definitions.items()
    )


def _definition(one: Mapping[str, Any]) -> Value:
    options = {key: one[key] for key in _OPTIONS if one.get(key)}
    schedules = one.get("schedules") or ()
    crons = [schedules] if isinstance(schedules, str) else list(schedules)
    timed = {"schedules": [{"cron": cron} for cron in crons]} if crons else {}
    return {"class_name": str(one["class_name"]), **options, **timed}


def _there(site: Site, name: str) -> Value | None:
    found = site.cloudflare.workflows.find(name)
    if found is None:
        return None
    owner = str(found.get("script_name") or "")
    if owner not in ("", site.worker):
        raise Refused(
            f"workflow {name} is one of worker {owner}",
            f"{site.worker} would take it over, and with it its instances",
            "give the workflow another name in the wrangler configuration",
        )
    told = (*_OPTIONS, "class_name", "schedules")
    return {key: found[key] for key in told if found.get(key)}


def _holds(there: Value | None, wanted: Value | None) -> bool:
    if there is None or wanted is None:
        return there is None and wanted is None
    return covers(there, {key: value for key, value in wanted.items() if key in there})
