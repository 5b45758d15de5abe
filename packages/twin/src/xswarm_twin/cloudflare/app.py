"""The API as one aiohttp application: routes, authorisation, faults, envelope, log."""

from __future__ import annotations

import hmac
import logging
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from xswarm_twin import control
from xswarm_twin.cloudflare import (
    absent,
    accounts,
    analytics,
    assets,
    d1,
    degraded,
    deployments,
    dispatch,
    durable_objects,
    faults,
    hyperdrive,
    kv,
    named,
    pages,
    provided,
    queue_pulls,
    queues,
    quota,
    r2,
    r2_notifications,
    r2_settings,
    references,
    refusals,
    routing,
    rulesets,
    secrets_store,
    settings,
    subdomain,
    tails,
    telemetry,
    versions,
    worker_secrets,
    workers,
    workflows,
    zones,
)
from xswarm_twin.cloudflare.calls import CALLS, Calls
from xswarm_twin.cloudflare.degraded import PROFILES, Profiles
from xswarm_twin.cloudflare.envelope import Refusal, failure
from xswarm_twin.cloudflare.faults import FAULTS, Faults
from xswarm_twin.cloudflare.quota import QUOTA
from xswarm_twin.cloudflare.records import Project, Worker
from xswarm_twin.cloudflare.twin import TWIN, Twin, twin_of
from xswarm_twin.errors import TwinError
from xswarm_twin.objects.errors import BucketMissing

BASE = "/client/v4"

MAXIMUM_BODY_BYTES = 96 * 1024 * 1024
"""The largest body that is read whole: a bucket of Pages files (40 MiB, in base64, in JSON).

Uploads of scripts and of objects are streamed, and have limits of their own.
"""

_OWN = "/__sandbox/"
_AUTHORISATION = re.compile(r"(?i:bearer) +[!-~]+ *")
_SESSIONS = ("/accounts/{account}/workers/assets/upload", "/pages/assets/")

_log = logging.getLogger(__name__)


def make_app(twin: Twin) -> web.Application:
    """Return the application; its clean-up closes what it opened.

    Args:
        twin: the parts that the routes work with.
    """
    app = web.Application(
        middlewares=[
            *(_logged, _enveloped, _authorised, quota.counted),
            *(degraded.suffered, _faulty),
        ],
        client_max_size=MAXIMUM_BODY_BYTES,
    )
    app[QUOTA] = quota.from_environment()
    app.on_response_prepare.append(quota.tell)
    if isinstance(twin.tails, telemetry.Kept):
        twin.tails.settings = lambda name: _observability(twin, name)
    app[TWIN], app[FAULTS], app[PROFILES] = twin, Faults(), Profiles()
    app[CALLS] = Calls(twin.state.parent / "calls.jsonl")
    for route in api_routes():
        app.router.add_route(route.method, BASE + route.path, route.handler)
    for route in (
        *_definitions(faults.routes),
        *_definitions(degraded.routes),
        *_definitions(tails.reading),
        *_definitions(d1.files),
    ):
        app.router.add_route(route.method, route.path, route.handler)
    app.on_cleanup.append(_close)
    return app


def _observability(twin: Twin, name: str) -> Mapping[str, Any]:
    worker = twin.store.find(Worker, name)
    return (worker.settings.get("observability") or {}) if worker else {}


async def serve_stored(twin: Twin) -> None:
    """Bring the edge to what is stored, as after a restart.

    What does not start any more is logged, and keeps nothing else from being served.
    """
    for worker in twin.store.all(Worker):
        try:
            await workers.serve_all(twin, worker)
        except (Refusal, TwinError) as error:
            _log.error("Worker %s is not served: %s", worker.name, error)
    for project in twin.store.all(Project):
        await pages.serve_all(twin, project)
    await queues.serve(twin)
    rulesets.publish(twin)
    r2_notifications.watch(twin)


def api_routes() -> Iterator[web.RouteDef]:
    """Return the routes of the API, by their paths behind the base."""
    for module in (
        accounts,
        analytics,
        workers,
        settings,
        references,
        subdomain,
        versions,
        deployments,
        worker_secrets,
        tails,
        telemetry,
        assets,
        pages,
        r2,
        r2_settings,
        r2_notifications,
        zones,
        routing,
        rulesets,
        queues,
        queue_pulls,
        workflows,
        kv,
        d1,
        durable_objects,
        dispatch,
        hyperdrive,
        secrets_store,
        named,
        provided,
    ):
        yield from _definitions(module.routes)


def _definitions(table: web.RouteTableDef) -> Iterator[web.RouteDef]:
    return (route for route in table if isinstance(route, web.RouteDef))


async def _close(app: web.Application) -> None:
    app[CALLS].close()
    app[TWIN].store.close()


@web.middleware
async def _logged(request: web.Request, handler: Handler) -> web.StreamResponse:
    started = time.perf_counter()
    response = await handler(request)
    if not request.path.startswith(_OWN):
        request.app[CALLS].write(request, response.status, started)
    return response


@web.middleware
async def _enveloped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever goes wrong in the envelope."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return failure(refusal)
    except web.HTTPException as error:
        return failure(_refusal_of(error, request))
    except BucketMissing:
        return failure(refusals.bucket_not_found())
    except (ClientPayloadError, HttpProcessingError):
        return failure(refusals.body_invalid("it ended early, or is badly encoded"))
    except TwinError as error:  # a part of the twin is missing, and its remedy is known
        return failure(refusals.part_missing(error))
    except ConnectionError:
        if request.transport is not None:
            raise
        return failure(refusals.body_invalid("it ended early"))  # to nobody: the client is gone
    except Exception:
        _log.exception("%s %s failed", request.method, request.path)
        return failure(refusals.failed())


@web.middleware
async def _authorised(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith(_OWN) and not control.is_local(request.host):
        raise refusals.unauthenticated(status=403)
    account, session = twin_of(request).account, _carries_session(request)
    session = session or _has_own_permission(request)
    if not session:
        _require_token(request, account.token)
    if request.match_info.get("account", account.id) != account.id:
        raise refusals.unauthenticated(status=403)
    return await handler(request)


def _require_token(request: web.Request, token: str) -> None:
    """Refuse a call without a token, with one of no form, or with a wrong one."""
    given = request.headers.get("Authorization", "")
    own = request.path.startswith(_OWN)
    if not (given or own):
        raise refusals.unauthorised()
    if not (_AUTHORISATION.fullmatch(given) or own):
        refused = refusals.authorisation_malformed()
        why = "Invalid format for Authorization header"
        refused.causes.append({"code": 6111, "message": why})
        raise refused
    if not hmac.compare_digest(control.token_of(request.headers).encode(), token.encode()):
        verified = request.path.endswith("/tokens/verify")
        raise refusals.token_invalid() if verified else refusals.unauthenticated()


@web.middleware
async def _faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path == faults.PATH:
        return await handler(request)
    if seconds := request.app[FAULTS].blocked:
        raise refusals.rate_limited(seconds)
    fault = request.app[FAULTS].take(request.method, request.path.removeprefix(BASE))
    if fault is None:
        return await handler(request)
    return await faults.suffer(fault, request, handler)


def _carries_session(request: web.Request) -> bool:
    """Return whether a route checks a session's token by itself."""
    resource = request.match_info.route.resource
    path = "" if resource is None else resource.canonical.removeprefix(BASE)
    return path.startswith(_SESSIONS)


def _has_own_permission(request: web.Request) -> bool:
    """Return whether a tail or a file is asked for, whose address nobody can guess."""
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical in (tails.PATH, d1.FILES)


def _refusal_of(error: web.HTTPException, request: web.Request) -> Refusal:
    path = request.path.removeprefix(BASE)
    unrouted = isinstance(error, web.HTTPNotFound | web.HTTPMethodNotAllowed)
    if unrouted and (what := absent.named(path)):
        return refusals.not_offered(what)
    if isinstance(error, web.HTTPNotFound):
        return refusals.no_route(path)
    if isinstance(error, web.HTTPMethodNotAllowed):
        return refusals.method_not_allowed(request.method)
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return refusals.body_too_large("the body", MAXIMUM_BODY_BYTES)
    return Refusal(error.status, 10026, error.reason)
