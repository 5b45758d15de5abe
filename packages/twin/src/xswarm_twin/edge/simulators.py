"""The process of what all Workers share: KV, D1, queues, rate limits, by workerd's own simulators.

It is started on first need. Its data is on disk; what each part is told stands at the head of its
code, which comes with workerd. A queue's consumers are part of the configuration: to change them
the process is started anew, once it has answered what it was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from yarl import URL

from xswarm_twin.edge import workerd
from xswarm_twin.edge.bound import remote
from xswarm_twin.edge.children import Child
from xswarm_twin.edge.configuration import (
    CONTROL,
    bundled_worker,
    control,
    external,
    own_worker,
    remotes,
    socket,
)
from xswarm_twin.edge.log import Log
from xswarm_twin.edge.services import RESOURCE_HEADER, TOKEN_HEADER, Access, Services
from xswarm_twin.edge.workerd import Runner
from xswarm_twin.errors import Unavailable

LOG: Final = "simulators.log"
_PULLED: Final = {"maxBatchSize": 100, "maxBatchTimeout": 0, "maxRetries": 100}
"""How messages that are pulled go to the edge: at once, and again should it not take them."""
_STORED: Final = {"durableObjectStorage": {"localDisk": "objects"}}


@dataclass(frozen=True)
class Consumer:
    """Who takes a queue's messages, and how; the settings are those of workerd's queues.js.

    Without a Worker they are pulled over HTTP: the edge takes them.
    """

    worker: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """A request to a simulator: to which, of what (``props``), and the request itself."""

    service: str
    props: Mapping[str, str]
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a simulator answers."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class Simulators:
    """Start, ask and stop the process.

    Args:
        state: the twin's folder; the data is in ``simulators/`` of it.
        debug: the socket by which the Workers' processes reach it.
        services: what the process may ask of the edge.
    """

    def __init__(self, state: Path, debug: Path, services: Services) -> None:
        self._folder = state / "simulators"
        self._debug = debug
        self._services = services
        self._log = Log(state / "logs" / LOG)
        self._consumers: dict[str, Consumer] = {}
        self._child: Child | None = None
        self._access: Access | None = None
        self._lock = asyncio.Lock()

    @property
    def address(self) -> str:
        """Return where the Workers' processes reach it; it stays."""
        return f"unix:{self._debug}"

    async def ready(self, runner: Runner) -> Child:
        """Return the running process, started where needed.

        Raises:
            ScriptInvalid: it does not start.
        """
        async with self._lock:
            if self._child is None or not self._child.running:
                self._child = await self._start(runner)
            return self._child

    def are_consumed_so(self, consumers: Mapping[str, Consumer]) -> bool:
        """Return whether queues have these consumers already; no process is needed then."""
        return dict(consumers) == self._consumers

    async def consume(self, runner: Runner, consumers: Mapping[str, Consumer]) -> None:
        """Let queues be consumed so, and by nobody else."""
        async with self._lock:
            if self.are_consumed_so(consumers):
                return
            self._consumers = dict(consumers)
            child, self._child = self._child, None
            if child is not None:
                await child.stop()
            if child is not None or consumers:
                self._child = await self._start(runner)
        for queue in consumers:  # messages that came before its consumer did
            await self.ask(runner, Question("queues", {"queue": queue}, "GET", "/metrics"))

    async def purge(self, runner: Runner, queue: str) -> None:
        """Delete all messages of a queue, in the files of its shards; the process stands still."""
        async with self._lock:
            child, self._child = self._child, None
            if child is not None:
                await child.stop()
            for file in (self._folder / "objects" / "queues").glob("*.sqlite"):
                if file.name != "metadata.sqlite":
                    await asyncio.to_thread(_empty, file, queue)
            if child is not None:
                self._child = await self._start(runner)

    async def ask(self, runner: Runner, question: Question) -> Answer:
        """Send a request to one of the simulators."""
        child = await self.ready(runner)
        if self._access is None:
            raise Unavailable("the simulators do not run")
        meant = {"service": question.service, "props": dict(question.props)}
        headers = {
            **question.headers,
            TOKEN_HEADER: self._access.token,
            RESOURCE_HEADER: json.dumps(meant),
        }
        url = URL(f"http://127.0.0.1:{child.ports[CONTROL]}{question.path}", encoded=True)
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(question.method, url, data=question.body, headers=headers) as answer,
        ):
            return Answer(answer.status, answer.reason or "", answer.headers, await answer.read())

    async def close(self) -> None:
        """End the process."""
        async with self._lock:
            if self._child is not None:
                await self._child.stop()

    async def _start(self, runner: Runner) -> Child:
        for name in ("objects", "blobs"):
            (self._folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._access is None:
            self._access = self._services.grant()
        told = self._config(self._access)
        return await workerd.start(runner, told, self._folder, self._debug, (CONTROL,), self._log)

    def _config(self, access: Access) -> dict[str, object]:
        services = [
            control(access.token),
            *remotes(access),
            own_worker("limits", "limits.js"),
            external("messages", access, "/messages"),
            own_worker("pull", "pull.js", {"name": "EDGE", "service": "messages"}),
            bundled_worker(
                "kv",
                {"name": "SHARD", "durableObjectNamespace": {"className": "KVNamespace"}},
                {"name": "BLOBS", "service": "blobs"},
                **_objects("KVNamespace", "kv"),
            ),
            bundled_worker(
                "d1",
                {"name": "DATABASE", "durableObjectNamespace": {"className": "D1Database"}},
                **_objects("D1Database", "d1"),
            ),
            self._queues(),
            *(self._disk(name) for name in ("objects", "blobs")),
        ]
        return {"services": services, "sockets": [socket(CONTROL, CONTROL)]}

    def _queues(self) -> dict[str, object]:
        told = {
            queue: {
                "consumer": f"consumer:{queue}",
                **(consumer.settings if consumer.worker else _PULLED),
            }
            for queue, consumer in self._consumers.items()
        }
        consumers = [
            {"name": f"consumer:{queue}", "service": _consumer(consumer)}
            for queue, consumer in self._consumers.items()
        ]
        return bundled_worker(
            "queues",
            {"name": "SHARD", "durableObjectNamespace": {"className": "QueueShard"}},
            {"name": "CONSUMERS", "json": json.dumps(told)},
            *consumers,
            **_objects("QueueShard", "queues"),
        )

    def _disk(self, name: str) -> dict[str, object]:
        return {"name": name, "disk": {"path": str(self._folder / name), "writable": True}}


def _consumer(consumer: Consumer) -> Mapping[str, object]:
    return remote(worker=consumer.worker) if consumer.worker else {"name": "pull"}


def _empty(file: Path, queue: str) -> None:
    """Delete the messages of a queue where it is the one that a shard's file is of."""
    written = b'"' + bytes([len(queue)]) + queue.encode()  # a short text, as V8 serialises it
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
        if not {"_cf_KV", "messages"} <= tables:
            return  # of a shard that was never sent to
        told = database.execute("SELECT value FROM _cf_KV WHERE key = 'queue'").fetchone()
        if told is not None and bytes(told[0]).endswith(written):
            database.execute("DELETE FROM messages")


def _objects(class_name: str, key: str) -> dict[str, object]:
    namespace = {"className": class_name, "uniqueKey": key, "enableSql": True}
    return {"durableObjectNamespaces": [namespace], **_STORED}
