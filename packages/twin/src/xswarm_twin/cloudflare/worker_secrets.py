"""Secrets of a Worker: part of a version, so that an edit makes a new one."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import (
    bindings,
    bodies,
    deployments,
    refusals,
    strictness,
    versions,
)
from xswarm_twin.cloudflare.bindings import Binding
from xswarm_twin.cloudflare.deployments import DeploymentRequest
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import Version
from xswarm_twin.cloudflare.twin import source_of, twin_of

EDIT_IN_BULK = 10214
EDIT_OF_ONE = 10215

routes = web.RouteTableDef()
_AT = "/accounts/{account}/workers/scripts/{worker}/secrets"


@routes.get(_AT)
async def index(request: web.Request) -> web.Response:
    """List the secrets of the latest version, by name and type."""
    twin, worker = twin_of(request), versions.find_worker(request)
    latest = twin.store.last(Version, worker.name)
    return success(bindings.public(latest.secrets.values() if latest else ()))


@routes.put(_AT)
async def put(request: web.Request) -> web.Response:
    """Set one secret: a new version, deployed."""
    versions.find_worker(request)
    body = await bodies.json_object(request)
    strictness.require_known(body, ("name", "type", "text"))
    secret = _secret(bodies.required(body, "name", str), body)
    await _edit(request, {secret["name"]: secret}, EDIT_OF_ONE)
    return success(bindings.public([secret])[0])


@routes.delete(_AT + "/{secret}")
async def delete(request: web.Request) -> web.Response:
    """Remove one secret: a new version, deployed."""
    worker, name = versions.find_worker(request), request.match_info["secret"]
    if name not in versions.latest_of(twin_of(request), worker.name).secrets:
        raise refusals.secret_not_found(name)
    await _edit(request, {name: None}, EDIT_OF_ONE)
    return success(None)


@routes.patch("/accounts/{account}/workers/scripts/{worker}/secrets-bulk")
async def patch(request: web.Request) -> web.Response:
    """Set and remove (null) secrets in one new version, deployed."""
    versions.find_worker(request)
    given = bodies.required(await bodies.json_object(request), "secrets", dict)
    changes = {
        name: None if value is None else _secret(name, bodies.checked(value, dict, name))
        for name, value in given.items()
    }
    await _edit(request, changes, EDIT_IN_BULK)
    return success(None)


async def _edit(request: web.Request, changes: dict[str, Binding | None], refused: int) -> None:
    twin, worker = twin_of(request), versions.find_worker(request)
    async with twin.lock(worker.name):
        latest = versions.latest_of(twin, worker.name)
        if not deployments.deployed_alone(twin, worker.name, latest):
            raise refusals.latest_not_deployed(code=refused)
        _require_secrets(latest, changes)
        source = source_of(request)
        version = versions.derive(twin, latest, changes, source, "secret")
        wish = DeploymentRequest({version.id: 100}, source, {"workers/triggered_by": "secret"})
        await deployments.deploy(twin, versions.find_worker(request), wish, version)
    await twin.edge.preview(versions.served(twin, version))


def _secret(name: str, body: dict[str, Any]) -> Binding:
    if bodies.required(body, "type", str) != "secret_text":
        raise refusals.script_invalid(f"binding {name} of type {body['type']} is invalid")
    if not name:
        raise refusals.binding_unnamed()
    return {"name": name, "type": "secret_text", "text": bodies.required(body, "text", str)}


def _require_secrets(latest: Version, changes: dict[str, Binding | None]) -> None:
    """Refuse to overwrite, by a secret's edit, a binding that is none."""
    others = {binding["name"] for binding in latest.bindings} - latest.secrets.keys()
    for name in sorted(others & changes.keys()):
        raise refusals.binding_in_use(name)
