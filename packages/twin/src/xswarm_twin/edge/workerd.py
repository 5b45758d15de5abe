"""Processes of workerd: found, started with a configuration, and listened to."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xswarm_twin.edge import capnp
from xswarm_twin.edge.children import Child, Children, Command, StartFailed
from xswarm_twin.edge.configuration import CONTROL, Process, config, module_file, run_as
from xswarm_twin.edge.log import Log
from xswarm_twin.model import ClassMissing, ScriptInvalid
from xswarm_twin.programs import newest_date

STARTUP: Final = 3.0
"""Seconds of computing before code can answer. Cloudflare's limit is one, of its own machines: a
laptop that is busy takes up to three times as long, and must refuse nothing that starts there.
"""
_DEBUG = "debug-port"
"""How workerd calls the debug port when it tells of its sockets."""
_READ: Final = 0.02  # seconds
_MISSING_CLASS: Final = re.compile(r'the class "([^"]+)", but no such Durable Object class is exp')
_OUR_SERVICE: Final = re.compile(r"worker:[0-9a-f]{8}-[0-9a-f-]{27}")
_OUR_SERVICE_FIRST: Final = re.compile(r"^service worker:[0-9a-f-]{36}: ", re.MULTILINE)


@dataclass(frozen=True)
class Runner:
    """What every process of workerd is started by.

    Args:
        binary: the workerd program.
        children: starts processes.
    """

    binary: Path
    children: Children


async def serve(
    runner: Runner,
    process: Process,
    folder: Path,
    debug: Path,
    log: Log,
    *,
    judged: bool,
    options: Sequence[str] = (),
) -> Child:
    """Start the process of a Worker's versions and wait until it listens.

    Args:
        runner: starts it.
        process: what it serves.
        folder: an empty folder of this start.
        debug: the socket by which other processes reach it.
        log: takes its output.
        judged: refuse what Cloudflare refuses of an upload, and workerd only warns of.
        options: further arguments, of Python.

    Raises:
        ScriptInvalid: workerd refused a script; the text is what it said.
        ClassMissing: a class of Durable Objects is not exported.
    """
    newest = newest_date(runner.binary)
    told = config(process, newest)
    for version in process.versions:
        date = version.compatibility_date
        if run_as(date, newest) != date:
            log.line(f"compatibility date {date} runs as {newest}, this workerd's newest")
    write_modules(process, folder)
    if process.storage is not None:
        process.storage.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = (*(version.id for version in process.versions), CONTROL)
    limited = judged and not process.home.is_python  # Cloudflare starts Python once, at an upload
    cpu, patience = (STARTUP, 30.0) if limited else (math.inf, 120.0)
    child = await start(runner, told, folder, debug, names, log, cpu, options, patience)
    if judged and (missing := await _missing_class(child)):
        await child.stop()
        raise ClassMissing(missing)
    return child


async def start(
    runner: Runner,
    told: Mapping[str, object],
    folder: Path,
    debug: Path,
    sockets: Sequence[str],
    log: Log,
    cpu: float = math.inf,
    options: Sequence[str] = (),
    patience: float = 30.0,
) -> Child:
    """Start a process of workerd and wait until it listens.

    The configuration may have secrets: it is its owner's alone, and removed once workerd runs.

    Args:
        runner: starts it.
        told: its configuration.
        folder: where that is written.
        debug: the socket by which other processes reach it.
        sockets: the names of its sockets.
        log: takes its output.
        cpu: the most seconds of computing until it listens.
        options: further arguments.
        patience: seconds until a silent start counts as failed.

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
            *(f"--control-fd={control}", *options, str(path)),
        ),
        folder,
        sockets=(*sockets, _DEBUG),
        cpu=cpu,
    )
    try:
        return await runner.children.start(command, log.line, patience)
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


async def _missing_class(child: Child) -> str:
    """Return the class that workerd has warned of; it does so before it listens."""
    await asyncio.sleep(_READ)  # for what is in the pipe already
    found = (_MISSING_CLASS.search(line) for line in child.output)
    return next((match[1] for match in found if match), "")


def _reason(output: str, folder: Path) -> str:
    """Return what workerd said, without our paths and our names of its services."""
    said = output.replace(f"{folder}/", "")
    said = _OUR_SERVICE.sub("this Worker", _OUR_SERVICE_FIRST.sub("", said))
    return said.strip() or "workerd ended without a word"
