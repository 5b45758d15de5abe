"""The local twin as commands see it: up, status, logs, down, reset."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from xswarm_twin import (
    code,
    credentials,
    endpoints,
    files,
    folder,
    install,
    log_files,
    ports,
    state,
    state_directory,
    supervision,
)
from xswarm_twin import (
    components as parts,
)
from xswarm_twin import processes as system
from xswarm_twin.errors import Refused, Unavailable
from xswarm_twin.folder import Folder
from xswarm_twin.log_files import new_lines
from xswarm_twin.state import Process, State

if TYPE_CHECKING:
    import psutil

Progress = Callable[[str, int, "int | None", str], None]
"""Called as (label, done, total or None, unit)."""

_LOG_PAUSE: Final = 0.1  # seconds between two looks at the logs
_PAUSE: Final = 0.05  # seconds between two looks at the state
_PATIENCE: Final = 15.0  # seconds the supervisor has to end everything by itself
_ROUNDS: Final = 3  # what was about to start when it was looked for is found by the next
_TAIL: Final = 6  # lines of a log shown when its process failed
_QUIET: Final = ("sqld",)  # its log holds SQL with data


@dataclass(frozen=True)
class TwinRequest:
    """What a twin is wanted for.

    Args:
        workers: names of Workers; the first is WORKER_URL.
        pages: names of Pages projects; the first is PAGES_URL.
        ports: pinned ports by name (see ``ports.SERVICES``, ``worker``, ``pages``); 0 is any.
        parts: which parts run; all but in tests.
    """

    workers: tuple[str, ...]
    pages: tuple[str, ...]
    ports: Mapping[str, int]
    parts: tuple[str, ...] = parts.NAMES


def silent(label: str, done: int, total: int | None, unit: str) -> None:
    """Show nothing."""


def up(
    root: Path,
    workers: Sequence[str],
    pages: Sequence[str],
    *,
    pinned: Mapping[str, int] | None = None,
    only: Sequence[str] = parts.NAMES,
    progress: Progress = silent,
) -> State:
    """Start the twin, or find it running; return when every part has answered.

    Args:
        root: the project's folder.
        workers: names of the Workers it serves.
        pages: names of the Pages projects it serves.
        pinned: ports that must be these, by name.
        only: the parts to run.
        progress: told of each part that is ready.

    Raises:
        Refused: a pinned port is taken, or the folder is not a twin's.
        Unavailable: a part did not start; its name, why and its log are told. Nothing is
            left running then, and neither after Ctrl-C.
    """
    install.ensure(progress)
    home, wish = (
        folder.of(root),
        TwinRequest(tuple(workers), tuple(pages), pinned or {}, tuple(only)),
    )
    state_directory.make(home)
    with _alone(home, progress):
        now = status(root)
        installed = code.stamp()
        if _serves(now, wish) and now.code == installed:
            return now
        if now.up and now.code != installed:
            progress("the twin runs other code than is installed: it starts anew", 0, None, "")
        before = state.read(home)
        _end(home, before)
        try:
            return _start(home, before, wish, progress, installed)
        except BaseException:
            _end(home, state.read(home))
            raise


def status(root: Path) -> State:
    """Return what runs, looked up now and not only read."""
    home = folder.of(root)
    recorded = state.read(home)
    alive = recorded.pid and system.identify(home, recorded.pid, recorded.started)
    if not alive:
        return replace(recorded, pid=0, processes=())
    return replace(
        recorded, processes=tuple(_seen(home, process) for process in recorded.processes)
    )


def down(root: Path, *, progress: Progress = silent) -> int:
    """End everything that belongs to the twin; return how many processes there were.

    Raises:
        Unavailable: a process does not end, even when killed.
    """
    home = folder.of(root)
    if not home.path.is_dir():
        return 0
    with _alone(home, progress):
        return _end(home, state.read(home))


def reset(root: Path, *, progress: Progress = silent) -> bool:
    """End the twin and delete all its state; return whether there was any.

    Raises:
        Refused: the folder is not a twin's.
    """
    home = folder.of(root)
    if not home.path.is_symlink() and not home.path.exists():
        return False
    state_directory.make(home)  # refuses what is not ours, before anything is touched
    with _alone(home, progress):
        _end(home, state.read(home))
        return state_directory.delete(home)


def logs(
    root: Path, name: str = "", *, lines: int = 40, follow: bool = False
) -> Iterator[tuple[str, str]]:
    """Return the last lines of the logs, and with ``follow`` those to come.

    Args:
        root: the project's folder.
        name: one process's; without one, every log's.
        lines: how many of each log.
        follow: go on until interrupted.

    Yields:
        the process's name, and a line.

    Raises:
        Refused: there is no such log.
    """
    known = log_names(root)
    if name and name not in known:
        raise Refused(
            f"there is no log {name!r}",
            f"there are {', '.join(known)}" if known else "the sandbox has not run yet",
            "xswarm-twin logs" if known else "xswarm-twin up",
        )
    with ExitStack() as open_logs:
        streams = {
            entry: open_logs.enter_context(_open(folder.of(root).log(entry)))
            for entry in ([name] if name else known)
        }
        for entry, stream in streams.items():
            before = stream.readlines()
            yield from ((entry, line.rstrip("\n")) for line in before[len(before) - lines :])
        while follow:
            new = [(e, line) for e, stream in streams.items() for line in new_lines(stream)]
            yield from new
            time.sleep(0 if new else _LOG_PAUSE)


def _open(log: Path) -> TextIO:
    return log.open(encoding="utf-8", errors="replace")


def log_names(root: Path) -> list[str]:
    """Name the logs there are."""
    return sorted(path.stem for path in folder.of(root).logs.glob("*.log"))


def summary(root: Path) -> dict[str, object]:
    """Return what scripts ask for: whether it is up, addresses, account, token, processes."""
    now, home = status(root), folder.of(root)
    keys = files.read_object(home.credentials)
    known = now.endpoints
    return {
        "up": now.up,
        "worker_url": known.get("WORKER_URL", ""),
        "pages_url": known.get("PAGES_URL", ""),
        "api_url": known.get("CLOUDFLARE_API_BASE_URL", ""),
        "account_id": known.get("CLOUDFLARE_ACCOUNT_ID", ""),
        "api_token": keys.get("CLOUDFLARE_API_TOKEN", ""),
        "database_url": known.get("TURSO_DATABASE_URL", ""),
        "processes": [
            {
                "name": process.name,
                "pid": process.pid,
                "port": process.port,
                "url": process.url,
                "log": process.log,
                "status": process.status,
            }
            for process in now.processes
        ],
    }


def _alone(home: Folder, progress: Progress) -> AbstractContextManager[None]:
    return state_directory.locked(
        home, lambda: progress("waiting for another sandbox command", 0, None, "")
    )


def _serves(now: State, wish: TwinRequest) -> bool:
    """Return whether what runs is what is wanted."""
    if not now.up or not set(wish.parts) <= set(now.parts):
        return False
    if now.workers[:1] != wish.workers[:1] or now.pages[:1] != wish.pages[:1]:
        return False
    served = set(wish.workers) <= set(now.workers) and set(wish.pages) <= set(now.pages)
    pinned = ports.pin(wish.ports, ports.names(now.workers, now.pages))
    return served and all(now.ports.get(name) == port for name, port in pinned.items())


def _start(
    home: Folder, before: State, wish: TwinRequest, progress: Progress, installed: str
) -> State:
    """Plan, write down, start the supervisor, wait for every part."""
    plan = replace(_plan(home, before, wish, progress), code=installed)
    files.write(home.endpoints, _variables(home, plan))
    state.write(home, plan)
    _spawn(home, plan.instance)
    return _wait(home, plan, progress)


def _plan(home: Folder, before: State, wish: TwinRequest, progress: Progress) -> State:
    wanted = ports.names(wish.workers, wish.pages)
    pinned = ports.pin(wish.ports, wanted)
    chosen = ports.choose(wanted, before.ports, pinned, str(home.path))
    for name, port in chosen.items():
        if name not in pinned and before.ports.get(name, port) != port:
            progress(f"port {before.ports[name]} ({name}) is taken, now {port}", 0, None, "")
    keys = credentials.load(home)
    return State(
        instance=secrets.token_hex(4),
        workers=wish.workers,
        pages=wish.pages,
        parts=wish.parts,
        ports={**before.ports, **chosen},
        endpoints=endpoints.public(chosen, keys, wish.workers, wish.pages),
    )


def _variables(home: Folder, plan: State) -> str:
    keys = credentials.load(home)
    return endpoints.render(plan.endpoints | endpoints.secret(plan.ports, keys))


def _spawn(home: Folder, instance: str) -> None:
    """Start the supervisor; it leaves this process and its terminal at once."""
    with log_files.open_log(home, "supervisor") as log:
        subprocess.run(
            [sys.executable, "-m", "xswarm_twin", str(home.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=system.environment(home, instance, "supervisor"),
            cwd=parts.CODE,
            check=True,
        )


def _wait(home: Folder, plan: State, progress: Progress) -> State:
    """Wait until every part is ready, telling of each; end when one failed."""
    told: set[str] = set()
    begun = time.monotonic()
    while time.monotonic() < begun + supervision.START_LIMIT + 10:
        now = state.read(home)
        for process in now.processes:
            if process.status == "ready" and process.name not in told:
                told.add(process.name)
                progress(f"{process.name} is ready", len(told), len(plan.parts), "parts")
            if process.status == "failed":
                raise _failed(home, process)
        if now.up:
            return now
        if not _is_supervised(home, now, plan):
            raise _supervisor_died(home)
        time.sleep(_PAUSE)
    raise Unavailable("the sandbox did not start in time", "", "xswarm-twin logs --name supervisor")


def _is_supervised(home: Folder, now: State, plan: State) -> bool:
    """Return whether the supervisor lives; to look through all processes takes long."""
    known = now.pid and now.instance == plan.instance
    if known and system.identify(home, now.pid, now.started):
        return True
    return bool(system.marked(home, plan.instance))


def _failed(home: Folder, process: Process) -> Unavailable:
    last = "" if process.name in _QUIET else _last_lines(home, process.name)
    return Unavailable(
        f"{process.name} did not start",
        f"{process.why}{last}",
        f"xswarm-twin logs --name {process.name}",
    )


def _supervisor_died(home: Folder) -> Unavailable:
    last = _last_lines(home, "supervisor")
    return Unavailable(
        "the sandbox's supervisor did not start",
        last.strip(),
        "xswarm-twin logs --name supervisor",
    )


def _last_lines(home: Folder, name: str) -> str:
    text = home.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
    return "".join(f"\n        {line}" for line in text[-_TAIL:])


def _end(home: Folder, recorded: State) -> int:
    """End the supervisor, which ends its parts; then whatever is left, until nothing is.

    Raises:
        Unavailable: a process does not end, even when killed.
    """
    with _undisturbed():
        found = _all(home, recorded)
        if found:
            system.end(system.marked(home, recorded.instance, "supervisor"), _PATIENCE)
        for _ in range(_ROUNDS):
            again = _all(home, recorded)
            if not found and not again:
                return 0
            system.end([*found, *again], _PATIENCE)
        left = _all(home, recorded)
        if left:
            raise Unavailable(
                "processes of the sandbox do not end",
                ", ".join(f"pid {process.pid}" for process in left),
                "xswarm-twin down",
            )
        if found:
            state.write(home, replace(recorded, pid=0, started=0.0, processes=()))
    return len(found)


def _all(home: Folder, recorded: State) -> list[psutil.Process]:
    """Find what bears the twin's mark, what its record names, and what these started."""
    known = [*system.recorded(home, recorded), *system.marked(home), *system.moved(home, recorded)]
    found = {process.pid: process for process in (*known, *system.below(known))}
    return list(found.values())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put Ctrl-C off until everything has ended; it counts then."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def _seen(home: Folder, process: Process) -> Process:
    """Report of a process what is so now."""
    if process.pid and not system.identify(home, process.pid, process.started):
        return replace(process, pid=0, status="ended")
    return process
