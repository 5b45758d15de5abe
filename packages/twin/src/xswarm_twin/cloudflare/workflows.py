"""Workflows and their instances, which run in the process of the Worker that defines them.

Reference: Cloudflare API, "Workflows".
"""

from __future__ import annotations

import uuid
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals, workflow_history
from xswarm_twin.cloudflare.collection import Collection
from xswarm_twin.cloudflare.envelope import Refusal, paged, success
from xswarm_twin.cloudflare.records import Version, Worker, Workflow
from xswarm_twin.cloudflare.twin import twin_of
from xswarm_twin.edge.proxy import CallFailed

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/workflows"
_ONE = _ALL + "/{workflow}"
_INSTANCES = _ONE + "/instances"
_INSTANCE = _INSTANCES + "/{instance}"
_OPTIONS = ("limits", "concurrency", "schedules", "default_retention", "jurisdiction")
_CHANGES = {"pause", "resume", "terminate", "restart"}


def _told(workflow: Workflow) -> dict[str, Any]:
    """Return what the API tells: limits and schedules are not among it, the jurisdiction is.

    Source of the latter: wrangler's ``checkWorkflowConflicts``.
    """
    place = workflow.options.get("jurisdiction")
    return {
        **({"jurisdiction": place} if place else {}),
        "id": workflow.id,
        "name": workflow.name,
        "class_name": workflow.class_name,
        "script_name": workflow.script_name,
        "created_on": workflow.created_on,
        "modified_on": workflow.modified_on,
        "triggered_on": None,
        "instances": {},
    }


_workflows = Collection(
    *(Workflow, _ALL, "workflow", refusals.workflow_not_found, _told),
)
_workflows.offer(routes, delete=False)


@routes.put(_ONE)
async def put(request: web.Request) -> web.Response:
    """Register a workflow, or change it."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = request.match_info["workflow"]
    script = bodies.required(body, "script_name", str)
    twin.store.require(Worker, script, refusals.worker_not_found)
    known, now = twin.store.find(Workflow, name), twin.clock.now()
    workflow = Workflow(
        id=known.id if known else str(uuid.uuid4()),
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
    workflow = _workflows.find(request)
    twin_of(request).store.remove(workflow)
    return success({"status": "ok", "success": True})


@routes.get(_ONE + "/versions")
async def versions(request: web.Request) -> web.Response:
    """List the versions: one for each of the Worker's, the newest first."""
    workflow, store = _workflows.find(request), twin_of(request).store
    listed = store.newest(Version, workflow.script_name, 100)
    return paged(
        request,
        [
            {
                "id": version.id,
                "workflow_id": workflow.id,
                "class_name": workflow.class_name,
                "created_on": version.created_on,
                "modified_on": version.created_on,
                "limits": workflow.options.get("limits"),
            }
            for version in listed
        ],
    )


@routes.get(_INSTANCES)
@routes.get(_INSTANCES + "/")
async def instances(request: web.Request) -> web.Response:
    """List the instances, the newest first; all or those of a status."""
    workflow, status = _workflows.find(request), request.query.get("status")
    ids = twin_of(request).edge.instances(workflow.script_name, workflow.name)
    listed = [_summary(workflow, id_, await _instance(request, workflow, id_)) for id_ in ids]
    found = [one for one in listed if status in (None, one["status"])]
    return paged(request, sorted(found, key=lambda one: str(one["created_on"]), reverse=True))


@routes.post(_INSTANCES)
async def trigger(request: web.Request) -> web.Response:
    """Begin an instance."""
    workflow, body = _workflows.find(request), await bodies.json_object(request)
    params, wanted = body.get("params"), body.get("instance_id")
    options = {"params": params if params is not None else {}, **({"id": wanted} if wanted else {})}
    made = await _call(request, workflow, "create", options)
    latest = twin_of(request).store.last(Version, workflow.script_name)
    return success(
        {
            "id": made["id"],
            "status": "queued",
            "version_id": latest.id if latest else None,
            "workflow_id": workflow.id,
        }
    )


@routes.get(_INSTANCE)
async def instance(request: web.Request) -> web.Response:
    """Return an instance with its steps."""
    workflow = _workflows.find(request)
    told = await _instance(request, workflow, request.match_info["instance"])
    latest = twin_of(request).store.last(Version, workflow.script_name)
    return success(told | {"versionId": latest.id if latest else None})


@routes.patch(_INSTANCE + "/status")
async def change(request: web.Request) -> web.Response:
    """Pause, resume, terminate or restart an instance."""
    workflow, body = _workflows.find(request), await bodies.json_object(request)
    status, id_ = bodies.required(body, "status", str), request.match_info["instance"]
    if status not in _CHANGES:
        raise refusals.body_invalid(f"status is one of {', '.join(sorted(_CHANGES))}")
    await _call(request, workflow, status, id_)
    told = await _call(request, workflow, "status", id_)
    return success({"status": told["status"], "timestamp": twin_of(request).clock.now()})


@routes.post(_INSTANCE + "/events/{type}")
async def send_event(request: web.Request) -> web.Response:
    """Send an event that an instance waits for."""
    workflow, raw = _workflows.find(request), await request.read()
    payload = bodies.parsed(raw) if raw else None
    event = {"type": request.match_info["type"], "payload": payload}
    await _call(request, workflow, "sendEvent", request.match_info["instance"], event)
    return success(None)


async def _instance(request: web.Request, workflow: Workflow, id_: str) -> dict[str, Any]:
    status = await _call(request, workflow, "status", id_)
    return workflow_history.instance(status, await _call(request, workflow, "subscribe", id_))


async def _call(request: web.Request, workflow: Workflow, method: str, *given: Any) -> Any:
    """Call a method of the workflow's API in the Worker's process."""
    target = {
        "service": "workflows",
        "entrypoint": "WorkflowBinding",
        "props": {"workflow": workflow.name},
        "method": method,
    }
    try:
        return await twin_of(request).edge.call(workflow.script_name, target, given)
    except CallFailed as failure:
        unknown = "not_found" in str(failure)
        code, status = (10400, 404) if unknown else (10001, 400)
        raise Refusal(status, code, f"workflows.api.error: {failure}") from None


def _summary(workflow: Workflow, id_: str, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": id_,
        "status": told["status"],
        "created_on": told["queued"],
        "modified_on": told["end"] or told["start"] or told["queued"],
        "started_on": told["start"],
        "ended_on": told["end"],
        "workflow_id": workflow.id,
        "version_id": None,
    }
