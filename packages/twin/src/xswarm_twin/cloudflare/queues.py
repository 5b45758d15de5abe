"""Queues and their consumers; the messages themselves are with the simulators.

Reference: Cloudflare API, "Queues".
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from xswarm_twin.cloudflare import bodies, queue_pulls, refusals
from xswarm_twin.cloudflare.envelope import Refusal, paged, success
from xswarm_twin.cloudflare.records import Queue, Version, Worker
from xswarm_twin.cloudflare.twin import Twin, twin_of
from xswarm_twin.edge.simulators import Consumer, Question

routes = web.RouteTableDef()
_ALL = "/accounts/{account}/queues"
_ONE = _ALL + "/{queue}"
_CONSUMERS = _ONE + "/consumers"
_DEFAULTS = {"batch_size": 10, "max_retries": 3, "max_wait_time_ms": 5000}
_SETTINGS: Final = {
    "delivery_delay": 0,
    "delivery_paused": False,
    "message_retention_period": 345_600,
}
_NAME: Final = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
_DAY: Final = 86_400  # seconds
_ALLOWED: Final = {
    "delivery_delay": range(_DAY + 1),
    "message_retention_period": range(60, 14 * _DAY + 1),
}
_CONSUMED: Final = {
    "batch_size": range(1, 101),
    "max_retries": range(101),
    "max_wait_time_ms": range(60_001),
    "max_concurrency": range(1, 251),
    "retry_delay": range(_DAY + 1),
    "visibility_timeout_ms": range(12 * 3_600_000 + 1),
}
"""What settings may be (Queues, "Limits")."""
MAXIMUM_MESSAGE_BYTES: Final = 128_000
MAXIMUM_BATCH_BYTES: Final = 256_000
MAXIMUM_BATCH: Final = 100
_CONTENTS: Final = ("text", "bytes", "json", "v8")
_NAMES: Final = {
    "batch_size": "maxBatchSize",
    "max_retries": "maxRetries",
    "max_concurrency": "maxConcurrency",
    "retry_delay": "retryDelay",
}
"""A consumer's settings, and how workerd's queues call them."""


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List the queues, all or those of the names that are asked for."""
    twin, names = twin_of(request), request.query.getall("name", [])
    found = [queue for queue in twin.store.all(Queue) if not names or queue.name in names]
    return paged(request, [_told(twin, queue) for queue in found], default=1000)


@routes.post(_ALL)
async def create(request: web.Request) -> web.Response:
    """Make a queue."""
    twin, body = twin_of(request), await bodies.json_object(request)
    name = bodies.required(body, "queue_name", str)
    if not _NAME.fullmatch(name):
        raise refusals.body_invalid("a queue's name has 1 to 63 letters, digits and dashes")
    if any(queue.name == name for queue in twin.store.all(Queue)):
        raise refusals.queue_exists(name)
    queue = _made(twin, name, _sound(bodies.optional(body, "settings", dict[str, Any]()), _ALLOWED))
    return success(_told(twin, queue))


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return a queue."""
    return success(_told(twin_of(request), _find(request)))


@routes.put(_ONE)
@routes.patch(_ONE)
async def set_up(request: web.Request) -> web.Response:
    """Change a queue's settings: a paused one keeps its messages."""
    twin, queue, body = twin_of(request), _find(request), await bodies.json_object(request)
    given = bodies.optional(body, "settings", dict[str, Any]())
    settings = queue.settings | _sound(given, _ALLOWED)
    queue = replace(queue, settings=settings)
    await _save(twin, queue)
    return success(_told(twin, queue))


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Remove a queue."""
    twin, queue = twin_of(request), _find(request)
    twin.store.remove(queue)
    await serve(twin)
    return success(None)


@routes.post(_ONE + "/messages")
async def send(request: web.Request) -> web.Response:
    """Send a message."""
    return await _send(request, [await bodies.json_object(request)])


@routes.post(_ONE + "/messages/batch")
async def send_all(request: web.Request) -> web.Response:
    """Send many messages."""
    body = await bodies.json_object(request)
    return await _send(request, bodies.required(body, "messages", list))


@routes.get(_CONSUMERS)
async def consumers(request: web.Request) -> web.Response:
    """List who consumes a queue."""
    return paged(request, _find(request).consumers)


@routes.post(_CONSUMERS)
async def consume(request: web.Request) -> web.Response:
    """Let a Worker consume a queue; it has one such Worker at most."""
    twin, queue = twin_of(request), _find(request)
    if queue.consumers:
        raise refusals.queue_has_consumer(queue.name)
    made = _consumer(twin, uuid.uuid4().hex, await bodies.json_object(request))
    await _save(twin, replace(queue, consumers=[made]))
    return success(made)


@routes.put(_CONSUMERS + "/{consumer}")
async def change(request: web.Request) -> web.Response:
    """Change how a Worker consumes a queue."""
    twin, queue = twin_of(request), _find(request)
    wanted = _known(queue, request.match_info["consumer"])["consumer_id"]
    made = _consumer(twin, wanted, await bodies.json_object(request))
    await _save(twin, replace(queue, consumers=[made]))
    return success(made)


@routes.delete(_CONSUMERS + "/{consumer}")
async def leave(request: web.Request) -> web.Response:
    """Let a consumer go."""
    twin, queue = twin_of(request), _find(request)
    _known(queue, request.match_info["consumer"])
    await _save(twin, replace(queue, consumers=[]))
    return success(None)


async def serve(twin: Twin) -> None:
    """Let the edge deliver messages as the records have it."""
    queue_pulls.keep(twin)
    await twin.edge.consume(
        {
            queue.name: _delivery(queue.consumers[0])
            for queue in twin.store.all(Queue)
            if queue.consumers and not queue.settings.get("delivery_paused")
        }
    )


async def forget(twin: Twin, worker: str) -> None:
    """Let a Worker that is deleted consume nothing."""
    for queue in twin.store.all(Queue):
        if any(one.get("script") == worker for one in queue.consumers):
            await _save(twin, replace(queue, consumers=[]))


async def _save(twin: Twin, queue: Queue) -> None:
    twin.store.save(queue)
    await serve(twin)


def _delivery(consumer: dict[str, Any]) -> Consumer:
    given = consumer["settings"]
    settings = {_NAMES[name]: value for name, value in given.items() if value and name in _NAMES}
    seconds = {"maxBatchTimeout": (given.get("max_wait_time_ms") or 0) / 1000}
    dead = consumer.get("dead_letter_queue")
    return Consumer(
        consumer.get("script", ""), settings | seconds | ({"deadLetterQueue": dead} if dead else {})
    )


async def _send(request: web.Request, listed: list[Any]) -> web.Response:
    """Send messages; what is too large or too many has codes of its own (Queues, "Error codes")."""
    twin, queue = twin_of(request), _find(request, missing=refusals.queue_of_messages_not_found)
    if not 1 <= len(listed) <= MAXIMUM_BATCH:
        raise Refusal(400, 10206, f"a batch has 1 to {MAXIMUM_BATCH} messages")
    messages = [_message(bodies.checked(one, dict, "a message")) for one in listed]
    if sum(len(message["body"]) * 3 // 4 for message in messages) > MAXIMUM_BATCH_BYTES:
        raise Refusal(413, 10205, f"a batch has {MAXIMUM_BATCH_BYTES} bytes at most")
    body = json.dumps({"messages": messages}).encode()
    question = Question("queues", {"queue": queue.name}, "POST", "/batch", body)
    answer = await twin.edge.ask(question)
    if answer.status >= 400:
        raise Refusal(answer.status, 10250, answer.body.decode("utf-8", "replace"))
    return success(None)


def _message(given: dict[str, Any]) -> dict[str, Any]:
    body = given.get("body")
    kind = bodies.optional(given, "content_type", "text" if isinstance(body, str) else "json")
    text = body if kind == "text" and isinstance(body, str) else json.dumps(body)
    if kind not in _CONTENTS:
        raise Refusal(400, 10203, f"content_type is one of {', '.join(_CONTENTS)}")
    if given.get("delay_seconds", 0) not in _ALLOWED["delivery_delay"]:
        raise Refusal(400, 10203, f"delay_seconds is from 0 to {_DAY}")
    if len(text.encode()) > MAXIMUM_MESSAGE_BYTES:
        raise Refusal(413, 10204, f"a message has {MAXIMUM_MESSAGE_BYTES} bytes at most")
    delay = {"delaySecs": given["delay_seconds"]} if "delay_seconds" in given else {}
    return {"body": base64.b64encode(text.encode()).decode(), "contentType": kind, **delay}


def _consumer(twin: Twin, identifier: str, body: dict[str, Any]) -> dict[str, Any]:
    kind = bodies.required(body, "type", str)
    if kind not in ("worker", queue_pulls.KIND):
        raise refusals.body_invalid(f"a consumer's type is worker or {queue_pulls.KIND}")
    script = bodies.required(body, "script_name", str) if kind == "worker" else ""
    if script:
        twin.store.require(Worker, script, refusals.worker_not_found)
    dead = bodies.optional(body, "dead_letter_queue", "")
    settings = _sound(bodies.optional(body, "settings", dict[str, Any]()), _CONSUMED)
    if dead and all(queue.name != dead for queue in twin.store.all(Queue)):
        _made(twin, dead, {})  # as at Cloudflare, it need not be there
    return {
        "consumer_id": identifier,
        "type": kind,
        **({"script": script} if script else {}),
        "settings": (_DEFAULTS if script else {}) | settings,
        **({"dead_letter_queue": dead} if dead else {}),
    }


def _find(request: web.Request, missing: Callable[[], Refusal] = refusals.queue_not_found) -> Queue:
    return twin_of(request).store.require(Queue, request.match_info["queue"], missing)


def _made(twin: Twin, name: str, settings: dict[str, Any]) -> Queue:
    queue = Queue(uuid.uuid4().hex, name, twin.clock.now(), settings=settings)
    twin.store.save(queue)
    return queue


def _sound(settings: dict[str, Any], allowed: Mapping[str, range]) -> dict[str, Any]:
    """Return settings; refuse one that is out of its range."""
    for name, values in allowed.items():
        bodies.require_within(settings, name, values)
    return settings


def _known(queue: Queue, identifier: str) -> dict[str, Any]:
    for consumer in queue.consumers:
        if consumer["consumer_id"] == identifier:
            return consumer
    raise refusals.consumer_not_found()


def _producers(twin: Twin, queue: Queue) -> list[dict[str, str]]:
    """Return the Workers whose latest version may send to a queue."""
    workers = (worker.name for worker in twin.store.all(Worker))
    latest = ((name, twin.store.last(Version, name)) for name in workers)
    wanted = ("queue", queue.name)
    return [
        {"type": "worker", "script": name}
        for name, version in latest
        if version is not None
        and any((one["type"], one.get("queue_name")) == wanted for one in version.bindings)
    ]


def _told(twin: Twin, queue: Queue) -> dict[str, Any]:
    producers = _producers(twin, queue)
    return {
        "queue_id": queue.id,
        "queue_name": queue.name,
        "created_on": queue.created_on,
        "modified_on": queue.created_on,
        "producers": producers,
        "producers_total_count": len(producers),
        "consumers": queue.consumers,
        "consumers_total_count": len(queue.consumers),
        "settings": _SETTINGS | queue.settings,
    }
