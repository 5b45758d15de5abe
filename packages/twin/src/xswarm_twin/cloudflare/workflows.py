"""Workflows as they are registered; no instance runs here."""

from __future__ import annotations

import uuid
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import Worker, Workflow
from xswarm_twin.cloudflare.twin import twin_of

routes = web.RouteTableDef()
_ONE = "/accounts/{account}/workflows/{workflow}"
_OPTIONS = ("limits", "concurrency", "schedules", "default_retention", "jurisdiction")


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return a workflow."""
    return success(_told(_find(request)))


@routes.put(_ONE)
async def put(request: web.Request) -> web.Response:
    """Register a workflow, or change it."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = request.match_info["workflow"]
    script = bodies.required(body, "script_name", str)
    if twin.store.find(Worker, script) is None:
        raise refusals.worker_not_found()
    known, now = twin.store.find(Workflow, name), twin.clock.now()
    workflow = Workflow(
        id=known.id if known else uuid.uuid4().hex,
        name=name,
        created_on=known.created_on if known else now,
        modified_on=now,
        script_name=script,
        class_name=bodies.required(body, "class_name", str),
        options={key: body[key] for key in _OPTIONS if body.get(key)},
    )
    twin.store.save(workflow)
    return success(_told(workflow))


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Remove a workflow."""
    workflow = _find(request)
    twin_of(request).store.remove(workflow)
    return success({"status": "ok"})


def _find(request: web.Request) -> Workflow:
    workflow = twin_of(request).store.find(Workflow, request.match_info["workflow"])
    if workflow is None:
        raise refusals.workflow_not_found()
    return workflow


def _told(workflow: Workflow) -> dict[str, Any]:
    """Return what the API tells: limits and schedules are not among it."""
    return {
        "id": workflow.id,
        "name": workflow.name,
        "class_name": workflow.class_name,
        "script_name": workflow.script_name,
        "created_on": workflow.created_on,
        "modified_on": workflow.modified_on,
        "triggered_on": None,
        "instances": {},
    }
