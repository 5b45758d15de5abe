"""Workers of JavaScript and WebAssembly: one workerd process a version.

The configuration's schema is workerd.capnp of the same npm package as the binary. The file
has the version's secrets, so it is readable by its owner only, and removed once workerd runs.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable
from pathlib import Path

from xswarm_twin import programs
from xswarm_twin.edge.bindings import Bindings, read_bindings
from xswarm_twin.edge.children import Child, Children, Command, StartFailed
from xswarm_twin.edge.log import Log
from xswarm_twin.edge.services import Access
from xswarm_twin.errors import Unavailable
from xswarm_twin.model import Module, ScriptInvalid, WorkerVersion

CF_HEADER = "X-Twin-Cf"
"""The request header by which the edge tells workerd the value of ``request.cf``."""

_EVENTS_DATE = "2026-01-01"
_EVENTS = """
export default {
  async fetch(request, env) {
    const { cron, time } = Object.fromEntries(new URL(request.url).searchParams);
    const scheduledTime = new Date(Number(time));
    return Response.json(await env.WORKER.scheduled({ cron, scheduledTime }));
  },
};
"""
"""The Worker beside the served one, by which the edge tells it of a cron trigger."""

_KINDS = {
    "application/javascript+module": "esModule",
    "application/javascript": "commonJsModule",
    "text/javascript": "commonJsModule",
    "text/plain": "text",
    "application/octet-stream": "data",
    "application/wasm": "wasm",
    "application/json": "json",
}
_NOT_LOADED = {"application/source-map"}


def find_workerd(root: Path) -> Path:
    """Find the workerd binary for a project's folder; raises Unavailable."""
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system(), "unknown")
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "64"
    package = f"@cloudflare/workerd-{system}-{machine}"
    places = (folder / package / "bin" / "workerd" for folder in programs.packages(root))
    binary = next((place for place in places if place.is_file()), None)
    if binary is None:
        raise Unavailable(
            "workerd, the runtime of JavaScript Workers, is not installed",
            f"{package} is missing",
            "xswarm-twin up",
        )
    return binary


async def start(
    version: WorkerVersion,
    folder: Path,
    *,
    binary: Path,
    access: Access,
    children: Children,
    log: Log,
) -> Child:
    """Start a version's workerd and wait until it listens.

    Args:
        version: the version; its main module is no Python.
        folder: an empty folder of this start.
        binary: the workerd program.
        access: how the process reaches buckets and static files.
        children: starts the process.
        log: takes its output.

    Raises:
        ScriptInvalid: workerd refused the script; the text is what it said.
    """
    config = configuration(version, read_bindings(version), access)
    write_modules(version.modules, folder)
    path = folder / "config.capnp"
    path.touch(mode=0o600)
    path.write_text(config)
    command = Command(
        lambda control: (
            *(str(binary), "serve", "--experimental"),
            *(f"--control-fd={control}", str(path)),
        ),
        folder,
    )
    try:
        return await children.start(command, log.line)
    except StartFailed as failure:
        raise ScriptInvalid(_reason(str(failure), folder)) from None
    finally:
        path.unlink()


def configuration(version: WorkerVersion, bindings: Bindings, access: Access) -> str:
    """Return the configuration of a version's process, as Cap'n Proto text."""
    services = [
        '(name = "worker", worker = .worker)',
        '(name = "events", worker = .events)',
        '(name = "internet", network = (allow = ["public", "private"],'
        " tlsOptions = (trustBrowserCas = true)))",
        *(_external(f"r2:{bucket}", access, f"/r2/{bucket}") for bucket in _buckets(bindings)),
        _external("assets", access, "/assets"),
    ]
    return "\n".join(
        (
            'using Workerd = import "/workerd/workerd.capnp";',
            f"const config :Workerd.Config = (services = {listed(services)},",
            f'  sockets = [(name = "http", address = "127.0.0.1:0", service = "worker",'
            f" http = (cfBlobHeader = {text(CF_HEADER)})),"
            ' (name = "events", address = "127.0.0.1:0", service = "events")]);',
            f"const worker :Workerd.Worker = (modules = {listed(_modules(version))},",
            f"  compatibilityDate = {text(version.compatibility_date)},",
            f"  compatibilityFlags = {listed(map(text, version.compatibility_flags))},",
            f"  bindings = {listed(_bindings(bindings))});",
            "const events :Workerd.Worker = ("
            f'modules = [(name = "events.js", esModule = {text(_EVENTS)})],',
            f"  compatibilityDate = {text(_EVENTS_DATE)},",
            '  compatibilityFlags = ["service_binding_extra_handlers"],',
            '  bindings = [(name = "WORKER", service = "worker")]);',
        )
    )


def write_modules(modules: Iterable[Module], folder: Path) -> None:
    """Lay the modules' bytes where the configuration embeds them from."""
    (folder / "modules").mkdir()
    for number, module in enumerate(modules):
        shutil.copyfile(module.path, folder / "modules" / str(number))


def text(value: str) -> str:
    """Write a text as Cap'n Proto does."""
    escaped = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}"
        for byte in value.encode()
    )
    return f'"{"".join(escaped)}"'


def listed(items: Iterable[str]) -> str:
    """Write a list as Cap'n Proto does."""
    return f"[{', '.join(items)}]"


def _modules(version: WorkerVersion) -> list[str]:
    """Return the modules, the main one first."""
    numbered = [
        (number, module)
        for number, module in enumerate(version.modules)
        if module.media_type not in _NOT_LOADED
    ]
    if version.main_module not in {module.name for _, module in numbered}:
        raise ScriptInvalid(f"the main module {version.main_module} is not among the modules")
    numbered.sort(key=lambda pair: pair[1].name != version.main_module)
    return [_module(number, module) for number, module in numbered]


def _module(number: int, module: Module) -> str:
    kind = _KINDS.get(module.media_type)
    if kind is None:
        raise ScriptInvalid(f"module {module.name} is of the unknown type {module.media_type}")
    name = module.name.removeprefix("./")
    return f'(name = {text(name)}, {kind} = embed "modules/{number}")'


def _bindings(bindings: Bindings) -> list[str]:
    return [
        *(f"(name = {text(name)}, text = {text(value)})" for name, value in bindings.texts.items()),
        *(f"(name = {text(name)}, json = {text(value)})" for name, value in bindings.json.items()),
        *(
            f"(name = {text(name)}, r2Bucket = {text(f'r2:{bucket}')})"
            for name, bucket in bindings.buckets.items()
        ),
        *(f'(name = {text(name)}, service = "assets")' for name in bindings.assets),
    ]


def _buckets(bindings: Bindings) -> list[str]:
    return sorted(set(bindings.buckets.values()))


def _external(name: str, access: Access, resource: str) -> str:
    """Return a service of ours, which the Worker reaches without knowing its token."""
    headers = [
        f"(name = {text(header)}, value = {text(value)})"
        for header, value in access.headers(resource).items()
    ]
    return (
        f"(name = {text(name)}, external = (address = {text(access.address)},"
        f" http = (injectRequestHeaders = {listed(headers)})))"
    )


def _reason(output: str, folder: Path) -> str:
    """Return what workerd said, without our paths."""
    return output.replace(f"{folder}/", "").strip() or "workerd ended without a word"
