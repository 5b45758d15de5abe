"""The pipeline of a repository: a workflow of GitHub's, or a file of GitLab's."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Final

from xswarm_deploy.adoption import address, invoke_file, workspace
from xswarm_deploy.adoption import found as finding
from xswarm_deploy.adoption.answers import Answers
from xswarm_deploy.adoption.changes import FileChange, relative
from xswarm_deploy.bundling import node_packages, python_packages
from xswarm_deploy.settings import project, settings
from xswarm_deploy.settings.variables import PRODUCTION

WORKFLOW: Final = Path(".github/workflows/deploy.yml")
GITLAB_FILE: Final = Path(".gitlab-ci.yml")
_FOLDER: Final = Path(__file__).with_name("templates")
_FILL: Final = "# Fill in WORKER_URL in deployment/config/production.env.example, and commit it.\n"
_NODE_FILES: Final = (".nvmrc", ".node-version")
_STEP: Final = " " * 10  # of a line of a step's env
_OLD_PNPM: Final = {"5": "7", "6": "8"}
"""Version of a pnpm-lock.yaml → the last pnpm that reads it."""


def files(answers: Answers) -> list[FileChange]:
    """Return the pipeline that was chosen; one that is there already stays as it is.

    A workflow of the team's own may have the name that ours would have: then it is ``xswarm.yml``.
    """
    top = answers.found.top
    if answers.ci == finding.GITHUB:
        named = [top / WORKFLOW.with_name(f"{_name(answers, w)}.yml") for w in ("deploy", "xswarm")]
        if any(is_ours(file) for file in named):
            return []
        free = next((file for file in named if not file.exists()), None)
        return [FileChange(free, text(answers, "github.yml"))] if free else []
    if answers.ci == finding.GITLAB:
        file = top / GITLAB_FILE
        return [] if file.exists() else [FileChange(file, text(answers, "gitlab.yml"))]
    return []


def text(answers: Answers, template: str) -> str:
    """Return a pipeline for a repository.

    Args:
        answers: what it is released as.
        template: the file's name.
    """
    found, install = answers.found, _install(answers)
    checkout = _checkout(found.top)
    lines = (_FOLDER / template).read_text(encoding="utf-8").splitlines(keepends=True)
    node = _node_file(found)
    filled = {
        "%%install": install,
        "%%checkout": checkout,
        "%%submodules": _submodules(found.top),
        "%%node": node,
    }
    left_out = [mark for mark, value in filled.items() if not value]
    kept = [line for line in lines if not any(mark in line for mark in left_out)]
    return _Template("".join(kept)).substitute(
        branch=found.branch or "main",
        folder=Path(relative(found.folder, found.top)).as_posix(),
        install=install,
        checkout=checkout,
        node=node,
        more=f", {checkout}" if checkout else "",
        submodules=_submodules(found.top),
        fill=_FILL if address.is_unknown(answers, PRODUCTION) else "",
        secrets="\n".join(
            f"{_STEP}{name}: ${{{{ secrets.{name} }}}}" for name in _secrets(answers)
        ),
        names=", ".join(_secrets(answers)),
        name=_name(answers, "deploy"),
        group=_name(answers, PRODUCTION),
    )


def _node_file(found: finding.Found) -> str:
    """Return the file that says which Node a repository is for, from its top; empty: none does.

    Source: actions/setup-node, node-version-file.
    """
    for folder in (found.home, *found.home.parents):
        package = node_packages.read(folder)
        parts = [part for key in ("volta", "engines") if isinstance(part := package.get(key), dict)]
        told = any(part.get("node") for part in parts)
        named = (*_NODE_FILES, *([node_packages.FILE] if told else []))
        file = next((folder / name for name in named if (folder / name).is_file()), None)
        if file or folder == found.top:
            return Path(relative(file, found.top)).as_posix() if file else ""
    return ""


def _checkout(top: Path) -> str:
    """Return what GitHub's checkout leaves out by itself: submodules, and files of Git LFS."""
    attributes = top / ".gitattributes"
    stored = attributes.is_file() and b"filter=lfs" in attributes.read_bytes()
    parts = ["submodules: recursive"] if _submodules(top) else []
    return ", ".join([*parts, "lfs: true"] if stored else parts)


def _submodules(top: Path) -> str:
    """Return how GitLab is to get submodules; empty: there are none."""
    return "recursive" if (top / ".gitmodules").is_file() else ""


class _Template(Template):
    """Marks are ``%%name``: workflows are full of dollar signs."""

    delimiter = "%%"


def is_ours(workflow: Path) -> bool:
    """Return whether a pipeline runs this tool."""
    return workflow.is_file() and "xswarm" in workflow.read_text(encoding="utf-8", errors="replace")


def _name(answers: Answers, word: str) -> str:
    """Return the workflow's name; of a package its own, for each has one."""
    found = answers.found
    return word if found.folder == found.top else f"{word}-{found.folder.name}"


def _install(answers: Answers) -> str:
    """Return what installs the Worker's packages; empty: it needs none."""
    found = answers.found
    commands = []
    if found.build or found.package.get("dependencies"):
        commands.append((_of_javascript(found), workspace.place(found.home, found.top)))
    if python_packages.named(found.config.parent, found.content):
        of_python = f"pip install --quiet uv && {python_packages.INSTALL}"
        commands.append((of_python, found.config.parent))
    return " && ".join(node_packages.typed(told, place, found.folder) for told, place in commands)


def _of_javascript(found: finding.Found) -> str:
    """Return the command that installs what a lock file names, by the program that wrote it."""
    folder, manager = found.home, found.manager
    lock = node_packages.lock(folder, found.top)
    version = node_packages.pinned(folder, found.top)
    text = lock.read_text(encoding="utf-8", errors="replace") if lock else ""
    if manager == "yarn" and ("__metadata:" in text or version[:1] not in ("", "1")):
        install = "yarn install --immutable" if lock else "yarn install"
        return f"npm install --global corepack && corepack enable && {install}"
    if manager == "npm" or manager not in ("pnpm", "yarn", "bun"):
        return "npm ci" if lock else "npm install"
    if manager == "pnpm" and not version:
        written = re.search(r"^lockfileVersion: '?(\d+)", text, re.MULTILINE)
        version = _OLD_PNPM.get(written[1], "") if written else ""
    program = f"{manager}@{version}" if version else manager
    frozen = " --frozen-lockfile" if lock else ""
    return f"npm install --global {program} && {manager} install{frozen}"


def _secrets(answers: Answers) -> list[str]:
    """Return the names of what the pipeline must be given: required, and secret or an id."""
    named = project.read({**invoke_file.deploy(answers), "env": PRODUCTION}, PRODUCTION)
    database = answers.url(PRODUCTION)
    told = {"ENVIRONMENT", "WORKER_URL", *([settings.DATABASE] if database else ())}
    return [
        variable.file_name(PRODUCTION)
        for variable in settings.asked(settings.used(named), database)
        if (variable.required and variable.name not in told)
        or variable.name in settings.own_secrets(named)
    ]
