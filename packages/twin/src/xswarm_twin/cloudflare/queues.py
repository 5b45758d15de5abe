"""Queues and their consumers; messages are not carried here."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.listing import paged
from xswarm_twin.cloudflare.records import Queue, Worker
from xswarm_twin.cloudflare.twin import Twin, twin_of

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/queues"
_ONE = _ALL + "/{queue}"
_CONSUMERS = _ONE + "/consumers"
_DEFAULTS = {"batch_size": 10, "max_retries": 3, "max_wait_time_ms": 5000}


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List the queues, all or those of the names that are asked for."""
    names = request.query.getall("name", [])
    found = [
        _told(queue)
        for queue in twin_of(request).store.all(Queue)
        if not names or queue.name in names
    ]
    return paged(request, found)


@routes.post(_ALL)
async def create(request: web.Request) -> web.Response:
    """Make a queue."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = bodies.required(body, "queue_name", str)
    if any(queue.name == name for queue in twin.store.all(Queue)):
        raise refusals.queue_exists(name)
    queue = Queue(uuid.uuid4().hex, name, twin.clock.now())
    twin.store.save(queue)
    return success(_told(queue))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return a queue."""
    return success(_told(_find(request)))


@routes.get(_CONSUMERS)
async def consumers(request: web.Request) -> web.Response:
    """List who consumes a queue."""
    return success(_find(request).consumers)


@routes.post(_CONSUMERS)
async def consume(request: web.Request) -> web.Response:
    """Let a Worker consume a queue; it has one such Worker at most."""
    twin, queue = twin_of(request), _find(request)
    if queue.consumers:
        raise refusals.queue_has_consumer(queue.name)
    made = _consumer(twin, uuid.uuid4().hex, await bodies.json_object(request))
    twin.store.save(replace(queue, consumers=[made]))
    return success(made)


@routes.put(_CONSUMERS + "/{consumer}")
async def change(request: web.Request) -> web.Response:
    """Change how a Worker consumes a queue."""
    twin, queue = twin_of(request), _find(request)
    wanted = _known(queue, request.match_info["consumer"])["consumer_id"]
    made = _consumer(twin, wanted, await bodies.json_object(request))
    twin.store.save(replace(queue, consumers=[made]))
    return success(made)


@routes.delete(_CONSUMERS + "/{consumer}")
async def leave(request: web.Request) -> web.Response:
    """Let a consumer go."""
    twin, queue = twin_of(request), _find(request)
    _known(queue, request.match_info["consumer"])
    twin.store.save(replace(queue, consumers=[]))
    return success(None)


def _consumer(twin: Twin, identifier: str, body: dict[str, Any]) -> dict[str, Any]:
    script = bodies.required(body, "script_name", str)
    if bodies.required(body, "type", str) != "worker":
        raise refusals.body_invalid("only Workers consume queues here")
    if twin.store.find(Worker, script) is None:
        raise refusals.worker_not_found()
    dead = bodies.optional(body, "dead_letter_queue", "")
    return {
        "consumer_id": identifier,
        "type": "worker",
        "script": script,
        "settings": _DEFAULTS | bodies.optional(body, "settings", dict[str, Any]()),
        **({"dead_letter_queue": dead} if dead else {}),
    }


def _find(request: web.Request) -> Queue:
    queue = twin_of(request).store.find(Queue, request.match_info["queue"])
    if queue is None:
        raise refusals.queue_not_found()
    return queue


def _known(queue: Queue, identifier: str) -> dict[str, Any]:
    for consumer in queue.consumers:
        if consumer["consumer_id"] == identifier:
            return consumer
    raise refusals.consumer_not_found()


def _told(queue: Queue) -> dict[str, Any]:
    return {
        "queue_id": queue.id,
        "queue_name": queue.name,
        "created_on": queue.created_on,
        "modified_on": queue.created_on,
        "producers": [],
        "producers_total_count": 0,
        "consumers": queue.consumers,
        "consumers_total_count": len(queue.consumers),
    }
