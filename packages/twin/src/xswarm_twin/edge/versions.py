"""The versions of Workers that the edge knows, and their processes."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Coroutine, Iterable, Set
from pathlib import Path

from xswarm_twin.edge import python_host, workerd
from xswarm_twin.edge.assets import Site, worker_site
from xswarm_twin.edge.bindings import read_bindings
from xswarm_twin.edge.bytecode import Bytecode
from xswarm_twin.edge.children import Child, Children
from xswarm_twin.edge.log import Log
from xswarm_twin.edge.runtime import Resting, Runtime
from xswarm_twin.edge.services import Services
from xswarm_twin.model import ScriptInvalid, WorkerVersion

_SHORT = 8
_UNDEPLOYED = 8
"""The most processes of versions that are not deployed; the one asked longest ago goes first."""


class Versions:
    """Start, keep and stop the processes of versions.

    Args:
        state: the twin's folder.
        children: starts processes.
        services: what processes may reach.
        workerd_binary: the workerd program; by default of the ``node_modules`` beside ``state``.
        drain: seconds that requests in flight are given.
        idle: seconds without a request after which an undeployed version's process is stopped.
    """

    def __init__(
        self,
        state: Path,
        children: Children,
        services: Services,
        workerd_binary: Path | None,
        drain: float,
        idle: float,
    ) -> None:
        self._state = state
        self._children = children
        self._services = services
        self._workerd_binary = workerd_binary
        self._drain, self._idle = drain, idle
        self._known: dict[str, WorkerVersion] = {}
        self._sites: dict[str, Site | None] = {}
        self._runtimes: dict[str, Runtime] = {}
        self._workers: set[str] = set()
        self._held: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._runs = state / "edge" / "runs"
        self._bytecode = Bytecode(state / "edge" / "bytecode")
        shutil.rmtree(self._runs, ignore_errors=True)

    def workers(self) -> Set[str]:
        """Return the names of the Workers that have a known version."""
        return self._workers

    def know(self, version: WorkerVersion) -> None:
        """Take note of a version."""
        if version.id not in self._known:
            self._known[version.id] = version
            self._sites[version.id] = worker_site(version)
            self._workers.add(version.worker)

    def find(self, worker: str, beginning: str) -> WorkerVersion | None:
        """Return the Worker's version whose id begins so."""
        known = (version for version in self._known.values() if version.worker == worker)
        return next((version for version in known if version.id.startswith(beginning)), None)

    def site(self, version: WorkerVersion) -> Site | None:
        """Return a version's static files, if it has any."""
        return self._sites[version.id]

    async def start(self, version: WorkerVersion) -> None:
        """Make a version's process run; raises ScriptInvalid when it does not start."""
        self.know(version)
        if version.main_module is None:
            return
        try:
            await self.runtime(version).ready()
        except Resting as failure:
            raise ScriptInvalid(str(failure)) from None
        except ScriptInvalid:
            self._stop(version.id)
            raise

    def runtime(self, version: WorkerVersion) -> Runtime:
        """Return a version's runtime; its process is started on first need."""
        if version.id not in self._runtimes:
            self._runtimes[version.id] = self._new_runtime(version)
        if version.id not in self._held:
            self._watch(version.id)
            self._make_room(version.id)
        return self._runtimes[version.id]

    def hold(self, versions: Iterable[WorkerVersion]) -> None:
        """Keep the processes of versions running: they are deployed, or about to be."""
        for version in versions:
            self._held.add(version.id)
            self._cancel(version.id)

    def release(self, versions: Iterable[WorkerVersion]) -> None:
        """Let the processes of versions end: they are not deployed any more.

        One stays for a while, for a preview or a quick way back, unless a request that does not
        end is still on it.
        """
        for version in versions:
            self._held.discard(version.id)
            if version.id in self._runtimes and version.id not in self._tasks:
                self._later(version.id, self._retire(version.id))

    async def forget(self, worker: str) -> None:
        """Stop and forget all versions of a Worker."""
        gone = [version for version in self._known.values() if version.worker == worker]
        self._workers.discard(worker)
        for version in gone:
            self._known.pop(version.id)
            self._held.discard(version.id)
            if version.id in self._runtimes:
                await self._runtimes[version.id].drained(within=self._drain)
                self._stop(version.id)

    async def close(self) -> None:
        """End every process."""
        for version_id in list(self._runtimes):
            self._stop(version_id)
        await asyncio.gather(*self._ending)
        await self._children.close()
        shutil.rmtree(self._runs, ignore_errors=True)

    def _new_runtime(self, version: WorkerVersion) -> Runtime:
        folder = self._runs / f"{version.id}-{secrets.token_hex(4)}"
        bindings = read_bindings(version)
        access = self._services.grant(frozenset(bindings.buckets.values()), self._sites[version.id])

        async def start() -> Child:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, mode=0o700)
            log = Log(self._state / "logs" / f"worker-{version.worker}.log", version.id[:_SHORT])
            if version.is_python:
                return await python_host.start(
                    version,
                    folder,
                    bytecode=self._bytecode,
                    access=access,
                    children=self._children,
                    log=log,
                )
            return await workerd.start(
                version,
                folder,
                binary=self._workerd_binary or workerd.find_workerd(self._state.absolute().parent),
                access=access,
                children=self._children,
                log=log,
            )

        def clean() -> None:
            self._services.revoke(access)
            shutil.rmtree(folder, ignore_errors=True)

        return Runtime(start, clean)

    def _watch(self, version_id: str) -> None:
        """Stop an undeployed version's process once nobody asks it any more."""
        if version_id not in self._tasks:
            self._later(version_id, self._stop_idle(version_id))

    def _make_room(self, newest: str) -> None:
        """End the processes of undeployed versions that are too many; none that is answering."""
        others = [
            (runtime.last_used, version_id)
            for version_id, runtime in self._runtimes.items()
            if version_id not in self._held and version_id != newest and not runtime.in_flight
        ]
        for _, version_id in sorted(others)[: max(0, len(others) + 1 - _UNDEPLOYED)]:
            self._stop(version_id)

    def _later(self, version_id: str, work: Coroutine[None, None, None]) -> None:
        self._tasks[version_id] = asyncio.create_task(work)

    def _cancel(self, version_id: str) -> None:
        task = self._tasks.pop(version_id, None)
        if task is not None:
            task.cancel()

    async def _retire(self, version_id: str) -> None:
        runtime = self._runtimes[version_id]
        await runtime.drained(within=self._drain)
        if not runtime.in_flight:
            await self._until_idle(runtime)
        self._tasks.pop(version_id)
        self._stop(version_id)

    async def _stop_idle(self, version_id: str) -> None:
        await self._until_idle(self._runtimes[version_id])
        self._tasks.pop(version_id)
        self._stop(version_id)

    async def _until_idle(self, runtime: Runtime) -> None:
        while (left := runtime.last_used + self._idle - time.monotonic()) > 0 or runtime.in_flight:
            await asyncio.sleep(max(left, 0.1))

    def _stop(self, version_id: str) -> None:
        """Take a runtime away at once, and let its process end in its own time."""
        self._cancel(version_id)
        runtime = self._runtimes.pop(version_id, None)
        if runtime is not None:
            ending = asyncio.create_task(runtime.stop())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
