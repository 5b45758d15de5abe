"""The program of a Python Worker's process: loads the server, hides it, serves the Worker.

Run as ``python -I -S python_serve.py FD`` with what to serve as JSON on standard input. The
Worker's modules see the standard library, what was uploaded, and the names of the Workers SDK;
the server's own modules are taken out of sight before the first of the Worker's is imported.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

_BACKLOG = 2048
_IDLE = 75
_FAREWELL = 5


def main() -> None:
    """Serve what standard input tells, until SIGTERM."""
    told = json.loads(sys.stdin.buffer.read())
    served = Served()
    server = load_server(served, told["server_paths"])
    sys.path[:] = [told["sdk"], *sys.path, *told["folders"]]
    host = importlib.import_module("workers._host")
    runtime = host.bind(told)
    try:
        main = importlib.import_module(told["main"])
        served.application = host.application(main)
        served.events = host.events(main, told["token"])
    except BaseException as error:
        _tell(error, told["folders"])
        sys.exit(1)
    asyncio.run(_serve(server, runtime, served, int(sys.argv[1])))


class Served:
    """The application that the server was given before the Worker could be imported."""

    application: Callable[..., Awaitable[None]]
    events: Callable[..., Awaitable[None]]
    events_port: int

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass an ASGI call on: the edge tells of what is no request at a port of its own."""
        is_event = scope["server"][1] == self.events_port
        await (self.events if is_event else self.application)(scope, receive, send)


def load_server(served: Served, paths: Sequence[str]) -> Any:
    """Make a uvicorn server from outside, and leave no way to import what it is made of.

    Its configuration is loaded here, because that imports what the server will run on.
    """
    before, known = list(sys.path), set(sys.modules)
    sys.path.extend(paths)
    protocol = importlib.import_module("uvicorn.protocols.http.h11_impl").H11Protocol
    config = importlib.import_module("uvicorn.config").Config(
        served,
        http=protocol,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_FAREWELL,
    )
    config.load()
    server = importlib.import_module("uvicorn.server").Server(config)
    sys.path[:] = before
    _hide(set(sys.modules) - known, paths)
    return server


def _hide(names: Iterable[str], paths: Sequence[str]) -> None:
    """Forget modules that came from some folders; who holds them still does."""
    for name in names:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(tuple(paths)):
            del sys.modules[name]
    for path in list(sys.path_importer_cache):
        if path.startswith(tuple(paths)):
            del sys.path_importer_cache[path]


async def _serve(server: Any, runtime: Any, served: Served, control: int) -> None:
    """Serve on two free ports, and tell them on the control descriptor."""
    listeners = {name: _listener() for name in ("http", "control")}
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    served.events_port = ports["control"]
    for name, port in ports.items():
        event = {"event": "listen", "socket": name, "port": port}
        os.write(control, json.dumps(event).encode() + b"\n")
    os.close(control)
    await server.serve(list(listeners.values()))
    await runtime.finish(_FAREWELL)


def _listener() -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is said to be TCP
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(_BACKLOG)
    return listener


def _tell(error: BaseException, folders: Sequence[str]) -> None:
    """Print why the Worker's module was not imported, beginning with its own code."""
    trace = error.__traceback__
    while trace and not trace.tb_frame.f_code.co_filename.startswith(tuple(folders)):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(error.with_traceback(trace)))
    for folder in sorted(folders, key=len, reverse=True):
        text = text.replace(f"{folder}/", "")
    sys.stderr.write(text)


if __name__ == "__main__":
    main()
