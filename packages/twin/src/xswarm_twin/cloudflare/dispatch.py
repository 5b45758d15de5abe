"""Dispatch namespaces of Workers for Platforms: they are there to be bound; no Worker is in one."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.collection import Collection
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import DispatchNamespace
from xswarm_twin.cloudflare.twin import twin_of

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/workers/dispatch/namespaces"
_ONE = _ALL + "/{namespace}"


def _told(namespace: DispatchNamespace) -> dict[str, Any]:
    return {
        "namespace_id": namespace.id,
        "namespace_name": namespace.name,
        "script_count": 0,
        "trusted_workers": False,
        "created_on": namespace.created_on,
        "modified_on": namespace.created_on,
    }


_namespaces = Collection(
    *(DispatchNamespace, _ALL, "namespace", refusals.namespace_not_found, _told),
    size=1000,
)
_namespaces.offer(routes)


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


@routes.put(_ONE)
async def rename(request: web.Request) -> web.Response:
    """Rename a namespace."""
    twin, found = twin_of(request), _namespaces.find(request)
    name = bodies.required(await bodies.json_object(request), "name", str)
    if name != found.name and twin.store.find(DispatchNamespace, name) is not None:
        raise refusals.namespace_exists(name)
    twin.store.remove(found)
    renamed = replace(found, name=name)
    twin.store.save(renamed)
    return success(_told(renamed))
