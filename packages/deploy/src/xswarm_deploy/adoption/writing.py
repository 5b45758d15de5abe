"""The files of a repository that is released from: rendered from the answers, nothing written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from xswarm_deploy import texts
from xswarm_deploy.adoption import (
    address,
    databases,
    environment_files,
    from_pages,
    invoke_file,
    pipelines,
)
from xswarm_deploy.adoption.answers import Answers
from xswarm_deploy.adoption.changes import FileChange
from xswarm_deploy.bundling import programs
from xswarm_deploy.settings import project, schema, settings
from xswarm_deploy.settings.variables import LOCAL, PRODUCTION, STAGING

IGNORED: Final = (
    ".sandbox/",
    ".backups/",
    ".deployments/",
    ".dev.vars*",
    "!.dev.vars.example",
    f"{settings.CONFIG}/*.env",
    f"!{settings.CONFIG}/local.env",
)
_TASKS_PY: Final = 'from xswarm_deploy.tasks import ns\n\n__all__ = ["ns"]\n'
_LOCAL_ENV: Final = """\
# The local environment: it talks to the twin on this machine alone, whose keys and addresses
# (.sandbox/endpoints.env) are laid over this file. The Worker's own secrets: .dev.vars
ENVIRONMENT=local
"""
_ACCOUNT: Final = re.compile(r"[0-9a-f]{32}")
_LOCAL_D1: Final = """\
# The D1 database of this binding, which the twin has, too.
{name}={url}
"""


def files(answers: Answers) -> list[FileChange]:
    """Return all files as they are to be; one that is private and there already stays."""
    root = answers.found.folder
    made = [
        FileChange(root / invoke_file.NAME, invoke_file.text(answers)),
        FileChange(root / invoke_file.SCHEMA, schema.text()),
        FileChange(root / settings.CONFIG / "local.env", _local(answers)),
        FileChange(root / ".gitignore", gitignore(root)),
    ]
    if answers.main:
        made.insert(0, FileChange(answers.found.config, _wrangler(answers)))
    for environment in (STAGING, PRODUCTION):
        text = environment_file(answers, environment)
        file = root / settings.CONFIG / f"{environment}.env"
        made += [FileChange(file.with_name(f"{file.name}.example"), text)]
        made += [] if file.exists() else [FileChange(file, text, private=True)]
    if answers.tasks_py and not (root / "tasks.py").exists():
        made.append(FileChange(root / "tasks.py", _TASKS_PY))
    made += pipelines.files(answers)
    return [change for change in made if change.needed]


def environment_file(answers: Answers, environment: str) -> str:
    """Return the environment file: a line for what a release of this Worker needs."""
    named = project.read({**invoke_file.deploy(answers), "env": environment}, environment)
    known = {
        settings.DATABASE: answers.url(environment),
        "WORKER_URL": address.of(answers, environment),
        "CLOUDFLARE_ACCOUNT_ID": _account(answers, environment),
    }
    given = {name: value for name, value in known.items() if value}
    return environment_files.text(named, environment, given)


def _account(answers: Answers, environment: str) -> str:
    """Return the account that wrangler's file names; empty: a person looks it up.

    What stands there in an example, such as ``YOUR_ACCOUNT``, is none.
    """
    given = str(answers.content(environment).get("account_id") or "")
    return given if _ACCOUNT.fullmatch(given) else ""


def _local(answers: Answers) -> str:
    """Return local.env; a Worker with a D1 database of its own is released with that one."""
    if not answers.d1 or not databases.has(answers.content(LOCAL), answers.database):
        return _LOCAL_ENV
    return _LOCAL_ENV + _LOCAL_D1.format(name=settings.DATABASE, url=answers.database)


def gitignore(root: Path) -> str:
    """Return .gitignore with the lines that keep secrets, and what is made, out of git."""
    file = root / ".gitignore"
    before = texts.read(file) if file.is_file() else ""
    there = {line.strip().lstrip("/") for line in before.splitlines()}
    compiled = [f"{from_pages.FUNCTIONS}/"] if (root / from_pages.FUNCTIONS).is_dir() else []
    missing = [line for line in (*IGNORED, *compiled) if line not in there]
    if not missing:
        return before
    block = "\n".join(["# xswarm: what is made at run time, and secrets", *missing, ""])
    return f"{invoke_file.ended(before)}\n{block}" if before else block


def _wrangler(answers: Answers) -> str:
    content: dict[str, Any] = {
        "name": answers.name,
        "main": answers.main,
        "compatibility_date": programs.newest_date(),
    }
    if answers.main.endswith(".py"):
        content["compatibility_flags"] = ["python_workers"]
    return json.dumps(content, indent=2) + "\n"
