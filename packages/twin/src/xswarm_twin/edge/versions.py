"""The versions of Workers that the edge knows, and their processes.

A version has a process of its own. Where the Worker has Durable Objects or Workflows, all versions
of its deployment are in one process instead: an object runs once, so it cannot be in two.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from xswarm_twin.edge import pyodide, python_host, workerd
from xswarm_twin.edge.assets import Site, worker_site
from xswarm_twin.edge.bytecode import Bytecode
from xswarm_twin.edge.children import SOCKETS, Child, Children
from xswarm_twin.edge.configuration import CONTROL, WORKFLOWS, Process, service_of
from xswarm_twin.edge.log import Log
from xswarm_twin.edge.runtime import Resting, Runtime, Serving
from xswarm_twin.edge.services import Access, Services
from xswarm_twin.edge.simulators import Simulators
from xswarm_twin.edge.workerd import Runner
from xswarm_twin.model import ScriptInvalid, WorkerVersion
from xswarm_twin.programs import find_workerd

_SHORT = 8
_UNDEPLOYED = 8
"""The most processes of versions that are not deployed; the one asked longest ago goes first."""
_DEPLOYABLE = 100
"""The newest versions of a Worker that can be deployed, as at Cloudflare."""
_SIMULATED = frozenset({"kv_namespace", "d1", "queue", "ratelimit"})


@dataclass(frozen=True)
class Group:
    """The versions of a deployment in one process, and the one that its objects run by."""

    versions: tuple[WorkerVersion, ...]
    home: WorkerVersion
    runtime: Runtime
    access: Access
    debug: Path


class Versions:
    """Start, keep and stop the processes of versions.

    Args:
        state: the twin's folder.
        children: starts processes.
        services: what processes may reach.
        drain: seconds that requests in flight are given.
        idle: seconds without a request after which an undeployed version's process is stopped.
    """

    def __init__(
        self, state: Path, children: Children, services: Services, drain: float, idle: float
    ) -> None:
        self._state = state
        self._children = children
        self._services = services
        self._drain, self._idle = drain, idle
        self._known: dict[str, WorkerVersion] = {}
        self._sites: dict[str, Site | None] = {}
        self._own: dict[str, Serving] = {}
        self._groups: dict[str, Group] = {}
        self._moving: dict[str, asyncio.Event] = {}
        self._workers: set[str] = set()
        self._judged: set[str] = set()
        self._held: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._runs = state / "edge" / "runs"
        self._bytecode = Bytecode(state / "edge" / "bytecode")
        self._sockets = _sockets(state / "edge" / "sockets")
        self.simulators = Simulators(state, self._sockets / "simulators", services)
        shutil.rmtree(self._runs, ignore_errors=True)

    def runner(self) -> Runner:
        """Return what processes of workerd are started by; raises Unavailable."""
        return Runner(find_workerd(self._state.absolute().parent), self._children)

    def workers(self) -> Set[str]:
        """Return the names of the Workers that have a known version."""
        return self._workers

    def know(self, version: WorkerVersion, site: Site | None = None) -> None:
        """Take note of a version, and of what has changed about its Worker.

        Args:
            version: the version.
            site: its static files, where they are none of the version's own.
        """
        if version.id not in self._known:
            self._sites[version.id] = site or worker_site(version)
            self._workers.add(version.worker)
        self._known[version.id] = version
        self._forget_old(version.worker)

    def _forget_old(self, worker: str) -> None:
        """Forget the versions that Cloudflare deploys no more, but for those that are in use."""
        known = [version for version in self._known.values() if version.worker == worker]
        group = self._groups.get(worker)
        used = {*self._own, *self._held, *(one.id for one in (group.versions if group else ()))}
        for version in sorted(known, key=lambda version: version.number)[:-_DEPLOYABLE]:
            if version.id not in used:
                del self._known[version.id], self._sites[version.id]

    def find(self, worker: str, beginning: str) -> WorkerVersion | None:
        """Return the Worker's version whose preview host begins so.

        One with Durable Objects has none, as at Cloudflare. Its Workflows run where the Worker is
        deployed: an instance runs once.
        """
        known = (version for version in self._known.values() if version.worker == worker)
        found = next((version for version in known if version.id.startswith(beginning)), None)
        return None if found is None or found.objects else replace(found, workflows=())

    def site(self, version: WorkerVersion) -> Site | None:
        """Return a version's static files, if it has any."""
        return self._sites[version.id]

    async def judge(self, version: WorkerVersion) -> None:
        """Start an upload, as strictly as Cloudflare does; raises ScriptInvalid, ClassMissing."""
        self._judged.add(version.id)
        try:
            await self.start(version)
        finally:
            self._judged.discard(version.id)

    async def start(self, version: WorkerVersion) -> None:
        """Make a version's process run, or try whether it does where its place is in a group.

        Raises:
            ScriptInvalid: it does not start.
        """
        self.know(version)
        if version.main_module is None:
            return
        if version.is_stateful:
            await self._try(version)
            return
        serving = self.serving(version)
        try:
            await serving.runtime.ready(serving.socket)
        except Resting as failure:
            raise ScriptInvalid(str(failure)) from None
        except ScriptInvalid:
            self._stop(version.id)
            raise

    async def move(self, split: Mapping[WorkerVersion, float]) -> None:
        """Let a deployment's versions be one process; requests wait until it is ready.

        Raises:
            ScriptInvalid: it does not start; the one before serves again.
        """
        versions = tuple(sorted(split, key=lambda version: version.number))
        home = max(versions, key=lambda version: (split[version], -version.number))
        before = self._groups.get(home.worker)
        if before is not None and (before.versions, before.home) == (versions, home):
            return
        moving = self._moving[home.worker] = asyncio.Event()
        try:
            await self._replace(before, versions, home)
        finally:
            moving.set()
            self._moving.pop(home.worker)

    async def settled(self, worker: str) -> None:
        """Wait while a Worker's process is being replaced."""
        while worker in self._moving:
            await self._moving[worker].wait()

    def serving(self, version: WorkerVersion) -> Serving:
        """Return who serves a version; its process is started on first need."""
        if version.is_stateful:
            return self._in_group(version)
        if version.id not in self._own:
            self._own[version.id] = self._new_serving(version)
        if version.id not in self._held:
            self._watch(version.id)
            self._make_room(version.id)
        return self._own[version.id]

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
            if version.id in self._own and version.id not in self._tasks:
                self._later(version.id, self._retire(version.id))

    async def forget(self, worker: str) -> None:
        """Stop and forget all versions of a Worker, and delete its objects."""
        gone = [version for version in self._known.values() if version.worker == worker]
        self._workers.discard(worker)
        for version in gone:
            del self._known[version.id], self._sites[version.id]
            self._held.discard(version.id)
            if version.id in self._own:
                await self._own[version.id].runtime.drained(within=self._drain)
                self._stop(version.id)
        group = self._groups.pop(worker, None)
        if group is not None:
            await group.runtime.drained(within=self._drain)
            await group.runtime.stop()
        shutil.rmtree(self._storage(worker), ignore_errors=True)

    def instances(self, worker: str, workflow: str) -> list[str]:
        """Return the ids of a Workflow's instances, by the alarms that workerd keeps of them."""
        file = self._storage(worker) / f"{WORKFLOWS}{workflow}" / "metadata.sqlite"
        if not file.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT actor_name FROM _cf_ALARM ORDER BY actor_name")
            return [str(name) for (name,) in rows if name]

    async def close(self) -> None:
        """End every process."""
        for version_id in list(self._own):
            self._stop(version_id)
        await asyncio.gather(
            *self._ending,
            *(group.runtime.stop() for group in self._groups.values()),
            self.simulators.close(),
        )
        await self._children.close()
        shutil.rmtree(self._runs, ignore_errors=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    async def _replace(
        self, before: Group | None, versions: tuple[WorkerVersion, ...], home: WorkerVersion
    ) -> None:
        """End a group's process before the next one begins: each object runs once."""
        if before is not None:
            await before.runtime.drained(within=self._drain)
            await before.runtime.stop()
        group = self._new_group(versions, home)
        try:
            await group.runtime.ready(CONTROL)
        except ScriptInvalid:
            await group.runtime.stop()
            if before is not None:
                self._groups[home.worker] = self._new_group(before.versions, before.home)
            raise
        self._groups[home.worker] = group
        for version in versions:
            self._stop(version.id)  # of the time before the Worker had objects

    async def _try(self, version: WorkerVersion) -> None:
        """Start a version by itself, with objects of its own, to see whether it does."""
        scratch = self._folder(version)
        group = self._new_group((version,), version, scratch)
        try:
            await group.runtime.ready(CONTROL)
        finally:
            await group.runtime.stop()
            shutil.rmtree(scratch, ignore_errors=True)

    def _in_group(self, version: WorkerVersion) -> Serving:
        group = self._groups[version.worker]
        there = version if version.id in {one.id for one in group.versions} else group.home
        return Serving(
            group.runtime,
            there.id,
            group.access.token,
            service_of(there),
            service_of(group.home),
            group.debug,
        )

    def _storage(self, worker: str) -> Path:
        return self._state / "durable" / worker

    def _new_group(
        self,
        versions: tuple[WorkerVersion, ...],
        home: WorkerVersion,
        scratch: Path | None = None,
    ) -> Group:
        debug = self._sockets / secrets.token_hex(8)
        access = self._grant(versions)
        storage = self._storage(home.worker) if scratch is None else scratch
        runtime = self._workerd(versions, home, access, debug, storage)
        return Group(versions, home, runtime, access, debug)

    def _new_serving(self, version: WorkerVersion) -> Serving:
        debug = self._sockets / secrets.token_hex(8)
        access = self._grant((version,))
        if python_host.serves(version):
            return Serving(self._python(version, access), SOCKETS[0], access.token)
        runtime = self._workerd((version,), version, access, debug, None)
        service = service_of(version)
        return Serving(runtime, version.id, access.token, service, service, debug)

    def _grant(self, versions: Sequence[WorkerVersion]) -> Access:
        """Let a process reach the buckets and files of its versions."""
        buckets = {
            str(binding["bucket_name"])
            for version in versions
            for binding in version.bindings
            if binding["type"] == "r2_bucket"
        }
        sites = {version.id: self._sites[version.id] for version in versions}
        return self._services.grant(
            frozenset(buckets), {id_: site for id_, site in sites.items() if site is not None}
        )

    def _workerd(
        self,
        versions: Sequence[WorkerVersion],
        home: WorkerVersion,
        access: Access,
        debug: Path,
        storage: Path | None,
    ) -> Runtime:
        folder = self._folder(home)
        process = Process(versions, home, access, self.simulators.address, storage)

        async def start() -> Child:
            _empty(folder)
            runner = self.runner()
            if any(binding["type"] in _SIMULATED for binding in process.bindings):
                await self.simulators.ready(runner)
            python = any(version.is_python for version in versions)
            options = await pyodide.options(runner) if python else ()
            judged, log = home.id in self._judged, self._log(home)
            return await workerd.serve(
                runner, process, folder, debug, log, judged=judged, options=options
            )

        return Runtime(start, lambda: self._clean(access, folder, debug))

    def _python(self, version: WorkerVersion, access: Access) -> Runtime:
        folder = self._folder(version)

        async def start() -> Child:
            _empty(folder)
            return await python_host.start(
                version,
                folder,
                bytecode=self._bytecode,
                access=access,
                children=self._children,
                log=self._log(version),
            )

        return Runtime(start, lambda: self._clean(access, folder))

    def _folder(self, version: WorkerVersion) -> Path:
        return self._runs / f"{version.id}-{secrets.token_hex(4)}"

    def _log(self, version: WorkerVersion) -> Log:
        return Log(self._state / "logs" / f"worker-{version.worker}.log", version.id[:_SHORT])

    def _clean(self, access: Access, folder: Path, debug: Path | None = None) -> None:
        """Take away what a process was given."""
        self._services.revoke(access)
        shutil.rmtree(folder, ignore_errors=True)
        if debug is not None:
            debug.unlink(missing_ok=True)

    def _watch(self, version_id: str) -> None:
        """Stop an undeployed version's process once nobody asks it any more."""
        if version_id not in self._tasks:
            self._later(version_id, self._stop_idle(version_id))

    def _make_room(self, newest: str) -> None:
        """End the processes of undeployed versions that are too many; none that is answering."""
        others = [
            (serving.runtime.last_used, version_id)
            for version_id, serving in self._own.items()
            if version_id not in self._held
            and version_id != newest
            and not serving.runtime.in_flight
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
        runtime = self._own[version_id].runtime
        await runtime.drained(within=self._drain)
        if not runtime.in_flight:
            await self._until_idle(runtime)
        self._tasks.pop(version_id)
        self._stop(version_id)

    async def _stop_idle(self, version_id: str) -> None:
        await self._until_idle(self._own[version_id].runtime)
        self._tasks.pop(version_id)
        self._stop(version_id)

    async def _until_idle(self, runtime: Runtime) -> None:
        while (left := runtime.last_used + self._idle - time.monotonic()) > 0 or runtime.in_flight:
            await asyncio.sleep(max(left, 0.1))

    def _stop(self, version_id: str) -> None:
        """Take a process away at once, and let it end in its own time."""
        self._cancel(version_id)
        serving = self._own.pop(version_id, None)
        if serving is not None:
            ending = asyncio.create_task(serving.runtime.stop())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)


def _empty(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, mode=0o700)


def _sockets(kept: Path) -> Path:
    """Return a new folder for sockets, whose paths must be short; the one of before is deleted.

    Args:
        kept: the file that says where it is.
    """
    prefix = str(Path(tempfile.gettempdir()) / "twin-")
    if kept.is_file() and (before := kept.read_text()).startswith(prefix):
        shutil.rmtree(before, ignore_errors=True)
    made = tempfile.mkdtemp(prefix=prefix)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(made)
    return Path(made)
