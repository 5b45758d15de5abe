"""The pipeline of a repository: a workflow of GitHub's, or a file of GitLab's."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Final

from xswarm_deploy.adoption import address, invoke_file
from xswarm_deploy.adoption import found as finding
from xswarm_deploy.adoption.answers import Answers
from xswarm_deploy.adoption.changes import FileChange, relative
from xswarm_deploy.settings import project, settings
from xswarm_deploy.settings.variables import PRODUCTION

WORKFLOW: Final = Path(".github/workflows/deploy.yml")
GITLAB_FILE: Final = Path(".gitlab-ci.yml")
_FOLDER: Final = Path(__file__).with_name("templates")
_FILL: Final = "# Fill in WORKER_URL in deployment/config/production.env.example, and commit it.\n"
_INSTALLS: Final = {
    "npm": "npm ci",
    "pnpm": "npm install --global pnpm && pnpm install --frozen-lockfile",
    "yarn": "npm install --global yarn && yarn install --immutable",
    "bun": "npm install --global bun && bun install --frozen-lockfile",
}


def files(answers: Answers) -> list[FileChange]:
    """Return the pipeline that was chosen; one that is there already stays as it is."""
    top = answers.found.top
    if answers.ci == finding.GITHUB:
        name = _name(answers)
        file = top / WORKFLOW.with_name(f"{name}.yml")
        return [] if file.exists() else [FileChange(file, text(answers, "github.yml"))]
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
    lines = (_FOLDER / template).read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if install or "%%install" not in line]
    return _Template("".join(kept)).substitute(
        branch=found.branch or "main",
        folder=Path(relative(found.folder, found.top)).as_posix(),
        install=install,
        fill=_FILL if address.is_unknown(answers, PRODUCTION) else "",
        secrets="\n".join(f"  {name}: ${{{{ secrets.{name} }}}}" for name in _secrets(answers)),
        names=", ".join(_secrets(answers)),
    )


class _Template(Template):
    """Marks are ``%%name``: workflows are full of dollar signs."""

    delimiter = "%%"


def _name(answers: Answers) -> str:
    """Return the workflow's name; of a package its own, for each has one."""
    found = answers.found
    return "deploy" if found.folder == found.top else f"deploy-{found.folder.name}"


def _install(answers: Answers) -> str:
    """Return what installs the Worker's packages; empty: it needs none."""
    found = answers.found
    needed = found.build or found.package.get("dependencies")
    return _INSTALLS.get(found.manager, "npm ci") if needed else ""


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
