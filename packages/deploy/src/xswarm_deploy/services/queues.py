"""Cloudflare Queues: which Worker consumes a queue, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from xswarm_deploy.services.envelope import unwrap
from xswarm_deploy.services.errors import NotFound
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.settle import settled
from xswarm_deploy.services.shape import Wire


class _Consumer(Wire):
    consumer_id: str
    script_name: str | None = None
    script: str | None = None
    service: str | None = None
    dead_letter_queue: str | None = None
    settings: dict[str, object] | None = None


class _Queue(Wire):
    queue_id: str
    queue_name: str
    consumers: tuple[_Consumer, ...] | None = None


class Consumer(NamedTuple):
    """Who takes the messages of a queue.

    Args:
        id: the consumer's.
        worker: its name; empty: another kind of consumer.
        options: ``dead_letter_queue`` and ``settings``, as the API gives them.
    """

    id: str
    worker: str
    options: Mapping[str, Any]


class Queue(NamedTuple):
    """A queue, and its consumers."""

    id: str
    name: str
    consumers: tuple[Consumer, ...] = ()


class Queues:
    """The queues of an account.

    Args:
        http: the way to the API.
        account: the account's path, ``/accounts/{id}``.
    """

    def __init__(self, http: Http, account: str) -> None:
        self._http = http
        self._path = f"{account}/queues"

    def find(self, name: str) -> Queue | None:
        """Return the queue of that name with its consumers; None where there is none."""
        reply = self._http.get(self._path, query={"page": 1, "name": name})
        found = unwrap(reply, list[_Queue])
        return next((_queue(item) for item in found if item.queue_name == name), None)

    def create(self, name: str) -> None:
        """Create a queue."""
        settled(
            lambda: self._http.post(self._path, json={"queue_name": name}),
            lambda: self.find(name),
        )

    def consume(self, queue: Queue, worker: str, options: Mapping[str, Any]) -> None:
        """Let a Worker consume a queue in this way, whether it does already or not.

        Args:
            queue: as :meth:`find` returns it.
            worker: the Worker's name.
            options: ``dead_letter_queue`` and ``settings``.
        """
        body = {"type": "worker", "script_name": worker, **options}
        path = f"{self._path}/{quote(queue.id, safe='')}/consumers"
        own = next((one for one in queue.consumers if one.worker == worker), None)
        if own is None:
            settled(lambda: self._http.post(path, json=body), lambda: self._taken(queue, worker))
        else:
            self._http.put(f"{path}/{quote(own.id, safe='')}", json=body)

    def _taken(self, queue: Queue, worker: str) -> object:
        """Return something where a call whose reply was lost has been made."""
        found = self.find(queue.name)
        return next((one for one in (found or queue).consumers if one.worker == worker), None)

    def leave(self, queue: Queue, worker: str) -> None:
        """Let a Worker consume a queue no longer; one that does not is right as well."""
        for one in queue.consumers:
            if one.worker == worker:
                path = f"{self._path}/{quote(queue.id, safe='')}/consumers/{quote(one.id, safe='')}"
                try:
                    self._http.delete(path)
                except NotFound:
                    continue


def _queue(item: _Queue) -> Queue:
    consumers = tuple(_consumer(one) for one in item.consumers or ())
    return Queue(item.queue_id, item.queue_name, consumers)


def _consumer(item: _Consumer) -> Consumer:
    worker = item.script_name or item.script or item.service or ""
    told = {"dead_letter_queue": item.dead_letter_queue, "settings": item.settings}
    return Consumer(item.consumer_id, worker, {key: value for key, value in told.items() if value})
