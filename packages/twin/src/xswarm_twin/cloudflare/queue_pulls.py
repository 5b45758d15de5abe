"""Messages of queues that are pulled over HTTP: leased, acknowledged, tried again; and purged.

Reference: Cloudflare API, "Queues": "Pull", "Acknowledge + Retry", "Purge"; Queues, "Pull
consumers".
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from xswarm_twin.cloudflare import bodies, refusals
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import PulledMessage, Queue
from xswarm_twin.cloudflare.twin import Twin, twin_of
from xswarm_twin.edge.simulators import Question

KIND: Final = "http_pull"
_ONE: Final = "/accounts/{account}/queues/{queue}"
_LONGEST_LEASE: Final = 12 * 3600 * 1000  # milliseconds
_DAY: Final = 86_400  # seconds
_USUAL: Final = {"batch_size": 5, "visibility_timeout_ms": 30_000, "max_retries": 3}

routes = web.RouteTableDef()


@routes.post(_ONE + "/messages/pull")
async def pull(request: web.Request) -> web.Response:
    """Lease messages to who asks; one that is not acknowledged in time comes again."""
    twin, queue = twin_of(request), _find(request)
    consumer = _puller(queue)
    if consumer is None:
        raise refusals.queue_not_pulled(queue.name)
    raw = await request.read()
    body = bodies.checked(bodies.parsed(raw), dict, "the body") if raw else {}
    bodies.require_within(body, "batch_size", range(1, 101))
    bodies.require_within(body, "visibility_timeout_ms", range(1, _LONGEST_LEASE + 1))
    told = _USUAL | consumer["settings"] | {k: v for k, v in body.items() if v is not None}
    now = time.time()
    await _bury(twin, queue, consumer, now)
    waiting = twin.store.all(PulledMessage, queue.id)
    due = [one for one in waiting if one.visible <= now][: int(told["batch_size"])]
    until = now + told["visibility_timeout_ms"] / 1000
    leased = [
        replace(one, visible=until, attempts=one.attempts + 1, lease=uuid.uuid4().hex)
        for one in due
    ]
    twin.store.save(*leased)
    left = len(waiting) - len(leased)
    return success({"message_backlog_count": left, "messages": [_told(one) for one in leased]})


@routes.post(_ONE + "/messages/ack")
async def acknowledge(request: web.Request) -> web.Response:
    """Be done with leased messages, or let them come again."""
    twin, queue, body = twin_of(request), _find(request), await bodies.json_object(request)
    leases = {one.lease: one for one in twin.store.all(PulledMessage, queue.id) if one.lease}
    consumer = _puller(queue) or {"settings": {}}
    delay = consumer["settings"].get("retry_delay") or 0
    done, again, unknown = [], [], {}
    for lease, _ in _entries(body, "acks"):
        if lease in leases:
            done.append(leases[lease])
        else:
            unknown[lease] = "the lease has ended, or there was none"
    for lease, entry in _entries(body, "retries"):
        bodies.require_within(entry, "delay_seconds", range(_DAY + 1))
        if lease in leases:
            due = time.time() + (entry.get("delay_seconds") or delay)
            again.append(replace(leases[lease], visible=due, lease=""))
        else:
            unknown[lease] = "the lease has ended, or there was none"
    twin.store.remove(*done)
    twin.store.save(*again)
    counts = {"ackCount": len(done), "retryCount": len(again)}
    return success({**counts, "warnings": unknown})


@routes.post(_ONE + "/purge")
async def purge(request: web.Request) -> web.Response:
    """Delete all messages of a queue."""
    twin, queue, body = twin_of(request), _find(request), await bodies.json_object(request)
    if bodies.required(body, "delete_messages_permanently", bool) is not True:
        raise refusals.body_invalid("delete_messages_permanently is not true")
    twin.store.remove(*twin.store.all(PulledMessage, queue.id))
    await twin.edge.purge(queue.name)
    twin.store.save(replace(queue, purged_on=twin.clock.now()))
    return success(None)


@routes.get(_ONE + "/purge")
async def purged(request: web.Request) -> web.Response:
    """Return when a queue was purged last."""
    return success({"completed": "true", "started_at": _find(request).purged_on})


def keep(twin: Twin) -> None:
    """Keep from now on what the edge takes from queues that are pulled."""

    def take(name: str, messages: Sequence[Mapping[str, Any]]) -> None:
        for queue in twin.store.all(Queue):
            if queue.name == name:
                twin.store.save(*(_kept(queue, told) for told in messages))

    twin.edge.pulled = take


def _kept(queue: Queue, told: Mapping[str, Any]) -> PulledMessage:
    return PulledMessage(
        str(told["id"]), queue.id, str(told["body"]), str(told["kind"]), int(told["timestamp"])
    )


async def _bury(twin: Twin, queue: Queue, consumer: Mapping[str, Any], now: float) -> None:
    """Remove what was tried as often as it may be; it goes where dead letters go, if anywhere."""
    most = (_USUAL | consumer["settings"])["max_retries"] + 1
    spent = [
        one
        for one in twin.store.all(PulledMessage, queue.id)
        if one.attempts >= most and one.visible <= now
    ]
    dead = consumer.get("dead_letter_queue")
    for one in spent if dead else ():
        text = (
            base64.b64encode(one.body.encode()).decode() if one.content_type == "text" else one.body
        )
        messages = [{"body": text, "contentType": one.content_type}]
        body = json.dumps({"messages": messages}).encode()
        await twin.edge.ask(Question("queues", {"queue": str(dead)}, "POST", "/batch", body))
    twin.store.remove(*spent)


def _puller(queue: Queue) -> dict[str, Any] | None:
    return next((one for one in queue.consumers if one["type"] == KIND), None)


def _entries(body: Mapping[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    listed = bodies.optional(body, name, list[Any]())
    entries = [bodies.checked(one, dict, f"an entry of {name}") for one in listed]
    return [(bodies.required(one, "lease_id", str), one) for one in entries]


def _find(request: web.Request) -> Queue:
    wanted, missing = request.match_info["queue"], refusals.queue_not_found
    return twin_of(request).store.require(Queue, wanted, missing)


def _told(message: PulledMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "body": message.body,
        "timestamp_ms": message.timestamp,
        "attempts": message.attempts,
        "lease_id": message.lease,
        "metadata": {"CF-Content-Type": message.content_type},
    }
