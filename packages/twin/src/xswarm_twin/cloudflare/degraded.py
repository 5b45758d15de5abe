"""The API on a bad day: rate limits for a while, lists that lag, deployments that spread slowly.

``PUT /__sandbox/profile`` with ``{"name": "degraded", "seconds": 3, "limited": 60}`` begins it,
``DELETE`` ends it; the account's token authorises.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import Worker
from xswarm_twin.cloudflare.twin import twin_of
from xswarm_twin.edge import spread
from xswarm_twin.edge.degraded import Degraded

PATH: Final = "/__sandbox/profile"
NAME: Final = "degraded"
_CALLS: Final = 40
"""How many calls are taken between two times of refusing all."""
_USUAL: Final = {"seconds": 3.0, "limited": 60.0}
_LISTS: Final = ("items", "deployments", "buckets")

routes = web.RouteTableDef()


@dataclass
class Profile:
    """What is wrong with the API, while it is.

    Args:
        seconds: how late deployments, lists and the edge are.
        limited: for how long all calls are refused, once there were many.
        clock: returns seconds.
    """

    seconds: float
    limited: float
    clock: Callable[[], float] = time.monotonic
    _calls: int = 0
    _until: float = 0.0

    def require_quota(self) -> None:
        """Count a call; raises Refusal, 429, while all are refused."""
        left = self._until - self.clock()
        if left <= 0:
            self._calls += 1
            if self._calls <= _CALLS:
                return
            self._calls, self._until, left = 0, self.clock() + self.limited, self.limited
        raise refusals.rate_limited(left)


@dataclass
class Profiles:
    """The profile that is on, if any; in memory only."""

    on: Profile | None = None


PROFILES: web.AppKey[Profiles] = web.AppKey("profiles", Profiles)


@routes.put(PATH)
async def begin(request: web.Request) -> web.Response:
    """Let a bad day begin."""
    body = await bodies.json_object(request)
    if bodies.required(body, "name", str) != NAME:
        raise refusals.body_invalid(f"the one profile is {NAME}")
    seconds, limited = (_seconds(body, name, usual) for name, usual in _USUAL.items())
    request.app[PROFILES].on = Profile(seconds, limited)
    twin_of(request).edge.degrade(Degraded(seconds))
    return success({"name": NAME, "seconds": seconds, "limited": limited})


@routes.delete(PATH)
async def end(request: web.Request) -> web.Response:
    """Let it end."""
    request.app[PROFILES].on = None
    twin_of(request).edge.degrade(None)
    return success(None)


def _seconds(body: dict[str, Any], name: str, usual: float) -> float:
    given = body.get(name, usual)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 600:
        raise refusals.body_invalid(f"{name} is a number of seconds, 600 at most")
    return float(given)


@web.middleware
async def suffered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Carry a call out as the profile that is on has it."""
    profile = request.app[PROFILES].on
    if profile is None or request.path == PATH:
        return await handler(request)
    profile.require_quota()
    _require_known(request, profile.seconds)
    before = spread.SECONDS.set(profile.seconds)
    try:
        response = await handler(request)
    finally:
        spread.SECONDS.reset(before)
    lists = request.method == "GET" and isinstance(response, web.Response)
    return _lagging(response, profile.seconds) if lists else response


def _require_known(request: web.Request, seconds: float) -> None:
    """Refuse to know a Worker that was just made, but to who uploads it (workers-sdk 3347)."""
    name = request.match_info.get("worker", "")
    worker = twin_of(request).store.find(Worker, name) if name else None
    if worker is None or request.method == "PUT":
        return
    if not _is_older({"created_on": worker.created_on}, _shown(seconds)):
        raise refusals.worker_not_found()


def _shown(seconds: float) -> datetime:
    """Return until when what was made shows by now."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def _lagging(response: web.StreamResponse, seconds: float) -> web.StreamResponse:
    """Leave out of a list what is newer than it shows."""
    if not isinstance(response, web.Response) or response.content_type != "application/json":
        return response
    told = json.loads(response.text or "null")
    result = told.get("result") if isinstance(told, dict) else None
    if not isinstance(result, dict):
        return response
    newest = _shown(seconds)
    for name in _LISTS:
        if isinstance(result.get(name), list):
            result[name] = [one for one in result[name] if _is_older(one, newest)]
    return web.json_response(told, status=response.status)


def _is_older(one: dict[str, Any], newest: datetime) -> bool:
    made = one.get("created_on") or (one.get("metadata") or {}).get("created_on")
    return not made or datetime.fromisoformat(str(made)) <= newest
