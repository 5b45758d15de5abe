"""Pyodide, by which workerd runs Python Workers: its bundle, and the memory it begins with.

workerd takes no other bundle than the one that Cloudflare serves, unless the flag
``python_workers_development`` is set: then ``pyodide_dev.capnp.bin`` of a folder, which is made
here of the npm package of the same Pyodide. Its memory once it runs (a snapshot) is kept, too: a
start from there takes a quarter of the time.

Sources: workerd's src/workerd/server/pyodide.c++ (name and place of a bundle),
src/workerd/jsg/modules.capnp (its form), src/pyodide/helpers.bzl (what of Emscripten's code gives
way to functions of workerd's own); Cap'n Proto, "Encoding Spec".
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xswarm_twin import programs
from xswarm_twin.edge import workerd
from xswarm_twin.edge.configuration import DATE, PYTHON
from xswarm_twin.edge.log import Log
from xswarm_twin.edge.workerd import Runner
from xswarm_twin.errors import Unavailable
from xswarm_twin.model import ScriptInvalid

_BUNDLE: Final = "pyodide_dev.capnp.bin"
_SNAPSHOT: Final = "snapshot.bin"
_GIVING_WAY: Final = (
    ("new WebAssembly.Module(", "newWasmModule("),
    ("WebAssembly.instantiate(", "wasmInstantiate("),
    ("Date.now", "monotonicDateNow"),
    ("crypto.getRandomValues(", "getRandomValues(Module,"),
    ("getMemory(", "Module.getMemoryPatched(Module,libName,"),
    (
        "function loadLibData(){",
        "function loadLibData(){const found=patchedLoadLibData(Module,libName,flags.rpath);"
        "return flags.loadAsync?Promise.resolve(found):found}function unused(){",
    ),
)
_IMPORTED: Final = (
    "addEventListener,getRandomValues,location,monotonicDateNow,newWasmModule,patchedLoadLibData,"
    "wasmInstantiate"
)
_FAILED: Final = "Python Workers cannot be served"
_SOURCE, _WASM, _DATA = range(3)
"""What the content of a module is."""
_PATIENCE: Final = 300.0  # seconds; a start from nothing computes for six to eight of them
_INTERNAL: Final = 2
"""A module that only workerd's own modules import."""
_FIRST: Final = """
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    pass
"""
"""The Worker whose start is kept; nothing of it is in a snapshot."""


async def options(runner: Runner) -> tuple[str, ...]:
    """Return the arguments by which workerd runs Python; the first call on a machine takes long.

    Raises:
        Unavailable: Pyodide is missing, or this workerd wants another one.
    """
    package = programs.pyodide()
    key = hashlib.sha256(f"{package}\0{runner.binary.resolve()}".encode()).hexdigest()[:16]
    folder = programs.SHARE / "pyodide" / key
    if not (folder / _SNAPSHOT).exists() or _is_older(folder, package, runner.binary):
        try:
            await _prepare(runner, package, folder)
        except OSError as error:
            raise Unavailable(_FAILED, str(error), f"make {folder.parent} writable") from error
    return (*_from(folder), "--python-load-snapshot", _SNAPSHOT)


def bundle(package: Path) -> bytes:
    """Return workerd's bundle of an npm package of Pyodide."""
    glue = (package / "pyodide.asm.mjs").read_text(encoding="utf-8")
    for theirs, workerds in _GIVING_WAY:
        if theirs not in glue:
            raise Unavailable(f"{package} is another Pyodide", f"it has no {theirs!r}")
        glue = glue.replace(theirs, workerds)
    imported = f'import {{{_IMPORTED}}} from "pyodide-internal:builtin_wrappers";\n'
    exported = "\nexport { _createPyodideModule };\n"
    wasm, library = package / "pyodide.asm.wasm", package / "python_stdlib.zip"
    return _message(
        (
            ("pyodide.asm", _SOURCE, (imported + glue + exported).encode()),
            ("pyodide.asm.wasm", _WASM, wasm.read_bytes()),
            ("python_stdlib.zip", _DATA, library.read_bytes()),
        )
    )


def _message(modules: Sequence[tuple[str, int, bytes]]) -> bytes:
    """Write a Bundle of modules.capnp, one segment: each module has a name, a kind and content."""
    width = 3  # words of a module: a word of numbers, two pointers
    place = 3 + width * len(modules)  # behind the root, its list and the list's head
    listed, contents = b"", b""
    for number, (name, kind, content) in enumerate(modules):
        at = 3 + width * number
        listed += struct.pack("<HHI", _INTERNAL, kind, 0)
        for pointer, raw in enumerate(
            (f"pyodideRuntime-internal:{name}".encode() + b"\0", content)
        ):
            offset = place + len(contents) // 8 - (at + 1 + pointer) - 1
            listed += struct.pack("<II", offset << 2 | 1, len(raw) << 3 | 2)
            contents += raw + bytes(-len(raw) % 8)
    head = struct.pack("<IHH", 0, 0, 1)
    head += struct.pack("<II", 1, width * len(modules) << 3 | 7)
    head += struct.pack("<IHH", len(modules) << 2, 1, 2)
    segment = head + listed + contents
    return struct.pack("<II", 0, len(segment) // 8) + segment


async def _prepare(runner: Runner, package: Path, folder: Path) -> None:
    """Make bundle and snapshot; another process may do the same at the same time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="making-"))
    try:
        (scratch / _BUNDLE).write_bytes(await asyncio.to_thread(bundle, package))
        await _start_once(runner, scratch)
        folder.mkdir(exist_ok=True)
        for name in (_BUNDLE, _SNAPSHOT):
            (scratch / name).replace(folder / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def _start_once(runner: Runner, folder: Path) -> None:
    """Let workerd start Python from nothing, and write the snapshot of it."""
    modules = [{"name": "first.py", "pythonModule": _FIRST}]
    flags = ("disable_python_external_sdk", *PYTHON)
    worker = {"modules": modules, "compatibilityDate": DATE, "compatibilityFlags": flags}
    socket = {"name": "http", "address": "127.0.0.1:0", "service": "first"}
    told = {"services": [{"name": "first", "worker": worker}], "sockets": [socket]}
    options = (*_from(folder), "--python-save-baseline-snapshot")
    debug, log = Path(tempfile.mktemp(prefix="twin-")), Log(folder / "log")  # noqa: S306 - a socket
    try:
        child = await workerd.start(
            runner, told, folder, debug, ("http",), log, options=options, patience=_PATIENCE
        )
    except ScriptInvalid as failure:
        raise Unavailable(
            _FAILED,
            f"{runner.binary} does not run the Pyodide of the twin: {str(failure)[-300:]}",
            programs.INSTALL,
        ) from None
    finally:
        debug.unlink(missing_ok=True)
    await child.stop()


def _from(folder: Path) -> tuple[str, ...]:
    return (
        *("--pyodide-bundle-disk-cache-dir", str(folder)),
        *("--python-snapshot-dir", str(folder)),
    )


def _is_older(folder: Path, *sources: Path) -> bool:
    """Return whether what was made is of before its sources were installed."""
    made = (folder / _SNAPSHOT).stat().st_mtime
    return any(source.stat().st_ctime > made for source in sources)
