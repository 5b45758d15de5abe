"""Faults to order: calls that fail, hang, or are applied while their reply is lost.

For tests of undo and resume. ``PUT /__sandbox/faults`` adds one, ``GET`` lists them, ``DELETE``
removes all; the account's token authorises. Beside the common kinds there are ``status:CODE`` (403:
the token lacks the permission; 200: ``success`` is false all the same; 429 or 5xx; not applied),
``revoked`` (the token has ended), ``elsewhere`` (it may not be used from this address),
``page:CODE`` (the edge, or with 200 a proxy, answers with a page in HTML; not applied),
``spread:SECONDS`` (answered at once; a deployment is served after that time, as it takes to reach
all of the edge) and ``block:SECONDS`` (from then on **every** call is refused with 429 for that
time, as Cloudflare does to who made too many).
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from xswarm_twin import failing, faults
from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import Refusal, success
from xswarm_twin.edge import spread
from xswarm_twin.faults import COMMON, Fault

_KINDS: Final = (
    *(*COMMON, "revoked", "elsewhere", "status:200", "status:403", "status:429", "status:5NN"),
    *("page:200", "page:403", "page:5NN", "spread:SECONDS", "block:SECONDS"),
)
_PAGE: Final = "<!DOCTYPE html><html><head><title>{}: Web server is down</title></head></html>"

routes = web.RouteTableDef()
PATH = "/__sandbox/faults"


@dataclass
class Faults(faults.Faults):
    """The table of faults, and when every call is taken again, by ``time.monotonic``."""

    blocked_until: float = 0.0

    @property
    def blocked(self) -> float:
        """Return the seconds for which every call is still refused."""
        return max(0.0, self.blocked_until - time.monotonic())


FAULTS: web.AppKey[Faults] = web.AppKey("faults", Faults)


@routes.get(PATH)
async def index(request: web.Request) -> web.Response:
    """List the faults, the spent ones too."""
    return success([asdict(fault) for fault in request.app[FAULTS].table])


@routes.put(PATH)
async def put(request: web.Request) -> web.Response:
    """Add a fault."""
    body = await bodies.json_object(request)
    fault = Fault(
        bodies.required(body, "kind", str),
        bodies.optional(body, "times", 1),
        bodies.required(body, "method", str).upper(),
        bodies.required(body, "path", str),
        bodies.optional(body, "after", 0),
    )
    try:
        fault.require_sound(_KINDS)
    except ValueError as error:
        raise refusals.body_invalid(str(error)) from None
    request.app[FAULTS].table.append(fault)
    return success(asdict(fault))


@routes.delete(PATH)
async def delete(request: web.Request) -> web.Response:
    """Remove all faults."""
    request.app[FAULTS].table.clear()
    request.app[FAULTS].blocked_until = 0.0
    return success(None)


async def suffer(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Carry a call out as its fault wants."""
    if fault.name == "block":
        request.app[FAULTS].blocked_until = time.monotonic() + fault.amount
        raise refusals.rate_limited(fault.amount)
    if fault.name == "status":
        raise _refused(int(fault.amount))
    if fault.name == "revoked":
        raise refusals.unauthenticated(status=401)
    if fault.name == "elsewhere":
        raise refusals.token_elsewhere(request.remote)
    if fault.name == "page":
        code = int(fault.amount)
        return web.Response(text=_PAGE.format(code), status=code, content_type="text/html")
    if fault.name == "spread":
        return await _spread(fault.amount, request, handler)
    if fault.name == "bad_json":
        await handler(request)
        return web.Response(text='{"success": true, "resu', content_type="application/json")
    return await failing.meet(fault, request, handler)


async def _spread(seconds: float, request: web.Request, handler: Handler) -> web.StreamResponse:
    before = spread.SECONDS.set(seconds)
    try:
        return await handler(request)
    finally:
        spread.SECONDS.reset(before)


def _refused(status: int) -> Refusal:
    if status == 429:
        return refusals.rate_limited(1)
    if status == 403:
        return refusals.unauthenticated(status=status)
    return refusals.failed(status=status)
