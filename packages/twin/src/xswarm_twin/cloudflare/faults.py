"""Faults to order: calls that fail, hang, or are applied while their reply is lost.

For tests of undo and resume. ``PUT /__sandbox/faults`` adds one, ``GET`` lists them, ``DELETE``
removes all; the account's token authorises.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import asdict, dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import Refusal, success
from xswarm_twin.edge import spread

_KIND = re.compile(
    r"status:(401|403|429|5\d\d)|page:(403|5\d\d)|elsewhere|reset_before|reset_after|bad_json"
    r"|(slow|spread|block):(\d{1,3}(\.\d{1,3})?)"
)
_HTML = "text/html"
_PAGE = "<!DOCTYPE html><html><head><title>{}: Web server is down</title></head></html>"

routes = web.RouteTableDef()
PATH = "/__sandbox/faults"


@dataclass
class Fault:
    """What is to go wrong.

    Args:
        method: the HTTP method of the calls, or ``ANY``.
        path: a regular expression that is searched for in their paths (behind the base).
        kind: ``status:CODE`` (401: the token has ended; 403: it lacks the permission; 429 or
            5xx; not applied), ``page:CODE`` (the edge answers with a page in HTML; not applied),
            ``elsewhere`` (the token may not be used from this address), ``reset_before``
            (connection reset, not applied), ``reset_after`` (applied, then reset), ``bad_json``
            (applied, the reply cut short), ``slow:SECONDS`` (applied after that time),
            ``spread:SECONDS`` (answered at once; a deployment is served after that time, as it
            takes to reach all of the edge),
            ``block:SECONDS`` (from then on **every** call is refused with 429 for that time, as
            Cloudflare does to who made too many).
        times: how many calls are still to fail.
        after: how many such calls are let pass before.
    """

    method: str
    path: str
    kind: str
    times: int = 1
    after: int = 0

    def concerns(self, method: str, path: str) -> bool:
        """Return whether a call is one of those that are to fail."""
        asked = self.method in ("ANY", method)
        return self.times > 0 and asked and bool(re.search(self.path, path))


@dataclass
class Faults:
    """The table of faults, in memory only.

    Args:
        table: all that were ordered.
        blocked_until: when every call is taken again, by ``time.monotonic``.
    """

    table: list[Fault] = field(default_factory=list)
    blocked_until: float = 0.0

    def take(self, method: str, path: str) -> str | None:
        """Return the kind of fault that a call is to suffer, and count it."""
        for fault in self.table:
            if not fault.concerns(method, path):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            return self._begun(fault.kind)
        return None

    @property
    def blocked(self) -> float:
        """Return the seconds for which every call is still refused."""
        return max(0.0, self.blocked_until - time.monotonic())

    def _begun(self, kind: str) -> str:
        name, _, seconds = kind.partition(":")
        if name == "block":
            self.blocked_until = time.monotonic() + float(seconds)
        return kind


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
        bodies.required(body, "method", str).upper(),
        bodies.required(body, "path", str),
        bodies.required(body, "kind", str),
        bodies.optional(body, "times", 1),
        bodies.optional(body, "after", 0),
    )
    _require_valid(fault)
    request.app[FAULTS].table.append(fault)
    return success(asdict(fault))


@routes.delete(PATH)
async def delete(request: web.Request) -> web.Response:
    """Remove all faults."""
    request.app[FAULTS].table.clear()
    request.app[FAULTS].blocked_until = 0.0
    return success(None)


async def suffer(kind: str, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Carry a call out as its fault wants."""
    name, _, argument = kind.partition(":")
    if name == "status":
        raise _refused(int(argument))
    if name == "elsewhere":
        raise refusals.token_elsewhere(request.remote)
    if name == "page":
        return web.Response(text=_PAGE.format(argument), status=int(argument), content_type=_HTML)
    if name == "block":
        raise refusals.rate_limited(float(argument))
    if name == "reset_before":
        return _reset(request)
    if name == "slow":
        await asyncio.sleep(float(argument))
        return await handler(request)
    if name == "spread":
        return await _spread(float(argument), request, handler)
    await handler(request)
    if name == "reset_after":
        return _reset(request)
    return web.Response(text='{"success": true, "resu', content_type="application/json")


async def _spread(seconds: float, request: web.Request, handler: Handler) -> web.StreamResponse:
    before = spread.SECONDS.set(seconds)
    try:
        return await handler(request)
    finally:
        spread.SECONDS.reset(before)


def _require_valid(fault: Fault) -> None:
    try:
        re.compile(fault.path)
    except re.error:
        raise refusals.body_invalid("path is no regular expression") from None
    if not _KIND.fullmatch(fault.kind) or fault.times < 1 or fault.after < 0:
        raise refusals.body_invalid("kind or times is not what a fault has")


def _refused(status: int) -> Refusal:
    if status == 429:
        return refusals.rate_limited(1)
    if status in (401, 403):
        return refusals.unauthenticated(status=status)
    return Refusal(status, 10013, "An unknown error has occurred.")


def _reset(request: web.Request) -> web.Response:
    """Cut the connection; the response that is given back is not sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
