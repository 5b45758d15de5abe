"""Dispatch namespaces of Workers for Platforms: they are there to be bound; no Worker is in one."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import paged, success
from xswarm_twin.cloudflare.records import DispatchNamespace
from xswarm_twin.cloudflare.twin import twin_of

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/workers/dispatch/namespaces"
_ONE = _ALL + "/{namespace}"


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List the namespaces."""
    found = twin_of(request).store.all(DispatchNamespace)
    return paged(request, [_told(one) for one in found], default=1000)


@routes.post(_ALL)
async def create(request: web.Request) -> web.Response:
    """Make a namespace."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = bodies.required(body, "name", str)
    if twin.store.find(DispatchNamespace, name) is not None:
        raise refusals.namespace_exists(name)
    made = DispatchNamespace(name, str(uuid.uuid4()), twin.clock.now())
    twin.store.save(made)
    return success(_told(made))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return a namespace."""
    return success(_told(_find(request)))


@routes.put(_ONE)
async def rename(request: web.Request) -> web.Response:
    """Rename a namespace."""
    twin, found = twin_of(request), _find(request)
    name = bodies.required(await bodies.json_object(request), "name", str)
    if name != found.name and twin.store.find(DispatchNamespace, name) is not None:
        raise refusals.namespace_exists(name)
    twin.store.remove(found)
    renamed = replace(found, name=name)
    twin.store.save(renamed)
    return success(_told(renamed))


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Remove a namespace."""
    twin_of(request).store.remove(_find(request))
    return success(None)


def _find(request: web.Request) -> DispatchNamespace:
    name, missing = request.match_info["namespace"], refusals.namespace_not_found
    return twin_of(request).store.require(DispatchNamespace, name, missing)


def _told(namespace: DispatchNamespace) -> dict[str, Any]:
    return {
        "namespace_id": namespace.id,
        "namespace_name": namespace.name,
        "script_count": 0,
        "trusted_workers": False,
        "created_on": namespace.created_on,
        "modified_on": namespace.created_on,
    }
