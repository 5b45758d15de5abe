"""The queues that the Worker consumes: ``queues.consumers`` of its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy.bundling import resources
from xswarm_deploy.errors import Refused
from xswarm_deploy.frozen import frozen
from xswarm_deploy.model.step import Action
from xswarm_deploy.services.queues import Queue
from xswarm_deploy.steps.unversioned.resource import STEP, Transition, Value, covers

if TYPE_CHECKING:
    from xswarm_deploy.site import Site


@frozen
class Consumers:
    """Queues, each with how the Worker consumes it; None: it does not."""

    queues: Mapping[str, Mapping[str, object] | None]


def _told(after: Consumers) -> str:
    return ", ".join(
        name if options is not None else f"{name} no longer"
        for name, options in after.queues.items()
    )


ACTION: Final = Action(STEP, "consumers", Consumers, Consumers, Consumers, describe=_told)
_OPTIONS: Final = {
    "max_batch_size": "batch_size",
    "max_retries": "max_retries",
    "max_concurrency": "max_concurrency",
    "retry_delay": "retry_delay",
}
"""The file's names of a consumer's settings, and the API's."""


def resource(worker: str) -> str:
    """Return what is changed, in a person's words."""
    return f"queue consumers of {worker}"


def described(content: Mapping[str, Any], _worker: str) -> Value | None:
    """Return queue → how it is consumed; None where the file names none."""
    consumers = (content.get("queues") or {}).get("consumers") or ()
    return {str(one["queue"]): _options(one) for one in consumers} or None


def transition(site: Site, wanted: Value | None, formerly: Value | None) -> Transition | None:
    """Return what would change; a queue that is no longer named is left.

    Raises:
        Refused: there is no such queue, or another Worker consumes it.
    """
    earlier = formerly or {}
    asked = {**dict.fromkeys(earlier, None), **(wanted or {})}
    there = {name: _there(site, name, taken=asked[name] is not None) for name in asked}
    changed = {
        name: options
        for name, options in asked.items()
        if not _same(there[name], options) or (options and earlier.get(name, options) != options)
    }
    if not changed:
        return None
    return Transition(Consumers({name: there[name] for name in changed}), Consumers(changed))


def put(site: Site, value: Consumers, _other: Consumers) -> None:
    """Consume each queue in its way, or leave it."""
    for name, options in value.queues.items():
        queue = site.cloudflare.queues.find(name)
        if options is not None:
            site.cloudflare.queues.consume(queue or _missing(name), site.worker, options)
        elif queue is not None:
            site.cloudflare.queues.leave(queue, site.worker)


def holds(site: Site, value: Consumers, _other: Consumers) -> bool:
    """Read back whether it is so."""
    return all(
        _same(_there(site, name, taken=False), options) for name, options in value.queues.items()
    )


def _options(one: Mapping[str, Any]) -> Value:
    settings = {_OPTIONS[key]: one[key] for key in _OPTIONS if key in one}
    if "max_batch_timeout" in one:
        settings["max_wait_time_ms"] = 1000 * one["max_batch_timeout"]
    dead = {"dead_letter_queue": one["dead_letter_queue"]} if "dead_letter_queue" in one else {}
    return {**dead, "settings": settings}


def _there(site: Site, name: str, *, taken: bool) -> Value | None:
    """Return how the Worker consumes a queue; None: it does not.

    Args:
        site: the environment.
        name: the queue's.
        taken: whether it is to be consumed, so that it must be free, and exist or be made.
    """
    queue = site.cloudflare.queues.find(name)
    if queue is None:
        made = name in resources.produced(site.settings)  # by this release, before it is consumed
        return _missing(name) if taken and not made else None
    if taken:
        _require_free(site, queue)
    found = next((one for one in queue.consumers if one.worker == site.worker), None)
    return None if found is None else {"settings": {}, **found.options}


def _missing(name: str) -> Any:
    raise Refused(
        f"there is no queue {name}",
        "the wrangler configuration names it under queues.consumers",
        f"npx wrangler queues create {name}",
    )


def _require_free(site: Site, queue: Queue) -> None:
    others = [one.worker for one in queue.consumers if one.worker not in ("", site.worker)]
    if others:
        raise Refused(
            f"queue {queue.name} is consumed by {', '.join(others)}",
            "a queue has one Worker that consumes it",
            f"npx wrangler queues consumer worker remove {queue.name} {others[0]}",
        )


def _same(there: Value | None, wanted: Value | None) -> bool:
    if there is None or wanted is None:
        return there is None and wanted is None
    return covers(there, wanted) and ("dead_letter_queue" in wanted) == bool(
        there.get("dead_letter_queue")
    )
