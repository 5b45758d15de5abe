"""invoke.yaml of a repository: the key ``deploy``, and nothing in it that is as by default."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from xswarm_deploy import texts
from xswarm_deploy.adoption import databases
from xswarm_deploy.adoption.answers import Answers
from xswarm_deploy.adoption.changes import relative
from xswarm_deploy.settings import project, settings
from xswarm_deploy.settings.variables import LOCAL, PRODUCTION, STAGING

NAME: Final = "invoke.yaml"
SCHEMA: Final = settings.CONFIG / "invoke.schema.json"
_OK: Final = 200


def text(answers: Answers) -> str:
    """Return invoke.yaml: what is there already, and below it the key ``deploy``."""
    file = answers.found.folder / NAME
    before = texts.read(file) if file.is_file() else ""
    if "deploy" in (yaml.safe_load(before) or {}):  # ours, of a moment ago
        before = ""
    head = "" if before else f"# yaml-language-server: $schema={SCHEMA.as_posix()}\n"
    made = f"{ended(before)}{head}{_tasks(answers, before)}{_dumped({'deploy': deploy(answers)})}"
    project.read(yaml.safe_load(made)["deploy"])  # it is never written so that it cannot be read
    return made


def deploy(answers: Answers) -> dict[str, Any]:
    """Return the key ``deploy``: what is not as by default, and nothing else."""
    found = answers.found
    worker = {
        "name": answers.name,
        "config": Path(relative(found.config, found.folder)).as_posix(),
        "build": found.build,
        "secrets": list(found.secrets),
        "variables": _variables(answers),
    }
    migrations = answers.migrations
    block: dict[str, Any] = _without_blanks(
        {
            "worker": worker,
            "uses": list(answers.uses),
            "migrations": {
                "directory": Path(relative(migrations.path, found.folder)).as_posix(),
                "down": "" if migrations.down == "written" else migrations.down,
            }
            if migrations
            else {},
            "check": {"branch": "" if found.branch == "main" else found.branch},
            "verify": {"routes": _routes(answers.routes)},
            "environments": {
                environment: {"worker": _own_worker(answers, environment)}
                for environment in (LOCAL, STAGING, PRODUCTION)
            },
        }
    )
    return block


def _variables(answers: Answers) -> list[str]:
    """Return the plain variables that the Worker reads, but those that an environment writes.

    The address of the releases' own database is the Worker's only where both have the same.
    """
    parts = [part for part in answers.found.environments.values() if isinstance(part, Mapping)]
    left = {name for part in parts for name in part.get("vars") or ()}
    if answers.database != databases.TURSO:
        left.add(settings.DATABASE)
    return [name for name in answers.found.variables if name not in left]


def ended(text: str) -> str:
    """Return a text whose last line ends."""
    return text if text.endswith("\n") or not text else f"{text}\n"


def _own_worker(answers: Answers, environment: str) -> dict[str, str]:
    name, part = answers.environment(environment)
    beside = answers.beside(environment)
    config = relative(beside.file, answers.found.folder) if beside else ""
    return {
        "name": "" if name == answers.name else name,
        "config": Path(config).as_posix() if config else "",
        "environment": part,
        "build": "" if environment == LOCAL else answers.build(environment),
    }


def _routes(routes: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"path": path} if status == _OK else {"path": path, "status": [status]}
        for path, status in sorted(routes.items())
    ]


def _tasks(answers: Answers, before: str) -> str:
    """Return what plain Invoke needs, where it has tasks of ours."""
    if not answers.tasks_py or "tasks" in (yaml.safe_load(before) or {}):
        return ""
    executor = "xswarm_deploy.cli.executor.Executor"
    return _dumped({"tasks": {"auto_dash_names": True, "executor_class": executor}})


def _dumped(value: Mapping[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def _without_blanks(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _without_blanks(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each not in ("", {}, [])}
    return value
