"""A quick host of Python Workers: CPython and an ASGI server, which sees only what was uploaded.

It starts in a fifth of the time that Pyodide takes, and answers ten times as fast, but it is not
what Cloudflare runs: a Worker that needs what is not here is run by Pyodide in workerd instead, and
so is each where ``XSWARM_TWIN_PYTHON`` is ``pyodide``.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from xswarm_twin.edge.bound import version_metadata
from xswarm_twin.edge.bytecode import Bytecode
from xswarm_twin.edge.children import Child, Children, Command, StartFailed
from xswarm_twin.edge.log import Log
from xswarm_twin.edge.services import TAIL, Access
from xswarm_twin.errors import Unavailable
from xswarm_twin.model import Module, ScriptInvalid, WorkerVersion

VARIABLE = "XSWARM_TWIN_PYTHON"
PYTHON_FLAG = "python_workers"
VENDORED = "python_modules"
_PYODIDE = "wasm32-emscripten.so"
"""The end of the name of an extension that only Pyodide loads."""

_SOCKETS = re.compile(rb"\bWebSocket\w*|\bweb_socket\s*=|\.websocket\(|[\"']websocket[\"'.]")
"""How Python names WebSockets: the runtime's, the SDK's, those of ASGI and of frameworks."""
_HERE = Path(__file__).parent
_SERVER_PACKAGES = ("uvicorn", "h11", "click")
_TEXTS = ("plain_text", "secret_text")
_KNOWN = 1000  # versions
_SUFFICING: dict[str, bool] = {}
_OFFERED = frozenset((*_TEXTS, "json", "version_metadata", "r2_bucket", "assets"))


def serves(version: WorkerVersion) -> bool:
    """Return whether a version is served here: it needs nothing else, and nobody wants Pyodide."""
    wanted = version.is_python and PYTHON_FLAG in version.compatibility_flags
    return wanted and os.environ.get(VARIABLE) != "pyodide" and _suffices(version)


def _suffices(version: WorkerVersion) -> bool:
    """Return what :func:`_looked` says; of each version it is asked with every request.

    By the id: a cache of versions would keep each for the life of the process.
    """
    known = _SUFFICING.get(version.id)
    if known is None:
        if len(_SUFFICING) >= _KNOWN:
            _SUFFICING.clear()
        known = _SUFFICING[version.id] = _looked(version)
    return known


def _looked(version: WorkerVersion) -> bool:
    """Return whether a version needs no other bindings, compiled packages or WebSockets."""
    compiled = any(_PYODIDE in module.name for module in version.modules)
    own = (module.path for module in version.modules if not module.name.startswith(VENDORED))
    sources = (path.read_bytes() for path in own if path.suffix == ".py")
    offered = all(binding["type"] in _OFFERED for binding in version.bindings)
    return offered and not compiled and not any(map(_SOCKETS.search, sources))


async def start(
    version: WorkerVersion,
    folder: Path,
    *,
    bytecode: Bytecode,
    access: Access,
    children: Children,
    log: Log,
) -> Child:
    """Start a version's server and wait until it listens.

    Args:
        version: the version; its main module is Python.
        folder: an empty folder of this start.
        bytecode: what was compiled before.
        access: how the process reaches buckets and static files.
        children: starts the process.
        log: takes its output.

    Raises:
        ScriptInvalid: the main module is not imported; the text is the traceback.
    """
    await asyncio.to_thread(write_modules, version.modules, folder, bytecode)
    told = json.dumps(_told(version, access, folder))
    command = Command(_line, folder, told.encode())
    try:
        child = await children.start(command, log.line)
    except StartFailed as failure:
        raise ScriptInvalid(str(failure) or "the Worker ended without a word") from None
    await asyncio.to_thread(bytecode.gather, folder)
    return child


def write_modules(modules: Iterable[Module], folder: Path, bytecode: Bytecode) -> None:
    """Lay the modules out as a folder, with what was compiled of them before."""
    for module in modules:
        path = PurePosixPath(module.name)
        if path.is_absolute() or ".." in path.parts:
            raise ScriptInvalid(f"the module name {module.name} leaves the Worker's folder")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module.path, target)
        if target.suffix == ".py":
            bytecode.offer(target)


def server_paths() -> list[str]:
    """Return where the server's packages are; raises Unavailable."""
    found = {name: importlib.util.find_spec(name) for name in _SERVER_PACKAGES}
    missing = [name for name, spec in found.items() if spec is None]
    if missing:
        raise Unavailable(
            "the host of Python Workers is not installed",
            f"{', '.join(missing)} missing",
            "xswarm-twin up",
        )
    origins = (Path(str(spec.origin)) for spec in found.values() if spec is not None)
    return sorted({str(origin.parent.parent) for origin in origins})


def _line(control: int) -> tuple[str, ...]:
    """Return the command: isolated, without the packages of our own interpreter."""
    options = ("-I", "-S", "-u", "-X", "utf8")
    return (sys.executable, *options, str(_HERE / "python_serve.py"), str(control))


def _told(version: WorkerVersion, access: Access, folder: Path) -> dict[str, Any]:
    """Return what the process reads of itself."""
    if version.main_module is None:
        raise ScriptInvalid("a Python Worker needs a main module")
    return {
        "server_paths": server_paths(),
        "sdk": str(_HERE / "worker_sdk"),
        "folders": [str(folder), str(folder / VENDORED)],
        "main": version.main_module.removesuffix(".py").replace("/", "."),
        "address": access.address,
        "token": access.token,
        "tail": access.headers(TAIL),
        "texts": {one["name"]: str(one["text"]) for one in _bound(version, *_TEXTS)},
        "values": {one["name"]: one["json"] for one in _bound(version, "json")}
        | {one["name"]: version_metadata(version) for one in _bound(version, "version_metadata")},
        "buckets": {
            one["name"]: access.headers(f"/r2/{one['bucket_name']}")
            for one in _bound(version, "r2_bucket")
        },
        "assets": {
            one["name"]: access.headers(f"/assets/{version.id}")
            for one in _bound(version, "assets")
        },
    }


def _bound(version: WorkerVersion, *kinds: str) -> list[Mapping[str, Any]]:
    return [binding for binding in version.bindings if binding["type"] in kinds]
