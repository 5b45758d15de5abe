"""Bundle the Worker: wrangler turns its folder into the exact body of an upload, offline."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xswarm_deploy import child
from xswarm_deploy.bundling import (
    configuration,
    digests,
    library,
    programs,
    python_packages,
    static,
)
from xswarm_deploy.bundling.ignored import IGNORED
from xswarm_deploy.bundling.wrangler import file as configuration_file
from xswarm_deploy.bundling.wrangler import read, redirected, require_built
from xswarm_deploy.errors import Refused, Unavailable
from xswarm_deploy.private import make_folder, sync_file
from xswarm_deploy.secret import redact
from xswarm_deploy.services import multipart
from xswarm_deploy.services.multipart import Upload
from xswarm_deploy.settings import handed_on
from xswarm_deploy.settings.settings import Settings

if TYPE_CHECKING:
    from xswarm_deploy.bundling.static import Static

CACHE: Final = ".deployments/cache"
SECONDS: Final = 300.0  # for installing packages, and for bundling
_KEPT: Final = 5  # bundles in the cache
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")  # wrangler colours errors also for pipes
_NOISE: Final = "🪵"  # where wrangler's log is: in a folder that is gone by then
_TRACEBACK: Final = "Traceback (most recent call last):"
_INDENTED: Final = re.compile(r"(?m)^[ \t].*$")
_ERROR: Final = "✘ [ERROR]"  # what wrangler and esbuild begin an error with; a way on follows it
_FENCE: Final = "```"  # around the example in wrangler's way on
_FRAME: Final = re.compile(
    r"\(node:\d+\) .*|\(Use `node --trace-.*|Node\.js v[\d.]+"
    r"|at (?:async )?(?:.+ \()?(?:file:|node:|/|<anonymous>).*"
)
"""A line of Node's stack, its version, or what it will not have in future: never what failed."""
_BUILD: Final = "[custom build]"  # what the build command says, as wrangler prints it
_MEANINGLESS: Final = shutil.ignore_patterns(*IGNORED, "*.pyc")


@dataclass(frozen=True)
class Bundle:
    """The multipart body of an upload, as wrangler writes it, and what goes with it.

    Args:
        body: the form; without secrets and static files.
        digest: tells one content from another.
        files: the static files the Worker serves, if any.
    """

    body: bytes
    digest: str
    files: Static | None = None

    @cached_property
    def upload(self) -> Upload:
        """Return the form, read once: it is asked for its buckets, and then filled.

        Raises:
            Refused: the Worker is in the service worker format, which has no versions.
        """
        form = multipart.read(self.body)
        if "body_part" in form.metadata:
            raise Refused(
                "the Worker is in the service worker format",
                "its code calls addEventListener; only an ES module has versions",
                "write it as a module: export default { fetch(request, env) {…} }",
            )
        return form


def bundle(settings: Settings) -> Bundle:
    """Bundle the Worker of an environment; makes no call to any service.

    A Python Worker gets what its requirements.txt names, and the monitoring library,
    vendored beside its wrangler configuration; any other Worker is bundled as it stands.

    Raises:
        Refused: wrangler does not accept the Worker (its words are given), or its static
            files break a limit.
        Unavailable: wrangler is not installed.
    """
    config = configuration_file(settings)
    if not config.is_file():
        raise Refused(
            f"there is no wrangler configuration {settings.project.worker.config}",
            f"looked for {config}",
            "set deploy.worker.config in invoke.yaml",
        )
    require_built(settings)
    content = read(settings)
    configuration.require_deployable(content)
    python_packages.require_for_workers(config.parent, content)
    work = settings.path(CACHE)
    make_folder(work)
    with tempfile.TemporaryDirectory(dir=work, prefix="bundling-") as folder:
        named = requirements(settings)
        if named is None:  # it may import from anywhere: nothing tells that it is unchanged
            body = _dry_run(config, settings, Path(folder))
        else:
            body = _cached(named, settings, Path(folder))

    files = static.described(settings)
    return Bundle(body, digest(body) + (files.digest[:16] if files else ""), files)


def digest(body: bytes) -> str:
    """Return a hash of an upload's content that does not depend on its random boundary."""
    boundary = body.split(b"\r\n", 1)[0]
    return hashlib.sha256(body.replace(boundary, b"--")).hexdigest()


def requirements(settings: Settings) -> Path | None:
    """Return the file that names what a Python Worker vendors, or None for any other Worker."""
    config = configuration_file(settings)
    file = config.with_name("requirements.txt")
    main = str(read(settings).get("main", "")) if file.is_file() else ""
    return file if main.endswith(".py") else None


def _cached(named: Path, settings: Settings, folder: Path) -> bytes:
    """Bundle a Python Worker, which is wholly in one folder; the same content is bundled once.

    Args:
        named: what it vendors.
        settings: the environment's.
        folder: an empty one.
    """
    modules = _vendored(named, settings.root)
    kept = settings.path(CACHE) / f"bundle-{_key(named, modules, settings)}"
    if kept.is_file():
        kept.touch()
        return kept.read_bytes()
    body = _dry_run(_gathered(named, modules, settings, folder), settings, folder)
    fresh = folder / "bundle"
    fresh.write_bytes(body)
    sync_file(fresh)
    fresh.replace(kept)  # another may have been quicker: the same
    _forget_old(kept.parent)
    return body


def _gathered(named: Path, modules: Path, settings: Settings, folder: Path) -> Path:
    """Copy a Python Worker with what it vendors into a folder; return its configuration there."""
    config = configuration_file(settings)
    copy = folder / "worker"
    shutil.copytree(config.parent, copy, ignore=_MEANINGLESS)
    shutil.copytree(modules, copy / "python_modules")
    if library.is_named(named):
        library.vendor(copy / "python_modules")
    return copy / config.name


def _key(named: Path, modules: Path, settings: Settings) -> str:
    """Return a hash of what wrangler's answer depends on: each file, its own version, a name."""
    worker, config = settings.project.worker, configuration_file(settings)
    wrangler = programs.wrangler(settings.path(worker.config).parent).parents[1]
    parts = {"": config.parent, **({"library/": library.FOLDER} if library.is_named(named) else {})}
    held = [worker.name, worker.environment, modules.name]  # which is named by its content
    held.append(digests.of_file(wrangler / "package.json"))
    for part, folder in parts.items():
        for path in digests.files(folder):
            held.append(f"{part}{path.relative_to(folder).as_posix()} {digests.of_file(path)}")
    return hashlib.sha256("\n".join(held).encode()).hexdigest()[:32]


def _forget_old(folder: Path) -> None:
    bundles = sorted(folder.glob("bundle-*"), key=lambda path: path.stat().st_mtime)
    for path in bundles[:-_KEPT]:
        path.unlink(missing_ok=True)


def _vendored(named: Path, root: Path) -> Path:
    """Install what a Python Worker names, once for each content of the file."""
    key = hashlib.sha256(named.read_bytes()).hexdigest()[:16]
    target = root / CACHE / f"python-modules-{key}"
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="vendor-") as folder:
        made = Path(folder) / "modules"
        made.mkdir()
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text("\n".join(library.others(named)) + "\n", encoding="utf-8")
        if any(_meant(library.others(named))):
            _install(wanted, made)
        python_packages.require_pure(made, named)
        for file in made.rglob("*"):
            if file.is_file():
                sync_file(file)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # another was quicker: the same
                raise
    return target


def _meant(lines: Iterable[str]) -> Iterable[str]:
    return (line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _install(named: Path, target: Path) -> None:
    """Install what a file names: wheels without compiled code; else pip's choice, for a verdict."""
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-compile", "--only-binary", ":all:", "--target", str(target), "-r", str(named)),
    ]
    ended = run([*command, "--platform", "any"], env=child.installer())
    if ended.returncode:
        ended = run(command, env=child.installer())
    if ended.returncode:
        raise Unavailable(
            "the Worker's Python packages could not be installed",
            last_lines(ended.stderr),
            "pip install --target /tmp/try -r requirements.txt, beside wrangler's file",
        )
    shutil.rmtree(target / "bin", ignore_errors=True)


def _dry_run(config: Path, settings: Settings, folder: Path) -> bytes:
    outfile = folder / "upload"
    worker = settings.project.worker
    written = settings.path(worker.config)
    made = config == configuration_file(settings) != written  # for the environment that is chosen
    built = made and config == redirected(written.parent)  # wrangler finds it from there
    command = [
        *(str(programs.node()), str(programs.wrangler(written.parent))),
        *("versions", "upload", "--dry-run", "--outfile", str(outfile)),
        *(() if built else ("--config", str(config))),
        *("--env", worker.environment if built or not made else ""),  # empty: the file's top level
        *("--name", worker.name),
    ]
    where = written.parent if built else config.parent
    # build.command is a script of the Worker's own: it gets the variables that it is written for
    path = {"PATH": programs.search_path(where)}
    given = handed_on.environment() | _compiled(settings) | environment(folder) | path
    builds = bool((read(settings).get("build") or {}).get("command"))  # may install packages, too
    ended = run(command, times=3 if builds else 1, cwd=where, env=given)
    if ended.returncode or not outfile.is_file():
        named = "" if built else f" --config {config if made else config.name}"
        named += f" --env {worker.environment}" if worker.environment and not made else ""
        raise Refused(
            "wrangler does not accept the Worker",
            _verdict(ended.stdout, ended.stderr),
            f"fix it; to see all: npx wrangler versions upload --dry-run{named}",
        )
    return outfile.read_bytes()


def _compiled(settings: Settings) -> dict[str, str]:
    """Return where Node keeps wrangler's compiled code: it starts in four fifths of the time.

    Not where wrangler runs a build of the Worker's own: what that loads would be kept, too.
    """
    if (read(settings).get("build") or {}).get("command"):
        return {}
    return {"NODE_COMPILE_CACHE": str(settings.path(CACHE) / "compiled")}


def run(
    command: Sequence[str], *, times: int = 1, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program that asks nothing and ends in time.

    Args:
        command: the program and its arguments.
        times: how often the usual time it may take.
        options: those of ``subprocess.run``.

    Raises:
        Unavailable: it did not end.
    """
    seconds = SECONDS * times
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        **options,
    ) as process:
        try:
            said, complained = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as waited:
            _end(process)
            last = _verdict(_text(waited.stdout), _text(waited.stderr), ended=False)
            why = f"after {seconds:.0f} s" + (f"; it said last: {last}" if last else "")
            raise Unavailable(f"{_called(command)} did not end", why, "try again") from None
        except BaseException:
            _end(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, said, complained)


def _end(process: subprocess.Popen[str]) -> None:
    """End a program with all that it began: a build goes on where its wrangler alone is ended."""
    for pid in _begun_by(process.pid):
        with suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    process.kill()


def _begun_by(pid: int) -> list[int]:
    """Return the programs that one began, and those that they did; as far as ``ps`` tells."""
    command = ["ps", "-A", "-o", "pid=,ppid="]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return []
    pairs = [tuple(map(int, line.split())) for line in told.splitlines()]
    found = [pid]
    for each in found:
        found += [child for child, parent in pairs if parent == each]
    return found[1:]


def _text(said: str | bytes | None) -> str:
    """Return what a program had said when it was ended: bytes, whatever was asked for."""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said or ""


def _called(command: Sequence[str]) -> str:
    """Return what a person calls a program; Node runs wrangler."""
    of_wrangler = any("wrangler" in Path(word).parts for word in command[1:2])
    return "wrangler" if of_wrangler else Path(command[0]).name


def environment(folder: Path) -> dict[str, str]:
    """Return wrangler what it needs and nothing that is secret.

    Args:
        folder: a private one, for its log.
    """
    return child.environment() | {
        "CI": "1",
        "NO_COLOR": "1",
        "FORCE_COLOR": "0",
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_LOG_SANITIZE": "true",
        "WRANGLER_LOG_PATH": str(folder / "logs"),
        "WRANGLER_HIDE_BANNER": "true",
        "WRANGLER_OUTPUT_FILE_PATH": str(folder / "told"),  # a pipeline reads that of a deployment
    }


def _verdict(stdout: str, stderr: str, *, ended: bool = True) -> str:
    """Return why wrangler refused, or its last words; of its build command, what that one said."""
    built = [line for line in stdout.splitlines() if line.startswith(_BUILD)]
    if built and ("custom build" in stderr or not ended):
        return last_lines("\n".join(line.removeprefix(_BUILD) for line in built))
    return last_lines(stderr or stdout)


def last_lines(text: str, count: int = 6) -> str:
    """Return the last lines of a program's output as evidence, redacted.

    Of wrangler's and esbuild's they are those of the first error: what follows it is a way on.
    """
    plain = _COLOURS.sub("", text)
    if _TRACEBACK in plain:  # of Python: what is indented says where, what is not says what
        plain = _INDENTED.sub("", plain.rpartition(_TRACEBACK)[2])
    told = (line.strip() for line in plain.splitlines())
    lines = [line for line in told if line and not _is_noise(line)]
    first = next((n for n, line in enumerate(lines) if line.startswith(_ERROR)), -count)
    return redact(" | ".join(lines[first:][:count]))[:800]


def _is_noise(line: str) -> bool:
    return line.startswith((_NOISE, _FENCE)) or _FRAME.fullmatch(line) is not None
