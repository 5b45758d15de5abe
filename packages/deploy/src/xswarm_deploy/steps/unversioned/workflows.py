"""The Workflows that the Worker defines: ``workflows`` and ``exports`` of its configuration.

A workflow that the file no longer names stays, as with wrangler: with it all of its instances
would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.errors import Refused
from xswarm_deploy.model.step import Action
from xswarm_deploy.steps.unversioned.resource import STEP, Transition, Value, covers

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


@dataclass(frozen=True)
class Workflows:
    """Workflows, each with its definition; None: there is none of that name."""

    definitions: Mapping[str, Mapping[str, object] | None]


def _told(after: Workflows) -> str:
    return ", ".join(after.definitions)


ACTION: Final = Action(STEP, "workflows", Workflows, Workflows, Workflows, describe=_told)
_OPTIONS: Final = ("limits", "concurrency", "default_retention", "jurisdiction")
_EXPORT: Final = "workflow"
"""The type of a Workflow under ``exports``, where it has the name of its class."""


def resource(worker: str) -> str:
    """Return what is changed, in a person's words."""
    return f"workflows of {worker}"


def described(content: Mapping[str, Any], worker: str) -> Value | None:
    """Return name → definition of the Worker's own; None where the file names none.

    Raises:
        Refused: another Worker's is to be changed by a binding to it.
    """
    bound = content.get("workflows") or ()
    own = [one for one in bound if one.get("script_name") in (None, worker)]
    for one in bound:
        if one not in own:
            _require_bound_alone(one)
    exports = (content.get("exports") or {}).items()
    own += [{**one, "class_name": name} for name, one in exports if one.get("type") == _EXPORT]
    return {str(one["name"]): _definition(one) for one in own} or None


def transition(site: Site, wanted: Value | None, formerly: Value | None) -> Transition | None:
    """Return what would change; None: nothing.

    The API does not tell limits and schedules of a workflow; whether those changed is told by
    what the live version's release recorded.

    Raises:
        Refused: a workflow of that name is another Worker's, or in another jurisdiction.
    """
    earlier = formerly or {}
    there = {name: _there(site, name) for name in wanted or ()}
    for name, definition in (wanted or {}).items():
        _require_same_place(name, there[name], definition)
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


def _require_bound_alone(one: Mapping[str, Any]) -> None:
    """Refuse options of another Worker's workflow: wrangler says so once the code is live."""
    told = ", ".join(key for key in (*_OPTIONS, "schedules") if one.get(key))
    if told:
        owner = one["script_name"]
        raise Refused(
            f"{told} of the workflow {one['name']} cannot be set by a Worker that is bound to it",
            f"worker {owner} defines it (script_name)",
            f"write them into the configuration of {owner}, or remove them here",
        )


def _require_same_place(name: str, there: Value | None, wanted: Value) -> None:
    """Refuse another jurisdiction: it is chosen when a workflow is created, once for all."""
    place = wanted.get("jurisdiction")
    if place and there is not None and there.get("jurisdiction") != place:
        raise Refused(
            f"workflow {name} cannot be moved to the jurisdiction {place}",
            f"it was created in {there.get('jurisdiction') or 'none'}, and stays there",
            "give the workflow another name in the wrangler configuration",
        )


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
