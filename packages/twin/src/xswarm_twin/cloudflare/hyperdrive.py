"""Hyperdrive configurations: databases that Workers reach by a name, with their passwords."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.collection import Collection
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import Hyperdrive
from xswarm_twin.cloudflare.twin import twin_of

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/hyperdrive/configs"
_ONE = _ALL + "/{config}"
_NEEDED: Final = ("host", "port", "database", "user", "password", "scheme")
_PORTS: Final = {"postgres": 5432, "postgresql": 5432, "mysql": 3306}


def _told(config: Hyperdrive) -> dict[str, Any]:
    """Return what the API tells: not the password."""
    shown = {name: value for name, value in config.origin.items() if name != "password"}
    return {
        "id": config.id,
        "name": config.name,
        "origin": shown,
        "caching": {"disabled": True},
        "created_on": config.created_on,
        "modified_on": config.created_on,
    }


_configs = Collection(
    *(Hyperdrive, _ALL, "config", refusals.hyperdrive_not_found, _told),
    size=1000,
)
_configs.offer(routes)


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


@routes.put(_ONE)
@routes.patch(_ONE)
async def change(request: web.Request) -> web.Response:
    """Change a configuration; what is not named stays."""
    found, body = _configs.find(request), await bodies.json_object(request)
    given = origin(found.origin | bodies.optional(body, "origin", dict[str, Any]()))
    changed = replace(found, name=bodies.optional(body, "name", found.name), origin=given)
    twin_of(request).store.save(changed)
    return success(_told(changed))


def origin(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return an origin that is whole, or refuse it."""
    whole = {"port": _PORTS.get(str(given.get("scheme")), 0), **given}
    missing = [name for name in _NEEDED if not whole.get(name)]
    if missing:
        raise refusals.hyperdrive_origin_invalid(", ".join(missing))
    return whole
