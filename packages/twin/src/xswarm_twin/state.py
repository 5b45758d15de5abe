"""What runs now: the supervisor's record, readable by scripts at any moment."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal

from xswarm_twin import files
from xswarm_twin.folder import Folder

Status = Literal["starting", "ready", "restarting", "failed", "ended"]
_STATUSES: Final = ("starting", "ready", "restarting", "failed", "ended")


@dataclass(frozen=True)
class Process:
    """One process of the twin.

    Args:
        name: also its log's.
        pid: 0 while there is none.
        started: when the system started it, seconds since 1970; tells a recycled pid.
        port: its first port.
        url: where it answers.
        log: the path of its log.
        status: starting, ready, restarting, failed or ended.
        restarts: how often it had to be started again.
        why: what was wrong with it last.
    """

    name: str
    pid: int
    started: float
    port: int
    url: str
    log: str
    status: Status
    restarts: int = 0
    why: str = ""


@dataclass(frozen=True)
class State:
    """One twin: its supervisor, what it serves, its processes; pid 0: it is down.

    ``code`` is which code of the twin's own it runs.
    """

    pid: int = 0
    started: float = 0.0
    instance: str = ""
    code: str = ""
    workers: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    ports: dict[str, int] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)
    processes: tuple[Process, ...] = ()

    @property
    def up(self) -> bool:
        """Return whether every part answers."""
        return bool(self.pid and self.processes) and all(
            process.status == "ready" for process in self.processes
        )


def write(folder: Folder, state: State) -> None:
    """Record a state, in one move."""
    files.write(folder.state, json.dumps(asdict(state), indent=1))


def read(folder: Folder) -> State:
    """Read the record; one that is torn, or that nobody here wrote, counts as none."""
    try:
        return _parse(files.read_object(folder.state))
    except (TypeError, ValueError):
        return State()


def _process(entry: dict[str, Any]) -> Process:
    """Return a process of the record; what another version of the twin adds is left out."""
    known = {each.name for each in fields(Process)}
    return Process(**{name: value for name, value in entry.items() if name in known})


def _parse(data: dict[str, Any]) -> State:
    known = {entry.name for entry in fields(State)}
    values = {name: value for name, value in data.items() if name in known}
    processes = tuple(_process(entry) for entry in values.pop("processes", []))
    if any(process.status not in _STATUSES for process in processes):
        raise ValueError("an unknown status")
    for name in ("workers", "pages", "parts"):
        values[name] = tuple(str(item) for item in values.get(name, []))
    values["ports"] = {str(name): int(port) for name, port in dict(data.get("ports", {})).items()}
    values["pid"] = int(data.get("pid", 0))
    values["started"] = float(data.get("started", 0.0))
    values["endpoints"] = {str(k): str(v) for k, v in dict(data.get("endpoints", {})).items()}
    return State(processes=processes, **values)
