"""Processes of workerd: found, started with a configuration, and listened to."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xswarm_twin.edge import capnp
from xswarm_twin.edge.children import Child, Children, Command, StartFailed
from xswarm_twin.edge.configuration import CONTROL, Process, config, module_file
from xswarm_twin.edge.log import Log
from xswarm_twin.model import ScriptInvalid

_DEBUG = "debug-port"
"""How workerd calls the debug port when it tells of its sockets."""


@dataclass(frozen=True)
class Runner:
    """What every process of workerd is started by.

    Args:
        binary: the workerd program.
        children: starts processes.
    """

    binary: Path
    children: Children


async def serve(runner: Runner, process: Process, folder: Path, debug: Path, log: Log) -> Child:
    """Start the process of a Worker's versions and wait until it listens.

    Args:
        runner: starts it.
        process: what it serves.
        folder: an empty folder of this start.
        debug: the socket by which other processes reach it.
        log: takes its output.

    Raises:
        ScriptInvalid: workerd refused a script; the text is what it said.
    """
    told = config(process)
    write_modules(process, folder)
    if process.storage is not None:
        process.storage.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = (*(version.id for version in process.versions), CONTROL)
    return await start(runner, told, folder, debug, names, log)


async def start(
    runner: Runner,
    told: Mapping[str, object],
    folder: Path,
    debug: Path,
    sockets: Sequence[str],
    log: Log,
) -> Child:
    """Start a process of workerd and wait until it listens.

    The configuration may have secrets: it is its owner's alone, and removed once workerd runs.

    Raises:
        ScriptInvalid: workerd refused the configuration; the text is what it said.
    """
    path = folder / "config.capnp"
    path.touch(mode=0o600)
    path.write_text(capnp.configuration(told))
    debug.unlink(missing_ok=True)
    command = Command(
        lambda control: (
            *(str(runner.binary), "serve", "--experimental", f"--debug-port=unix:{debug}"),
            *(f"--control-fd={control}", str(path)),
        ),
        folder,
        sockets=(*sockets, _DEBUG),
    )
    try:
        return await runner.children.start(command, log.line)
    except StartFailed as failure:
        raise ScriptInvalid(_reason(str(failure), folder)) from None
    finally:
        path.unlink()


def write_modules(process: Process, folder: Path) -> None:
    """Lay the modules' bytes where the configuration embeds them from."""
    (folder / "modules").mkdir()
    for index, version in enumerate(process.versions):
        for number, module in enumerate(version.modules):
            shutil.copyfile(module.path, folder / module_file(index, number))


def _reason(output: str, folder: Path) -> str:
    """Return what workerd said, without our paths."""
    return output.replace(f"{folder}/", "").strip() or "workerd ended without a word"
