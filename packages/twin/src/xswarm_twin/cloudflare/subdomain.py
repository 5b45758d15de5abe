"""The account's own name under workers.dev: without one no Worker can be made."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from xswarm_twin.cloudflare import bodies, deployments, refusals
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import AccountSubdomain, Worker
from xswarm_twin.cloudflare.twin import Twin, twin_of

routes = web.RouteTableDef()
_AT: Final = "/accounts/{account}/workers/subdomain"
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@routes.get(_AT)
async def show(request: web.Request) -> web.Response:
    """Return the account's own part of its Workers' hosts."""
    name = deployments.account_subdomain(twin_of(request))
    if not name:
        raise refusals.subdomain_not_registered()
    return success({"subdomain": name})


@routes.put(_AT)
async def register(request: web.Request) -> web.Response:
    """Choose the account's name."""
    name = bodies.required(await bodies.json_object(request), "subdomain", str)
    if not _LABEL.fullmatch(name):
        raise refusals.body_invalid(f"{name!r} is not a label of a host")
    await _keep(twin_of(request), name)
    return success({"subdomain": name})


@routes.delete(_AT)
async def remove(request: web.Request) -> web.Response:
    """Take the account's name away, as of an account that was just opened."""
    await _keep(twin_of(request), "")
    return success(None)


async def _keep(twin: Twin, name: str) -> None:
    twin.store.save(AccountSubdomain(name))
    for worker in twin.store.all(Worker):
        await deployments.restore(twin, worker.name)
