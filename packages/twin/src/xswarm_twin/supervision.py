"""The supervisor's own process: starts the parts, starts again what died, ends them all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from xswarm_twin import log_files, processes, readiness, state
from xswarm_twin.address import address
from xswarm_twin.components import CODE, Part
from xswarm_twin.folder import Folder
from xswarm_twin.guard import DONE
from xswarm_twin.state import Process, State

if TYPE_CHECKING:
    import psutil

START_LIMIT: Final = 60.0  # seconds a part has until it answers
_RESTARTS: Final = 5  # in
_WINDOW: Final = 60.0  # seconds; more than that, and the part is given up
_FIRST_PAUSE: Final = 0.1  # seconds before a restart; doubled each time
_LOOK: Final = 1.0  # seconds between two looks for the folder
_PATIENCE: Final = 10.0  # seconds a part has to end by itself
_EARLY_PATIENCE: Final = 1.0  # the same, before it was ready: sqld hangs when asked then


class Watch:
    """Run the parts of one twin until a signal says to end.

    Args:
        folder: the twin's.
        plan: the state as planned: names, ports and endpoints, no processes yet.
        parts: what to run.
    """

    def __init__(self, folder: Folder, plan: State, parts: list[Part]) -> None:
        self._folder, self._parts = folder, parts
        self._state = plan
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._ending = asyncio.Event()

    async def run(self) -> None:
        """Start everything, watch it, and end it all when told to."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._ending.set)
        guard = await self._start_guard()
        self._begin()
        watches = [asyncio.create_task(self._keep(part)) for part in self._parts]
        watches.append(asyncio.create_task(log_files.keep_short(self._folder)))
        watches.append(asyncio.create_task(self._end_with_the_folder()))
        await self._ending.wait()
        await self._end(watches)
        await guard.communicate(DONE)

    async def _end_with_the_folder(self) -> None:
        """End when the folder is moved or deleted: nobody would know of this twin any more."""
        while self._folder.path.is_dir():
            await asyncio.sleep(_LOOK)
        self._ending.set()

    async def _start_guard(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "xswarm_twin.guard"),
            *(str(self._folder.path), self._state.instance),
            stdin=asyncio.subprocess.PIPE,
            env=processes.environment(self._folder, "guard"),
            cwd=CODE,
            start_new_session=True,
        )

    def _begin(self) -> None:
        self._state = replace(
            self._state,
            pid=os.getpid(),
            started=processes.began(os.getpid()),
            processes=tuple(_planned(self._folder, part) for part in self._parts),
        )
        state.write(self._folder, self._state)

    async def _keep(self, part: Part) -> None:
        """Keep one part running, until it fails too often."""
        deaths: list[float] = []
        while True:
            why = await self._run_once(part)
            processes.end(processes.marked(self._folder, self._state.instance, part.name), 0.0)
            deaths = [moment for moment in deaths if moment > time.monotonic() - _WINDOW]
            first = self._record(part.name).status == "starting"
            if first or len(deaths) >= _RESTARTS:
                self._note(part.name, status="failed", pid=0, why=why)
                return
            deaths.append(time.monotonic())
            restarts = self._record(part.name).restarts + 1
            self._note(part.name, status="restarting", pid=0, why=why, restarts=restarts)
            _say(f"{part.name}: {why}; starting it again")
            await asyncio.sleep(_FIRST_PAUSE * 2 ** len(deaths))

    async def _run_once(self, part: Part) -> str:
        """Start a part, wait until it is ready, then until it ends; say why it ended."""
        try:
            process = await self._start(part)
        except OSError as error:
            return f"could not be started: {error}"
        exited = asyncio.create_task(process.wait())
        ready = asyncio.create_task(readiness.until_ready(part))
        try:
            await asyncio.wait(
                {exited, ready}, timeout=START_LIMIT, return_when=asyncio.FIRST_COMPLETED
            )
            if not exited.done() and not ready.done():
                await self._stop(part.name)
                return f"did not answer within {START_LIMIT:.0f} s"
            if not exited.done():
                self._note(part.name, status="ready")
            return f"ended with exit code {await exited}"
        finally:
            ready.cancel()
            exited.cancel()

    async def _start(self, part: Part) -> asyncio.subprocess.Process:
        with log_files.open_log(self._folder, part.name) as log:
            process = await asyncio.create_subprocess_exec(
                *part.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=processes.environment(self._folder, self._state.instance, part.name),
                cwd=CODE,
                start_new_session=True,
            )
        self._running[part.name] = process
        self._note(part.name, pid=process.pid, started=processes.began(process.pid))
        return process

    async def _end(self, watches: list[asyncio.Task[None]]) -> None:
        """End all parts at once, and write that nothing runs."""
        for task in watches:
            task.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await asyncio.gather(*(self._stop(name) for name in self._running))
        processes.end(self._children(), 0.0)
        self._state = replace(self._state, pid=0, started=0.0, processes=())
        if self._folder.path.is_dir():
            state.write(self._folder, self._state)

    async def _stop(self, name: str) -> None:
        """End one part: ask it, wait, then insist."""
        process = self._running[name]
        patience = _PATIENCE if self._record(name).status == "ready" else _EARLY_PATIENCE
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience)
        if process.returncode is None:
            _say(f"{name}: did not end within {patience:.0f} s; it is killed")
            process.kill()
        await process.wait()

    def _children(self) -> list[psutil.Process]:
        """Find what the parts started in turn and left behind."""
        found = (processes.marked(self._folder, self._state.instance, p.name) for p in self._parts)
        return [process for some in found for process in some]

    def _record(self, name: str) -> Process:
        return next(process for process in self._state.processes if process.name == name)

    def _note(self, name: str, **changes: object) -> None:
        changed = tuple(
            replace(process, **changes) if process.name == name else process  # type: ignore[arg-type]
            for process in self._state.processes
        )
        self._state = replace(self._state, processes=changed)
        state.write(self._folder, self._state)


def _planned(folder: Folder, part: Part) -> Process:
    return Process(
        name=part.name,
        pid=0,
        started=0.0,
        port=part.port,
        url=address(part.port),
        log=str(folder.log(part.name)),
        status="starting",
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
