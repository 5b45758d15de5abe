"""Hyperdrive configurations: databases that Workers reach by a name, with their passwords."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import paged, success
from xswarm_twin.cloudflare.records import Hyperdrive
from xswarm_twin.cloudflare.twin import twin_of

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/hyperdrive/configs"
_ONE = _ALL + "/{config}"
_NEEDED: Final = ("host", "port", "database", "user", "password", "scheme")
_PORTS: Final = {"postgres": 5432, "postgresql": 5432, "mysql": 3306}


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List the configurations."""
    found = twin_of(request).store.all(Hyperdrive)
    return paged(request, [_told(one) for one in found], default=1000)


@routes.post(_ALL)
async def create(request: web.Request) -> web.Response:
    """Make a configuration."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = bodies.required(body, "name", str)
    if any(one.name == name for one in twin.store.all(Hyperdrive)):
        raise refusals.hyperdrive_exists(name)
    given = origin(bodies.required(body, "origin", dict))
    made = Hyperdrive(uuid.uuid4().hex, name, twin.clock.now(), given)
    twin.store.save(made)
    return success(_told(made))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return a configuration, without the password."""
    return success(_told(_find(request)))


@routes.put(_ONE)
@routes.patch(_ONE)
async def change(request: web.Request) -> web.Response:
    """Change a configuration; what is not named stays."""
    found, body = _find(request), await bodies.json_object(request)
    given = origin(found.origin | bodies.optional(body, "origin", dict[str, Any]()))
    changed = replace(found, name=bodies.optional(body, "name", found.name), origin=given)
    twin_of(request).store.save(changed)
    return success(_told(changed))


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Remove a configuration."""
    twin_of(request).store.remove(_find(request))
    return success(None)


def origin(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return an origin that is whole, or refuse it."""
    whole = {"port": _PORTS.get(str(given.get("scheme")), 0), **given}
    missing = [name for name in _NEEDED if not whole.get(name)]
    if missing:
        raise refusals.hyperdrive_origin_invalid(", ".join(missing))
    return whole


def _find(request: web.Request) -> Hyperdrive:
    name, missing = request.match_info["config"], refusals.hyperdrive_not_found
    return twin_of(request).store.require(Hyperdrive, name, missing)


def _told(config: Hyperdrive) -> dict[str, Any]:
    shown = {name: value for name, value in config.origin.items() if name != "password"}
    return {
        "id": config.id,
        "name": config.name,
        "origin": shown,
        "caching": {"disabled": True},
        "created_on": config.created_on,
        "modified_on": config.created_on,
    }
