"""Event notifications of R2: what changes in a bucket is sent to a queue, as the rules have it.

Reference: Cloudflare API, "R2 Event Notifications"; R2, "Event notifications", for the message.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import ClientError, web

from xswarm_twin.cloudflare import bodies, r2, refusals
from xswarm_twin.cloudflare.envelope import success
from xswarm_twin.cloudflare.records import BucketEvents, Queue
from xswarm_twin.cloudflare.twin import Twin, twin_of
from xswarm_twin.edge.simulators import Question
from xswarm_twin.errors import TwinError
from xswarm_twin.model import ScriptInvalid
from xswarm_twin.objects.records import Change

_ALL: Final = "/accounts/{account}/event_notifications/r2/{bucket}/configuration"
_ONE: Final = _ALL + "/queues/{queue}"
_ACTIONS: Final = frozenset(
    ("PutObject", "CopyObject", "DeleteObject", "CompleteMultipartUpload", "LifecycleDeletion")
)

_log = logging.getLogger(__name__)

routes = web.RouteTableDef()


@routes.get(_ALL)
async def index(request: web.Request) -> web.Response:
    """List the rules of a bucket, by queue."""
    twin, bucket = twin_of(request), r2.bucket_of(request)
    found = twin.store.all(BucketEvents, bucket)
    if not found:
        raise refusals.notifications_not_found()
    return success({"bucketName": bucket, "queues": [_told(twin, one) for one in found]})


@routes.get(_ONE)
async def show(request: web.Request) -> web.Response:
    """Return the rules of a bucket for one queue."""
    return success(_told(twin_of(request), _find(request)))


@routes.put(_ONE)
async def add(request: web.Request) -> web.Response:
    """Add rules."""
    twin, bucket = twin_of(request), r2.bucket_of(request)
    twin.store.require(Queue, request.match_info["queue"], refusals.queue_not_found)
    body = await bodies.json_object(request)
    now = twin.clock.now()
    made = [_rule(one, now) for one in bodies.required(body, "rules", list)]
    known = twin.store.find(BucketEvents, request.match_info["queue"], bucket)
    rules = [*(known.rules if known else ()), *made]
    twin.store.save(BucketEvents(bucket, request.match_info["queue"], rules))
    return success({})


@routes.delete(_ONE)
async def delete(request: web.Request) -> web.Response:
    """Remove the rules that are named, or all of a queue."""
    twin, found = twin_of(request), _find(request)
    named = (
        bodies.texts(await bodies.json_object(request), "ruleIds") if request.can_read_body else ()
    )
    kept = [rule for rule in found.rules if named and rule["ruleId"] not in named]
    if kept:
        twin.store.save(BucketEvents(found.bucket, found.queue, kept))
    else:
        twin.store.remove(found)
    return success({})


def watch(twin: Twin) -> None:
    """Send what changes in buckets from now on; changes may be made in any thread."""
    loop, under_way = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def begin(change: Change) -> None:
        for queue in _queues(twin, change):
            task = loop.create_task(_send(twin, queue, change))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    def tell(change: Change) -> None:
        loop.call_soon_threadsafe(begin, change)

    twin.objects.changed = tell


def _queues(twin: Twin, change: Change) -> list[Queue]:
    """Return the queues whose rules want a change."""
    wanted = (
        one.queue
        for one in twin.store.all(BucketEvents, change.bucket)
        if any(
            change.action in rule["actions"]
            and change.key.startswith(rule.get("prefix") or "")
            and change.key.endswith(rule.get("suffix") or "")
            for rule in one.rules
        )
    )
    found = (twin.store.find(Queue, queue) for queue in wanted)
    return [queue for queue in found if queue is not None]


async def _send(twin: Twin, queue: Queue, change: Change) -> None:
    """Send one message; whoever made the change has had an answer, so a failure is logged."""
    try:
        told = _of(twin, change)
        await twin.edge.ask(Question("queues", {"queue": queue.name}, "POST", "/batch", told))
    except (TwinError, ScriptInvalid, ClientError) as error:
        _log.error("queue %s was not told of %s: %s", queue.name, change.key, error)


def _of(twin: Twin, change: Change) -> bytes:
    """Return the message of a change, as the queues' simulator takes it."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"account": twin.account.id, "action": change.action, "bucket": change.bucket}
    held = {"size": change.size, "eTag": change.etag} if change.etag else {}
    text = json.dumps({**told, "object": {"key": change.key, **held}, "eventTime": now})
    message = {"body": base64.b64encode(text.encode()).decode(), "contentType": "json"}
    return json.dumps({"messages": [message]}).encode()


def _rule(given: Any, now: str) -> dict[str, Any]:
    rule = bodies.checked(given, dict, "a rule")
    actions = bodies.texts(rule, "actions")
    if not actions or not _ACTIONS.issuperset(actions):
        raise refusals.body_invalid(f"actions are some of {', '.join(sorted(_ACTIONS))}")
    told = {name: bodies.optional(rule, name, "") for name in ("prefix", "suffix", "description")}
    return {"ruleId": str(uuid.uuid4()), "createdAt": now, "actions": actions, **told}


def _find(request: web.Request) -> BucketEvents:
    wanted, missing = request.match_info["queue"], refusals.notifications_not_found
    return twin_of(request).store.require(BucketEvents, wanted, missing, r2.bucket_of(request))


def _told(twin: Twin, events: BucketEvents) -> dict[str, Any]:
    queue = twin.store.find(Queue, events.queue)
    name = queue.name if queue else ""
    return {"queueId": events.queue, "queueName": name, "rules": events.rules}
